# SPDX-License-Identifier: GPL-2.0-only
"""Warnings in make's output: their objects, and which ones are new."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.kernel.make.warning_lines import Reader, new, together, warning

LOG = """\
make[1]: Entering directory '/o'
  GEN     Makefile
  CC      mm/mm_init.o
../mm/mm_init.c: In function 'f':
../mm/mm_init.c:12:6: warning: unused variable 'x' [-Wunused-variable]
   12 |  int x;
      |      ^
  CC [M]  lib/test_hmm.o
In file included from /src/include/linux/mm.h:7,
                 from /src/lib/test_hmm.c:3:
/src/include/linux/mm.h:99:1: warning: 'g' defined but not used [-Wunused-function]
/src/include/linux/mm.h:120:1: warning: 'g' defined but not used [-Wunused-function]
  LD      vmlinux.o
vmlinux.o: warning: objtool: f+0x1b/0x40: unreachable instruction
WARNING: modpost: vmlinux: section mismatch in reference: f+0x2 (section: .text)
ld: warning: x.o: missing .note.GNU-stack section implies executable stack
  CC      mm/memory.o
"""
UNUSED = "mm/mm_init.c: unused variable 'x' [-Wunused-variable]"
HEADER = "include/linux/mm.h: 'g' defined but not used [-Wunused-function]"


def read(text: str) -> dict[str, dict[str, int]]:
    reader = Reader("/src")
    for line in text.splitlines():
        reader.hear(line)
    return reader.found


def test_a_warning_belongs_to_the_target_named_last() -> None:
    found = read(LOG)
    assert found["mm/mm_init.o"] == {UNUSED: 1}
    assert found["lib/test_hmm.o"] == {HEADER: 2}
    assert found["mm/memory.o"] == {}
    assert found["vmlinux.o"] == {
        "vmlinux.o: objtool: f: unreachable instruction": 1,
        "modpost: vmlinux: section mismatch in reference: f (section: .text)": 1,
        "ld: x.o: missing .note.GNU-stack section implies executable stack": 1,
    }


@pytest.mark.parametrize(
    "line",
    [
        "",
        "  CC      mm/warning.o",
        "mm/x.c:1:1: error: warning: no",
        "mm/x.c:3:1: note: declared here",
        "this is no warning: at all",
        "warning:",
        "warning: ",
        "warning:unsafe memcpy()",
        "init/Kconfig:12:warning:",
        "init/Kconfig:warning: no line number",
        "init/Kconfig:12:error: warning: no",
        "ok: unsafe memcpy() usage correctly detected with '__read_overflow' in lib/x.c",
        "   12 |  int x; // : warning",
    ],
)
def test_other_lines_are_not_warnings(line: str) -> None:
    assert warning(line, "/src") == ""


@pytest.mark.parametrize("place", ["mm/x.c", "../mm/x.c", "../../mm/x.c", "/src/mm/x.c"])
@pytest.mark.parametrize("at", ["", ":7", ":7:30"])
def test_the_place_of_a_warning_is_left_out(place: str, at: str) -> None:
    assert warning(f"{place}{at}: warning: w [-W]\r", "/src") == "mm/x.c: w [-W]"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "init/Kconfig:12:warning: multi-line strings not supported",
            "init/Kconfig: multi-line strings not supported",
        ),
        (
            "../init/Kconfig:12: warning: style of older kernels",
            "init/Kconfig: style of older kernels",
        ),
        (
            ".config:7:warning: override: reassigning to symbol HZ_1000",
            ".config: override: reassigning to symbol HZ_1000",
        ),
        (
            "warning: unsafe memcpy() usage lacked '__write_overflow' symbol in lib/x.c",
            "unsafe memcpy() usage lacked '__write_overflow' symbol in lib/x.c",
        ),
        (
            "WARNING: unmet direct dependencies detected for LIBNVDIMM",
            "unmet direct dependencies detected for LIBNVDIMM",
        ),
        ("clang: warning: argument unused", "clang: argument unused"),
    ],
)
def test_warnings_of_other_programs(line: str, expected: str) -> None:
    assert warning(line, "/src") == expected


def test_a_warning_in_a_header_counts_once() -> None:
    assert together({"a.o": {"h": 2, "a": 1}, "b.o": {"h": 2}, "c.o": {"h": 1}}) == {"a": 1, "h": 2}


def test_a_warning_given_more_often_is_new() -> None:
    assert new({"a": 1, "b": 2}, {"a": 2, "b": 1, "c": 1}) == ("a", "c")
    assert new({"a": 1}, {}) == ()


@given(st.text())
def test_any_line_is_read_without_an_error(line: str) -> None:
    reader = Reader("/src")
    reader.hear(line)
    assert isinstance(reader.found, dict)
