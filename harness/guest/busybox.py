# SPDX-License-Identifier: GPL-2.0-only
"""Finds busybox: the guest's shell and tools in one static program."""

from pathlib import Path

from harness.errors import MachineError
from harness.host.processes import programs, shared_libraries
from harness.host.processes.process import Deadline, run

#: openSUSE has both; the static one has a name of its own.
NAMES = ("busybox-static", "busybox")


def require_static(log: Path, deadline: Deadline) -> Path:
    """Return the distribution's static busybox. Raises ToolMissing, or MachineError if dynamic."""
    found = [program for name in NAMES if (program := programs.find(name)) is not None]
    for program in found or [programs.require("busybox")]:
        if not shared_libraries.libraries(program, log=log, deadline=deadline):
            return program
    raise MachineError(
        "is linked dynamically",
        where=str(found[-1]),
        expected="a static busybox",
        hint="install the package that configs/packages.txt names for it",
    )


def applets(program: Path, log: Path, deadline: Deadline) -> list[str]:
    """Return the names of busybox's applets."""
    done = run([str(program), "--list"], log=log, deadline=deadline)
    return [name for name in done.stdout.split() if "/" not in name and name != "busybox"]
