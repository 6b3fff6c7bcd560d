# SPDX-License-Identifier: GPL-2.0-only
"""Finds programs of this package's Python dependencies: b4 and vng."""

import os
import shutil
import sysconfig
from pathlib import Path

from harness.errors import ToolMissing


def installed(name: str) -> str:
    """Return the path of a console script: beside the running Python first, then on PATH."""
    found = shutil.which(name, path=sysconfig.get_path("scripts")) or shutil.which(name)
    if found is None:
        raise ToolMissing(f"{name} is not installed", hint="run ./bootstrap to set everything up")
    interpreter = _interpreter(Path(found))
    if interpreter and not Path(interpreter).exists():
        # Its failure would be taken for that of what it runs: a guest that does not boot, say.
        raise ToolMissing(
            f"{name} cannot run: its interpreter {interpreter} does not exist",
            where=found,
            hint="an environment cannot be moved: remove it and run ./bootstrap",
        )
    return found


def _interpreter(script: Path) -> str:
    """Return the interpreter that a script names; empty for a program that is not a script."""
    with script.open("rb") as file:
        first = file.readline(4096)
    words = first[2:].split() if first.startswith(b"#!") else []
    return os.fsdecode(words[0]) if words else ""


def path() -> str:
    """Return PATH for a console script that calls others of its package by name, as vng does."""
    return os.pathsep.join((sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)))
