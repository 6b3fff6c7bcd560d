# SPDX-License-Identifier: GPL-2.0-only
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.kernel.make.make_output import of_machine


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
        "/bin/sh: 1: gawk: not found",
        "/bin/sh: line 1: zstd: command not found",
        "/bin/sh: clang: command not found",
        "sh: ld.lld: not found",
        "/bin/sh: 1: x86_64-linux-gnu-g++-14: not found",
        "scripts/link-vmlinux.sh: line 12: pahole: command not found",
        "./scripts/link-vmlinux.sh: 12: pahole: not found",
        "make: gcc: Permission denied",
        "make[1]: bison: Command not found",
        "/usr/bin/env: 'python3': No such file or directory",
        "env: 'perl': Permission denied",
        "mm/x.c:9:1: fatal error: error writing to /tmp/x.s: No space left on device",
        "LLVM ERROR: IO failure on output stream: No space left on device",
        "/bin/sh: 1: flex: not found\r\n",
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
        "/bin/sh: 1: ./scripts/new-tool.sh: not found",
        "/bin/sh: 1: scripts/new-tool: not found",
        "/bin/sh: 1: /source/scripts/new-tool: not found",
        "/bin/sh: 1: new-tool.sh: not found",
        "/bin/sh: 1: -n: not found",
        "/bin/sh: 1: @echo: not found",
        "/bin/sh: 1: $CC: not found",
        "/bin/sh: 1: =: not found",
        "/bin/sh: 1: : not found",
        "/bin/sh: 1: mm/x.o: not found",
        "scripts/a.sh: line 3: ./b.sh: No such file or directory",
        "scripts/a.sh: line 3: ./b: command not found",
        "make: ./tools/gen.py: No such file or directory",
        "make[2]: tools/gen: Permission denied",
        "make[2]: gen.py: No such file or directory",
        "make[2]: Makefile: No such file or directory",
        "make[2]: rules.mk: No such file or directory",
        "make: *** mm: No such file or directory.  Stop.",
        "/usr/bin/env: 'python3\\r': No such file or directory",
        "env: './gen': No such file or directory",
        "mm/mm_init.c:9:2: error: pages: not found",
        "modpost: symbol: not found",
        "ld: symbol: not found",
        # What the compiler shows of the source.
        "   28 | #define ENOSPC          28      /* No space left on device */",
        "      |                         24      /* Too many open files */",
        "include/x.h:9:2: note: expanded from here: No space left on device",
        'mm/mm_init.c:9:2: error: #error "No space left on device"',
        "mm/mm_init.c:9: warning: Cannot allocate memory",
        "Makefile:12: *** Input/output error.  Stop.",
        "not found",
        "",
        "\x1b[31m: \xff\xfe",
        "x" * 100_000 + ": not found",
    ],
)
def test_the_source_is_to_blame(line: str) -> None:
    assert not of_machine(line)


@given(st.text(), st.text(st.characters(codec="ascii"), min_size=1))
def test_any_line_is_parsed_without_an_error(line: str, path: str) -> None:
    assert of_machine(line) in (True, False)
    assert not of_machine(f"/bin/sh: 1: ./{path}: not found".replace("\n", " "))
