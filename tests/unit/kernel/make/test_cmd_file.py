# SPDX-License-Identifier: GPL-2.0-only
"""Commands saved by kbuild, changed to compile another source."""

from pathlib import Path

import pytest

from harness.cli import cli
from harness.errors import InputError
from harness.host.processes.process import Deadline
from harness.host.processes.sandbox import NO_SANDBOX, Sandbox
from harness.kernel.make.cmd_file import compiling, saved_command, saved_commands
from harness.kernel.make.kbuild import Make

TEXT = """savedcmd_mm/mm_init.o := gcc -Wp,-MMD,mm/.mm_init.o.d -nostdinc -I../include -O2 \
-DKBUILD_MODFILE='"mm/mm_init"' -c -o mm/mm_init.o ../mm/mm_init.c   ; \
./tools/objtool/objtool --orc mm/mm_init.o

source_mm/mm_init.o := ../mm/mm_init.c
"""


def test_quotes_and_later_commands_are_removed() -> None:
    assert saved_command(TEXT, "mm/mm_init.o") == [
        "gcc",
        "-Wp,-MMD,mm/.mm_init.o.d",
        "-nostdinc",
        "-I../include",
        "-O2",
        '-DKBUILD_MODFILE="mm/mm_init"',
        "-c",
        "-o",
        "mm/mm_init.o",
        "../mm/mm_init.c",
    ]


def test_all_commands_of_an_object_are_returned() -> None:
    first, second = saved_commands(TEXT, "mm/mm_init.o")
    assert first == saved_command(TEXT, "mm/mm_init.o")
    assert second == ["./tools/objtool/objtool", "--orc", "mm/mm_init.o"]


@pytest.mark.parametrize(
    "more", ["&& true", "| cat", "> x", "; (true)", "; echo $$HOME", "; echo `id`", "& wait"]
)
def test_commands_that_need_a_shell_are_refused(more: str) -> None:
    with pytest.raises(ValueError, match="needs a shell"):
        saved_commands(f"cmd_a.o := gcc -c -o a.o a.c {more}\n", "a.o")


def test_another_source_is_compiled_the_same_way_with_debug_information() -> None:
    argv = compiling(saved_command(TEXT, "mm/mm_init.o"), "replay/kernel.c", "replay/shim.o")
    assert argv[-5:] == ["-c", "-o", "replay/shim.o", "-g", "replay/kernel.c"]
    assert not any("MMD" in word or "mm_init.c" in word for word in argv)


def test_a_command_of_another_object_is_refused() -> None:
    with pytest.raises(ValueError, match="no command for mm/sparse"):
        saved_command(TEXT, "mm/sparse.o")


@pytest.mark.parametrize(
    "argv", [["gcc", "-c", "-o", "a.o", "b.o"], ["gcc", "-o", "a", "a.c"], ["ld", "-r"]]
)
def test_a_command_that_does_not_compile_one_source_is_refused(argv: list[str]) -> None:
    with pytest.raises(ValueError, match="does not compile one source"):
        compiling(argv, "x.c", "x.o")


@pytest.mark.parametrize(
    ("compiler", "variables"),
    [
        ("gcc", []),
        ("gcc-14", ["CC=gcc-14", "HOSTCC=gcc-14"]),
        ("clang", ["LLVM=1"]),
        ("clang-19", ["LLVM=-19"]),
    ],
)
def test_the_compiler_is_chosen_by_kbuilds_variables(
    compiler: str, variables: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "make"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    make = Make(
        tmp_path,
        tmp_path / "objects",
        compiler,
        sandbox=Sandbox(NO_SANDBOX),
        log=tmp_path / "log",
        deadline=Deadline(10),
    )
    said = make("bzImage").stdout.splitlines()
    assert [a for a in said if a.startswith(("CC=", "HOSTCC=", "LLVM="))] == variables


@pytest.mark.parametrize("compiler", ["tcc", "clang-", "gcc-14;reboot", "/tmp/gcc", "clang-19-x"])
def test_an_unknown_compiler_is_refused(compiler: str) -> None:
    with pytest.raises(InputError, match="--compiler: no compiler"):
        cli.main(["build", "--compiler", compiler], standalone_mode=False)
