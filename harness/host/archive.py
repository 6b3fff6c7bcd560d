# SPDX-License-Identifier: GPL-2.0-only
"""Checks and unpacks source tarballs: sizes, names and links are checked first."""

import bz2
import gzip
import lzma
import posixpath
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any, Literal

from harness.errors import InputError, of_machine
from harness.host.processes import process
from harness.host.units import GIB, format_bytes

#: Three times a kernel tree of 2026.
MAX_UNPACKED_BYTES = 6 * GIB
#: Ten times the best compression of a kernel tree; decompression bombs have far more.
_MAX_RATIO = 100
#: Twenty times the files of a kernel tree.
_MAX_FILES = 2_000_000
_CHUNK = 1 << 20
_OPEN: dict[str, Callable[[Path, Literal["rb"]], Any]] = {
    ".xz": lzma.open,
    ".gz": gzip.open,
    ".tgz": gzip.open,
    ".bz2": bz2.open,
}


def decompressed(file: Path, tar: Path) -> None:
    """Decompress a tarball into `tar`. Raises InputError if it is damaged or too large."""
    read = _OPEN.get(file.suffix, Path.open)
    most = min(MAX_UNPACKED_BYTES, max(file.stat().st_size * _MAX_RATIO, 16 * _CHUNK))
    written = 0
    try:
        with read(file, "rb") as source, tar.open("wb") as target:
            while chunk := source.read(_CHUNK):
                written += len(chunk)
                if written > most:
                    raise InputError(
                        f"unpacks to over {format_bytes(most)}",
                        where=str(file),
                        expected="a kernel's source",
                        hint="do not trust this file",
                    )
                _write(target, chunk)
    except (OSError, EOFError, lzma.LZMAError) as error:
        raise InputError(f"cannot be read: {error}", where=str(file)) from error


def _write(target: IO[bytes], chunk: bytes) -> None:
    """Write, and raise MachineError if the disk is full: that is not the tarball's fault."""
    try:
        target.write(chunk)
    except OSError as error:
        raise of_machine(error, target.name) or error from error


def check(tar: Path, name: str) -> None:
    """Raise InputError if a plain tar has paths outside its folder or a git repository.

    `name` names it in the error.
    """
    try:
        with tarfile.open(tar, "r:") as members:
            _check_members(members, name)
    except tarfile.TarError as error:
        raise InputError(f"not a tar archive: {error}", where=name) from error


def _check_members(members: Iterable[tarfile.TarInfo], name: str) -> None:
    for count, member in enumerate(members, 1):
        if count > _MAX_FILES:
            raise InputError(f"has over {_MAX_FILES} files", where=name)
        if not (member.isfile() or member.isdir() or member.issym() or member.islnk()):
            raise InputError(f"{member.name!r} is not a file, folder or link", where=name)
        if ".git" in member.name.lower().split("/"):
            raise InputError(
                f"contains {member.name!r}",
                where=name,
                expected="a source tree without .git",
                hint="make the tarball with `git archive`, or use provider git",
            )
        targets = [member.name]
        if member.issym():
            targets.append(posixpath.join(posixpath.dirname(member.name), member.linkname))
        elif member.islnk():
            targets.append(member.linkname)
        for target in targets:
            if target.startswith("/") or posixpath.normpath(target).startswith(".."):
                raise InputError(
                    f"{member.name!r} points outside the archive",
                    where=name,
                    hint="do not trust this file",
                )


def extract(tar: Path, folder: Path, *, log: Path, deadline: process.Deadline) -> Path:
    """Unpack into an empty folder and return the source's top folder. Raises ToolFailed."""
    # XZ_DEFAULTS: xz uses all processors.
    argv = ["tar", "--no-same-owner", "--no-same-permissions", "-C", str(folder), "-xf", str(tar)]
    process.run(argv, log=log, deadline=deadline, env={"XZ_DEFAULTS": "-T0"})
    inside = list(folder.iterdir())
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else folder
