# SPDX-License-Identifier: GPL-2.0-only
"""Where the distribution's programs are, for those that an ordinary user's PATH leaves out."""

import os
import shutil
from pathlib import Path

from harness.errors import ToolMissing

#: ndctl and busybox lie in sbin on some distributions.
MORE = ("/usr/sbin", "/sbin")


def find(name: str) -> Path | None:
    """Return the program's path, or None."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *MORE])
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
