# SPDX-License-Identifier: GPL-2.0-only
"""The file format: a .tar.gz that can be written in one way only, so that reading is comparing.

After the manifest, every header, every byte and the end are known before they are read: what is
not as expected is refused, whatever it is (links, devices, absolute names, one member more). A
trailing empty gzip member, which tar and gzip pass over, carries the SHA-256 of all bytes before
it. That notices damage; it does not prove who made the bundle, which whoever quotes its digest can.
"""

import hashlib
import struct
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from harness.bundle import manifest
from harness.bundle.manifest import Manifest, Member

CHUNK_BYTES = 1 << 20
BLOCK_BYTES = tarfile.BLOCKSIZE
#: The end of a tar: two blocks of zeros.
END = bytes(2 * BLOCK_BYTES)
GZIP_MAGIC = b"\x1f\x8b"
#: RFC 1952: an empty member whose extra field holds our subfield "MH", 32 bytes long.
_EXTRA = struct.pack("<2sH", b"MH", 32)
_TRAILER_HEAD = GZIP_MAGIC + b"\x08\x04\0\0\0\0\0\xff" + struct.pack("<H", 36) + _EXTRA
_TRAILER_TAIL = b"\x03\0" + bytes(8)
TRAILER_BYTES = len(_TRAILER_HEAD) + 32 + len(_TRAILER_TAIL)


def looks_like(path: Path) -> bool:
    """Whether a file is compressed as bundles are: then it is read as one, or refused as one."""
    try:
        with path.open("rb") as file:
            return file.read(2) == GZIP_MAGIC
    except OSError:
        return False


def header(whole: Manifest, member: Member) -> bytes:
    """Return what stands before a member. Raises ValueError for a name too long for the format."""
    info = tarfile.TarInfo(f"{whole.top}/{member.path}")
    info.size = member.bytes
    return info.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict")


def trailer(digest: bytes) -> bytes:
    """Return what ends a file whose other bytes have this SHA-256."""
    return _TRAILER_HEAD + digest + _TRAILER_TAIL


def checked(member: Member, data: Iterable[bytes]) -> Iterator[bytes]:
    """Pass on what is as long as the manifest says; raise ValueError where it is not the same."""
    sha256 = hashlib.sha256()
    left = member.bytes
    for chunk in data:
        left -= len(chunk)
        if left < 0:
            break
        sha256.update(chunk)
        yield chunk
    if left or sha256.hexdigest() != member.sha256:
        raise ValueError(f"{member.path} is not what {manifest.NAME} says")
