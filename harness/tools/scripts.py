# SPDX-License-Identifier: GPL-2.0-only
"""Programs that come with this package's own dependencies: b4 and vng."""

import os
import shutil
import sysconfig

from harness.errors import ToolMissing


def installed(name: str) -> str:
    """Return the path of a console script: of our own environment first, then of PATH.

    The version that pyproject.toml asked for lies beside the interpreter that runs us, whether or
    not that folder is on PATH.
    """
    found = shutil.which(name, path=sysconfig.get_path("scripts")) or shutil.which(name)
    if found is None:
        raise ToolMissing(f"{name} is not installed", mend="run ./bootstrap to set everything up")
    return found


def path() -> str:
    """Return PATH for a console script that calls others of its package by name, as vng does."""
    return os.pathsep.join((sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)))
