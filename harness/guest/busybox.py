# SPDX-License-Identifier: GPL-2.0-only
"""busybox: the guest's shell and tools in one static program."""

from pathlib import Path

from harness.errors import MachineError
from harness.host import programs, shared_libraries
from harness.host.process import Deadline, run

#: openSUSE names the static one apart.
NAMES = ("busybox-static", "busybox")


def require_static(log: Path) -> Path:
    """Return the distribution's static busybox. Raises ToolMissing, or MachineError if dynamic."""
    found = [program for name in NAMES if (program := programs.find(name)) is not None]
    for program in found or [programs.require("busybox")]:
        if not shared_libraries.libraries(program, log=log):
            return program
    raise MachineError(
        "is linked dynamically",
        where=str(found[-1]),
        expected="a static busybox",
        hint="install the package that configs/packages.txt names for it",
    )


def applets(program: Path, log: Path) -> list[str]:
    """Return the names that it answers to."""
    done = run([str(program), "--list"], log=log, deadline=Deadline(20))
    return [name for name in done.stdout.split() if "/" not in name and name != "busybox"]
