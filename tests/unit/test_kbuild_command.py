# SPDX-License-Identifier: GPL-2.0-only
"""The command lines that kbuild keeps, made to compile another source."""

import pytest

from harness.parse.kbuild import compiling, saved_command

TEXT = """savedcmd_mm/mm_init.o := gcc -Wp,-MMD,mm/.mm_init.o.d -nostdinc -I../include -O2 \
-DKBUILD_MODFILE='"mm/mm_init"' -c -o mm/mm_init.o ../mm/mm_init.c   ; \
./tools/objtool/objtool --orc mm/mm_init.o

source_mm/mm_init.o := ../mm/mm_init.c
"""


def test_the_shells_quotes_and_what_comes_after_are_gone() -> None:
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


def test_another_source_is_compiled_the_same_way_with_debug_information() -> None:
    argv = compiling(saved_command(TEXT, "mm/mm_init.o"), "replay/kernel.c", "replay/shim.o")
    assert argv[-5:] == ["-c", "-o", "replay/shim.o", "-g", "replay/kernel.c"]
    assert not any("MMD" in word or "mm_init.c" in word for word in argv)


def test_another_objects_command_is_none_of_ours() -> None:
    with pytest.raises(ValueError, match="no command for mm/sparse"):
        saved_command(TEXT, "mm/sparse.o")


@pytest.mark.parametrize(
    "argv", [["gcc", "-c", "-o", "a.o", "b.o"], ["gcc", "-o", "a", "a.c"], ["ld", "-r"]]
)
def test_what_compiles_no_source_is_refused(argv: list[str]) -> None:
    with pytest.raises(ValueError, match="not understood"):
        compiling(argv, "x.c", "x.o")
