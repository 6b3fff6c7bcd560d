# SPDX-License-Identifier: GPL-2.0-only
"""A folder filled by an untrusted program, read and written without following its links.

The program may leave a link to a file of the user in place of one that is written or copied, a FIFO
without writer, or a folder in place of a file. It does not run while the folder is used.
"""

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from harness.errors import DoesNotBuild
from harness.host.files import replace_file

#: Limit of `data`: a .config has 200 KB, a make's output at most what a log holds.
MAX_TEXT_BYTES = 128 << 20
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
#: Errors of open() that are the machine's, not the folder's.
_MACHINES = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO)


class NotMade(DoesNotBuild):
    """A file that the build should have made is missing or is not a plain file."""


class UntrustedFolder:
    """A folder with trusted path and untrusted content."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextlib.contextmanager
    def opened(self, name: str) -> Iterator[BinaryIO]:
        """Open a plain file in it to read. Raises NotMade if there is none of that name."""
        *folders, last = Path(name).parts
        try:
            at = os.open(self.path, _FOLDER)
            try:
                for folder in folders:
                    inner = os.open(folder, _FOLDER, dir_fd=at)
                    os.close(at)
                    at = inner
                descriptor = os.open(last, _FILE, dir_fd=at)
            finally:
                os.close(at)
        except OSError as error:
            if error.errno in _MACHINES:
                raise
            raise self._not_made(name, str(error.strerror)) from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise self._not_made(name, "not a plain file")
        with os.fdopen(descriptor, "rb") as file:
            yield file

    def _not_made(self, name: str, why: str) -> NotMade:
        return NotMade(f"the build left no {name}: {why}", where=str(self.path))

    def data(self, name: str) -> bytes:
        """Return a file's content. Raises NotMade, also if it exceeds MAX_TEXT_BYTES."""
        with self.opened(name) as file:
            data = file.read(MAX_TEXT_BYTES + 1)
        if len(data) > MAX_TEXT_BYTES:
            raise self._not_made(name, f"larger than {MAX_TEXT_BYTES >> 20} MiB")
        return data

    def text(self, name: str) -> str:
        """Return a file's text. Raises NotMade."""
        return self.data(name).decode("utf-8", "replace")

    def copy(self, name: str, into: Path) -> None:
        """Copy a file to a trusted path. Raises NotMade."""
        with self.opened(name) as source, into.open("wb") as copy:
            shutil.copyfileobj(source, copy, 1 << 20)

    def write(self, name: str, data: bytes, *, durable: bool = False) -> Path:
        """Write a file directly into it, replacing anything of that name."""
        path = self.path / name
        if _is_folder(path):
            shutil.rmtree(path)
        return replace_file(path, data, durable=durable)

    def remove(self, name: str) -> None:
        """Remove the file or folder of that name directly in it, if there is one."""
        path = self.path / name
        if _is_folder(path):
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

    def emptied(self, name: str) -> "UntrustedFolder":
        """Return a new folder directly in it, replacing anything of that name."""
        self.remove(name)
        (self.path / name).mkdir()
        return UntrustedFolder(self.path / name)


def _is_folder(path: Path) -> bool:
    """Return whether it is a folder and not a link to one."""
    return not path.is_symlink() and path.is_dir()
