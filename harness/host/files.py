# SPDX-License-Identifier: GPL-2.0-only
"""Files that are replaced as a whole: a reader sees the old content or the new one."""

import os
import tempfile
from pathlib import Path


def replace_file(path: Path, data: bytes, *, durable: bool = True) -> Path:
    """Replace a file's content at once: temporary file, fsync, rename.

    What can be made again need not be `durable`: then there is no fsync, which takes milliseconds.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        # mkstemp makes files private; these are for everyone who may read the folder.
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path
