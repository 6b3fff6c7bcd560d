# SPDX-License-Identifier: GPL-2.0-only
"""Reads a bundle, which anybody may have made: bounded, and nothing of it is taken on trust."""

import gzip
import hashlib
import io
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from harness.bundle import archive, manifest
from harness.bundle.archive import BLOCK_BYTES, CHUNK_BYTES, END, TRAILER_BYTES
from harness.bundle.manifest import MAX_BYTES, MAX_MANIFEST_BYTES, Manifest, Member
from harness.errors import RecordError

#: Takes a member and its bytes, in turn.
Sink = Callable[[Member, Iterator[bytes]], None]


def read(path: Path, sink: Sink) -> Manifest:
    """Give every member to `sink` in order and return the manifest. Raises RecordError.

    What the sink got counts only once this returned: a wrong byte may be the last one.
    """
    try:
        with path.open("rb") as raw:
            length = _whole(raw)
            with gzip.GzipFile(fileobj=io.BufferedReader(_Part(raw, length))) as packed:
                return _read(packed, sink)
    except OSError as error:
        what = "is damaged" if isinstance(error, gzip.BadGzipFile) else "cannot be read"
        raise RecordError(f"{what}: {error.strerror or error}", where=str(path)) from error
    except (EOFError, ValueError, zlib.error) as error:
        raise RecordError(f"is no bundle as harness wrote it: {error}", where=str(path)) from error


def _read(packed: gzip.GzipFile, sink: Sink) -> Manifest:
    head = _exactly(packed, BLOCK_BYTES)
    try:
        size = tarfile.TarInfo.frombuf(head, "utf-8", "strict").size
    except tarfile.HeaderError as error:
        raise ValueError(f"it does not begin with {manifest.NAME}") from error
    if not 0 <= size <= MAX_MANIFEST_BYTES:
        raise ValueError(f"its {manifest.NAME} has {size} bytes")
    text = _exactly(packed, size)
    found = manifest.decode(text)
    _expect(head, found, Member(manifest.NAME, size, ""))
    _padding(packed, size)
    for member in found.members:
        _expect(_exactly(packed, BLOCK_BYTES), found, member)
        sink(member, archive.checked(member, _pieces(packed, member.bytes)))
        _padding(packed, member.bytes)
    if _exactly(packed, len(END)) != END or packed.read(1):
        raise ValueError(f"there is more in it than {manifest.NAME} lists")
    return found


def _expect(head: bytes, whole: Manifest, member: Member) -> None:
    """Raise ValueError unless a header is the one that `write` puts before this member."""
    if head == archive.header(whole, member):
        return
    try:
        name = tarfile.TarInfo.frombuf(head, "utf-8", "replace").name
    except tarfile.HeaderError:
        name = "the end or no header"
    raise ValueError(f"where the plain file {member.path} should be, there is {name!r}")


def _pieces(packed: gzip.GzipFile, size: int) -> Iterator[bytes]:
    while size:
        chunk = _exactly(packed, min(size, CHUNK_BYTES))
        size -= len(chunk)
        yield chunk


def _exactly(packed: gzip.GzipFile, size: int) -> bytes:
    data = packed.read(size)
    if len(data) != size:
        raise EOFError("it ends too early")
    return data


def _padding(packed: gzip.GzipFile, size: int) -> None:
    padding = -size % BLOCK_BYTES
    if _exactly(packed, padding) != bytes(padding):
        raise ValueError("there is something between its members")


def _whole(raw: IO[bytes]) -> int:
    """Return where the trailer begins. Raises ValueError unless it fits all that is before it."""
    length = raw.seek(0, io.SEEK_END) - TRAILER_BYTES
    if length > MAX_BYTES:
        raise ValueError(f"it is larger than {MAX_BYTES >> 20} MiB")
    raw.seek(0)
    sha256 = hashlib.sha256()
    left = max(length, 0)
    while left and (chunk := raw.read(min(left, CHUNK_BYTES))):
        sha256.update(chunk)
        left -= len(chunk)
    if raw.read() != archive.trailer(sha256.digest()):
        raise ValueError(
            "its bytes do not fit the checksum at its end: changed, cut short, or other"
        )
    raw.seek(0)
    return length


class _Part(io.RawIOBase):
    """The first bytes of a file: what is behind them is not there."""

    def __init__(self, raw: IO[bytes], length: int) -> None:
        self._raw = raw
        self._left = length

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._raw.read(min(len(buffer), self._left))
        self._left -= len(data)
        buffer[: len(data)] = data
        return len(data)
