# SPDX-License-Identifier: GPL-2.0-only
"""What make printed, and whom that blames: the machine, or the source.

A compiler that the OOM killer ended, a full disk or a missing program make a build fail as surely
as a wrong patch does; only the words differ.
"""

import re

_OF_MACHINE = re.compile(
    r"Killed signal terminated program"
    r"|terminated with signal 9 \[Killed\]"
    r"|\bmake(?:\[\d+\])?: \*\*\* \[.{0,300}\] (?:Killed|Bus error|File size limit exceeded)"
    r"|was killed by SIG(?:KILL|BUS|XFSZ|TERM)"
    r"|No space left on device|Disk quota exceeded|File too large|Input/output error"
    r"|virtual memory exhausted|Cannot allocate memory|out of memory allocating"
    r"|[Cc]annot fork|fork: (?:retry: )?Resource temporarily unavailable|Too many open files"
    r"|: (?:command )?not found$"
    r"|\bmake(?:\[\d+\])?: [\w./+-]{1,200}: (?:No such file or directory|Permission denied)$"
)


def of_machine(line: str) -> bool:
    """Whether a line says that the machine, not the source, made a build fail."""
    return _OF_MACHINE.search(line[:2000]) is not None
