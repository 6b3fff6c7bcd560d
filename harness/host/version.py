# SPDX-License-Identifier: GPL-2.0-only
"""The version that a program gives itself."""

import re
from pathlib import Path

from harness.errors import HarnessError
from harness.host.process import Deadline, run

_NUMBER = re.compile(r"\d+(?:\.\d+)+")
#: Those that do not know --version.
_ARGUMENTS: dict[str, tuple[str, ...]] = {"busybox": (), "busybox-static": ()}


def of(program: Path, *, log: Path) -> str:
    """Return the first number with a dot in what it says of itself; empty if it says none."""
    heard: list[str] = []
    arguments = _ARGUMENTS.get(program.name, ("--version",))
    try:
        # gcc and make say it on standard output, dpkg and others on standard error.
        run(
            [str(program), *arguments],
            log=log,
            deadline=Deadline(30),
            ok=None,
            on_line=heard.append,
        )
    except HarnessError:
        return ""
    match = _NUMBER.search("\n".join(heard))
    return match[0] if match else ""
