# SPDX-License-Identifier: GPL-2.0-only
"""A compiler that is not installed is named, with its package."""

from pathlib import Path

import pytest

from harness.errors import ToolMissing
from harness.host.processes import programs
from harness.kernel.make import kbuild


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(programs, "SBIN", ())
    return tmp_path


def install(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).touch(mode=0o755)


@pytest.mark.parametrize(
    ("program", "present", "missing", "packages"),
    [
        ("gcc", (), "gcc is not installed", "install gcc "),
        ("gcc-14", ("gcc",), "gcc-14 is", "install gcc-14 "),
        ("aarch64-linux-gnu-gcc", ("gcc",), "aarch64-", "install gcc-aarch64-linux-gnu "),
        ("aarch64-linux-gnu-gcc-14", (), "gnu-gcc-14 is", "install gcc-14-aarch64-linux-gnu "),
        ("clang", (), "clang, ld.lld, llvm-ar are not", "install clang lld llvm "),
        ("clang-19", ("clang",), "clang-19, ld.lld-19", "install clang-19 lld-19 llvm-19 "),
        ("clang-19", ("clang-19", "llvm-ar-19"), "ld.lld-19 is not", "install lld-19 "),
        ("clang-19", ("clang-19", "ld.lld-19", "llvm-ar"), "llvm-ar-19 is", "install llvm-19 "),
    ],
)
def test_what_is_missing_is_named_with_its_package(
    installed: Path, program: str, present: tuple[str, ...], missing: str, packages: str
) -> None:
    install(installed, *present)
    with pytest.raises(ToolMissing, match=missing) as caught:
        kbuild.require(program)
    assert packages in (caught.value.hint or "")
    assert caught.value.where == f"compiler {program}"


@pytest.mark.parametrize(
    ("program", "present"),
    [
        ("gcc", ("gcc",)),
        ("clang-16", ("clang-16", "ld.lld-16", "llvm-ar-16")),
        ("clang", ("clang", "ld.lld", "llvm-ar")),
    ],
)
def test_what_is_installed_is_enough(
    installed: Path, program: str, present: tuple[str, ...]
) -> None:
    install(installed, *present)
    kbuild.require(program)
