# SPDX-License-Identifier: GPL-2.0-only
"""Finds the distribution's programs, also those outside an ordinary user's PATH."""

import os
import shutil
from pathlib import Path

from harness.errors import ToolMissing

#: Some distributions have ndctl and busybox in sbin.
SBIN = ("/usr/sbin", "/sbin")


def find(name: str) -> Path | None:
    """Return the program's path, or None."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *SBIN])
    found = shutil.which(name, path=path)
    return None if found is None else Path(found)


def require(name: str) -> Path:
    """Return the program's path. Raises ToolMissing."""
    found = find(name)
    if found is None:
        raise ToolMissing(
            f"{name} is not installed", hint="run `harness doctor` to see what is missing"
        )
    return found
