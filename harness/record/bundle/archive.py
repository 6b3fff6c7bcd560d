# SPDX-License-Identifier: GPL-2.0-only
"""Reads and writes a bundle: a .tar.gz whose bytes follow from its files.

Reading extracts the files that the manifest lists, packs them again and compares. So a link, an
absolute name or an extra member is refused, because the writer makes none, and tarfile's parser
never sees untrusted headers. A trailing empty gzip member, which tar and gzip ignore, carries
the SHA-256 of all bytes before it. That detects damage; it does not prove who made the bundle.
"""

import gzip
import hashlib
import io
import struct
import tarfile
import zlib
from collections.abc import Mapping
from pathlib import Path

from harness.errors import MachineError, RecordError
from harness.host.files import replace_file
from harness.record.bundle import manifest
from harness.record.bundle.manifest import Absent, BundleFile, Manifest

#: The largest bundle, packed and unpacked in memory; a run of 100 GiB namespaces has a few MiB.
MAX_BYTES = 256 << 20
GZIP_MAGIC = b"\x1f\x8b"
#: RFC 1952: an empty member whose extra field holds our subfield "MH", 32 bytes long.
_EXTRA = struct.pack("<H2sH", 36, b"MH", 32)
_TRAILER_HEAD = GZIP_MAGIC + b"\x08\x04\0\0\0\0\0\xff" + _EXTRA
_TRAILER_TAIL = b"\x03\0" + bytes(8)
TRAILER_BYTES = len(_TRAILER_HEAD) + 32 + len(_TRAILER_TAIL)


def looks_like(path: Path) -> bool:
    """Whether a file is gzip-compressed, as bundles are."""
    try:
        with path.open("rb") as file:
            return file.read(2) == GZIP_MAGIC
    except OSError:
        return False


def write(
    out: Path, slug: str, run_id: str, files: Mapping[str, bytes], absent: tuple[Absent, ...] = ()
) -> Manifest:
    """Write a bundle of `files`, by path below its top folder; the same files give the same bytes.

    Raises RecordError for files that no bundle may hold, MachineError when it cannot be written.
    """
    try:
        made, tar = pack(slug, run_id, files, absent)
        packed = io.BytesIO()
        with gzip.GzipFile("", "wb", 6, packed, mtime=0) as file:
            file.write(tar)
        replace_file(out, seal(packed.getvalue()))
    except ValueError as error:
        raise RecordError(f"cannot be bundled: {error}", where=f"{slug}/{run_id}") from error
    except OSError as error:
        why = error.strerror or error
        raise MachineError(f"cannot be written: {why}", where=str(out)) from error
    return made


def read(path: Path) -> tuple[Manifest, dict[str, bytes]]:
    """Return a bundle's manifest and its files by path. Raises RecordError."""
    try:
        with path.open("rb") as file:
            packed = file.read(MAX_BYTES + 1)
        return _files(_inflated(packed))
    except OSError as error:
        raise RecordError(f"cannot be read: {error.strerror or error}", where=str(path)) from error
    except (ValueError, tarfile.HeaderError, zlib.error) as error:
        raise RecordError(f"is not a bundle of this program: {error}", where=str(path)) from error


def pack(
    slug: str,
    run_id: str,
    files: Mapping[str, bytes],
    absent: tuple[Absent, ...] = (),
    schema: int = manifest.SCHEMA,
) -> tuple[Manifest, bytes]:
    """Return the manifest and the tar of these files. Raises ValueError."""
    listed = tuple(
        BundleFile(path, len(data), hashlib.sha256(data).hexdigest())
        for path, data in sorted(files.items())
    )
    made = Manifest(slug, run_id, listed, absent, schema)
    text = manifest.encode(made)
    members = {manifest.NAME: text}
    if schema > 1:
        members[manifest.SUMS] = manifest.sums(made, text)
    members |= sorted(files.items())
    out = io.BytesIO()
    with tarfile.TarFile(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path, data in members.items():
            # By default: mode 0644, owner 0, group 0, time 0.
            info = tarfile.TarInfo(f"{made.top}/{path}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        # Without the zeros that fill a tape's record.
        end = tar.offset + 2 * tarfile.BLOCKSIZE
    if end > MAX_BYTES:
        raise ValueError(f"it is larger than the {MAX_BYTES >> 20} MiB that are unpacked")
    return made, out.getvalue()[:end]


def seal(packed: bytes) -> bytes:
    """Return compressed data with the checksum that ends a bundle."""
    return packed + _TRAILER_HEAD + hashlib.sha256(packed).digest() + _TRAILER_TAIL


def _inflated(packed: bytes) -> bytes:
    """Return the tar of a bundle, of bounded size. Raises ValueError, zlib.error."""
    if len(packed) > MAX_BYTES:
        raise ValueError(f"it is larger than {MAX_BYTES >> 20} MiB")
    body = packed[:-TRAILER_BYTES]
    if seal(body) != packed:
        raise ValueError("its bytes do not match the checksum at its end: changed or cut short")
    inflate = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    tar = inflate.decompress(body, MAX_BYTES)
    if inflate.unconsumed_tail or inflate.unused_data or not inflate.eof:
        raise ValueError(f"it unpacks to more than {MAX_BYTES >> 20} MiB, or not to one tar")
    return tar


def _files(tar: bytes) -> tuple[Manifest, dict[str, bytes]]:
    """Return what a tar holds, if `pack` makes the same tar of it. Raises ValueError."""
    header = tarfile.TarInfo.frombuf(tar[: tarfile.BLOCKSIZE], "ascii", "strict")
    text, at = _content(tar, 0, header.size)
    found = manifest.decode(text)
    if found.schema > 1:
        _, at = _content(tar, at, len(manifest.sums(found, text)))
    files = {}
    for member in found.members:
        files[member.path], at = _content(tar, at, member.bytes)
    made, again = pack(found.slug, found.run_id, files, found.absent, found.schema)
    for listed, member in zip(found.members, made.members, strict=False):
        if listed != member:
            raise ValueError(f"{listed.path} is not what {manifest.NAME} lists")
    if again != tar:
        raise ValueError(f"it holds more, or other, than the plain files of {manifest.NAME}")
    return made, files


def _content(tar: bytes, at: int, size: int) -> tuple[bytes, int]:
    """Return the content of the member whose header is at `at`, and where the next one begins."""
    start = at + tarfile.BLOCKSIZE
    return tar[start : start + size], start + size + -size % tarfile.BLOCKSIZE
