# SPDX-License-Identifier: GPL-2.0-only
"""Programs that come with this package's own dependencies: b4 and vng."""

import os
import shutil
import sysconfig
from pathlib import Path

from harness.errors import ToolMissing


def installed(name: str) -> str:
    """Return the path of a console script: of our own environment first, then of PATH.

    The version that pyproject.toml asked for lies beside the interpreter that runs us, whether or
    not that folder is on PATH.
    """
    found = shutil.which(name, path=sysconfig.get_path("scripts")) or shutil.which(name)
    if found is None:
        raise ToolMissing(f"{name} is not installed", hint="run ./bootstrap to set everything up")
    interpreter = _interpreter(Path(found))
    if interpreter and not Path(interpreter).exists():
        # It would fail as what it was run for might: a guest that never came up, say.
        raise ToolMissing(
            f"{name} cannot be run: its interpreter {interpreter} is not there",
            where=found,
            hint="remove the environment, which cannot be moved, and run ./bootstrap",
        )
    return found


def _interpreter(script: Path) -> str:
    """What a script's first line names; empty for a program that is no script."""
    with script.open("rb") as file:
        first = file.readline(4096)
    words = first[2:].split() if first.startswith(b"#!") else []
    return os.fsdecode(words[0]) if words else ""


def path() -> str:
    """Return PATH for a console script that calls others of its package by name, as vng does."""
    return os.pathsep.join((sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)))
