# SPDX-License-Identifier: GPL-2.0-only
"""Decides from make's output whether the machine or the source made a build fail. Pure.

A killed compiler, a full disk or a missing program must not look like a wrong patch.
"""

import re

#: A program looked up in PATH. One with a path or suffix belongs to the source.
_PROGRAM = r"(?!Makefile|Kbuild)(?![^:']*\.(?:sh|py|pl|awk|mk|[cho])\b)[A-Za-z0-9_][\w.+-]{0,100}"
_OF_MACHINE = re.compile(
    r"Killed signal terminated program"
    r"|terminated with signal 9 \[Killed\]"
    r"|\bmake(?:\[\d+\])?: \*\*\* \[.{0,300}\] (?:Killed|Bus error|File size limit exceeded)"
    r"|was killed by SIG(?:KILL|BUS|XFSZ|TERM)"
    r"|No space left on device|Disk quota exceeded|File too large|Input/output error"
    r"|virtual memory exhausted|Cannot allocate memory|out of memory allocating"
    r"|[Cc]annot fork|fork: (?:retry: )?Resource temporarily unavailable|Too many open files"
    # A shell, or a script with a line number.
    rf"|^(?:(?:\S*/)?(?:ba|da|k|z)?sh: |[^\s:]+: (?:line )?\d+: )(?:(?:line )?\d+: )?"
    rf"{_PROGRAM}: (?:command )?not found$"
    rf"|^make(?:\[\d+\])?: {_PROGRAM}: (?:No such file or directory|Permission denied"
    r"|Command not found)$"
    rf"|^(?:\S*/)?env: '{_PROGRAM}': (?:No such file or directory|Permission denied)$"
)
#: A message on a source line, and the line itself. Not `fatal error`, which may be the machine's:
#: `x.c:9:1: fatal error: error writing to /tmp/x.s: No space left on device`.
_OF_SOURCE = re.compile(r"\s*\d*\s+\||[^\s:]+:\d+:(?:\d+:)? (?:error: |warning: |note: |\*\*\* )")


def of_machine(line: str) -> bool:
    """Return whether a line shows that the machine made a build fail."""
    line = line[:2000].rstrip("\r\n")
    return _OF_SOURCE.match(line) is None and _OF_MACHINE.search(line) is not None
