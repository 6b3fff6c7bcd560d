# SPDX-License-Identifier: GPL-2.0-only
"""Writes a bundle, whole or not at all."""

import contextlib
import gzip
import hashlib
import io
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from harness.bundle import archive, manifest
from harness.bundle.manifest import Absent, Manifest, Member
from harness.errors import MachineError, RecordError


def write(
    out: Path,
    slug: str,
    run_id: str,
    files: Mapping[str, Path | bytes],
    absent: tuple[Absent, ...] = (),
) -> Manifest:
    """Write a bundle of `files`, by path below its top folder; the same files give the same bytes.

    Raises RecordError for what no bundle may hold, MachineError when it cannot be written.
    """
    try:
        listed = tuple(_member(path, files[path]) for path in sorted(files))
        made = Manifest(slug, run_id, listed, absent)
        with _replacing(out) as raw:
            with gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed:
                text = manifest.encode(made)
                _put(packed, made, Member(manifest.NAME, len(text), ""), [text])
                for member in listed:
                    _put(packed, made, member, archive.checked(member, _chunks(files[member.path])))
                packed.write(archive.END)
            raw.seek(0)
            raw.write(archive.trailer(hashlib.file_digest(raw, "sha256").digest()))
    except ValueError as error:
        raise RecordError(f"cannot be bundled: {error}", where=f"{slug}/{run_id}") from error
    except OSError as error:
        raise MachineError(f"cannot be written: {error.strerror or error}", where=str(out)) from (
            error
        )
    return made


def _put(packed: gzip.GzipFile, whole: Manifest, member: Member, data: Iterable[bytes]) -> None:
    packed.write(archive.header(whole, member))
    for chunk in data:
        packed.write(chunk)
    packed.write(bytes(-member.bytes % archive.BLOCK_BYTES))


def _member(path: str, source: Path | bytes) -> Member:
    sha256 = hashlib.sha256()
    size = 0
    for chunk in _chunks(source):
        sha256.update(chunk)
        size += len(chunk)
    return Member(path, size, sha256.hexdigest())


def _chunks(source: Path | bytes) -> Iterator[bytes]:
    if isinstance(source, bytes):
        yield source
        return
    with source.open("rb") as file:
        while chunk := file.read(archive.CHUNK_BYTES):
            yield chunk


@contextlib.contextmanager
def _replacing(out: Path) -> Iterator[io.BufferedRandom]:
    """Give a file that takes the place of `out` at the end, or is gone."""
    handle, name = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.")
    made = Path(name)
    try:
        with os.fdopen(handle, "w+b") as file:
            yield file
        made.chmod(0o644)
        made.replace(out)
    except BaseException:
        made.unlink(missing_ok=True)
        raise
