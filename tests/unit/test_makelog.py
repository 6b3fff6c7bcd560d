# SPDX-License-Identifier: GPL-2.0-only
import pytest

from harness.parse.makelog import of_machine


@pytest.mark.parametrize(
    "line",
    [
        "gcc: fatal error: Killed signal terminated program cc1",
        "collect2: fatal error: ld terminated with signal 9 [Killed]",
        "make[3]: *** [../scripts/Makefile.build:287: mm/slub.o] Killed",
        "/tmp/ccX.s: Assembler messages: No space left on device",
        "cc1: out of memory allocating 65536 bytes after a total of 135168 bytes",
        "cc1: virtual memory exhausted: Cannot allocate memory",
        "make[1]: *** fork: Resource temporarily unavailable",
        "/bin/sh: 1: flex: not found",
        "bash: line 1: bc: command not found",
        "make[2]: flex: No such file or directory",
        "make was killed by SIGKILL (exit code 137)",
    ],
)
def test_the_machine_is_to_blame(line: str) -> None:
    assert of_machine(line)


@pytest.mark.parametrize(
    "line",
    [
        "mm/mm_init.c:9:2: error: 'nonesuch' undeclared (first use in this function)",
        "mm/mm_init.c:3:10: fatal error: linux/none.h: No such file or directory",
        "make[2]: *** [scripts/Makefile.build:287: mm/mm_init.o] Error 1",
        "make[1]: *** No rule to make target 'mm/none.o', needed by 'mm/built-in.a'.  Stop.",
        "ld: vmlinux.o: in function `f': undefined reference to `none'",
        "sh: 1: cannot create /root/x: Read-only file system",
        "not found",
        "",
        "\x1b[31m: \xff\xfe",
        "x" * 100_000 + ": not found",
    ],
)
def test_the_source_is_to_blame(line: str) -> None:
    assert not of_machine(line)
