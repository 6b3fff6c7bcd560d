# SPDX-License-Identifier: GPL-2.0-only
"""Reading of files that may be missing, and atomic replacement."""

import contextlib
import os
import tempfile
from pathlib import Path


def text_of(path: Path) -> str:
    """Return a file's text without white space around it; "" if it cannot be read."""
    with contextlib.suppress(OSError):
        return path.read_text(errors="replace").strip()
    return ""


def replace_file(path: Path, data: bytes, *, durable: bool = True) -> Path:
    """Replace a file atomically and return its path: temporary file, fsync, rename.

    Without `durable` there is no fsync, which takes milliseconds.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        # mkstemp creates private files.
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path
