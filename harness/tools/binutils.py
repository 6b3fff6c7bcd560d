# SPDX-License-Identifier: GPL-2.0-only
"""What binutils know of an object file."""

import re
from pathlib import Path

from harness.errors import MachineError
from harness.proc import Deadline, run

_BUILD_ID = re.compile(r"Build ID: ([0-9a-f]{16,})")


def build_id(file: Path, *, log: Path) -> str:
    """Return the linker's build id of an ELF file, in hex. Raises MachineError if it has none."""
    notes = run(["readelf", "--notes", str(file)], log=log, deadline=Deadline(60)).stdout
    match = _BUILD_ID.search(notes)
    if match is None:
        raise MachineError("has no build id", where=str(file), expected="a GNU build-id note")
    return match[1]
