# SPDX-License-Identifier: GPL-2.0-only
"""The version of an installed program."""

import re
from pathlib import Path

from harness.errors import HarnessError
from harness.host.processes.process import Deadline, run

_NUMBER = re.compile(r"\d+(?:\.\d+)+")
#: Programs without --version.
_ARGUMENTS: dict[str, tuple[str, ...]] = {"busybox": (), "busybox-static": ()}


def of(program: Path, *, log: Path, deadline: Deadline) -> str:
    """Return the first number with a dot that `PROGRAM --version` prints; empty if none."""
    lines: list[str] = []
    arguments = _ARGUMENTS.get(program.name, ("--version",))
    try:
        # dpkg and others print it on standard error.
        run(
            [str(program), *arguments],
            log=log,
            deadline=deadline,
            ok=None,
            on_line=lines.append,
        )
    except HarnessError:
        return ""
    match = _NUMBER.search("\n".join(lines))
    return match[0] if match else ""
