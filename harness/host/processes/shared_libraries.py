# SPDX-License-Identifier: GPL-2.0-only
"""The shared libraries of a program, from ldd."""

import re
from pathlib import Path

from harness.errors import MachineError
from harness.host.processes.process import Deadline, run

_LOADED = re.compile(r"(?:\S+ => )?(/\S.*) \(0x[0-9a-f]+\)")
_LOST = re.compile(r"(\S+) => not found")


def libraries(program: Path, *, log: Path, deadline: Deadline) -> list[Path]:
    """Return the paths of a program's libraries and loader; none if it is static."""
    # 1: a static program.
    done = run(["ldd", str(program)], log=log, deadline=deadline, ok=(0, 1))
    if lost := _LOST.findall(done.stdout):
        raise MachineError(
            f"cannot be loaded here: {', '.join(lost)} not found", where=str(program)
        )
    lines = (line.strip() for line in done.stdout.splitlines())
    return [Path(match[1]) for line in lines if (match := _LOADED.fullmatch(line))]
