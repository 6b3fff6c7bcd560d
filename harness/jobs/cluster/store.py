# SPDX-License-Identifier: GPL-2.0-only
"""Stores files that machines exchange: in a folder that all see, or at a URL for fsspec.

A file is stored under its SHA-256, to which its name points, so it arrives as it was sent or not at
all. The store may be emptied whenever nothing runs.
"""

import contextlib
import hashlib
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import msgspec

from harness.errors import InputError, MachineError

CHUNK_BYTES = 4 << 20


class Blob(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file in the store: its SHA-256, in hex, and its size."""

    sha256: str
    size_bytes: int


class Store:
    """The store at a URL or path. Raises InputError for a URL that fsspec cannot open."""

    def __init__(self, url: str) -> None:
        import fsspec

        self.url = url
        try:
            found: tuple[Any, str] = fsspec.core.url_to_fs(url)
        except (ValueError, ImportError) as error:
            raise InputError(str(error), where="--store", expected="a folder or a URL") from error
        self._files, self._root = found

    def find(self, name: str) -> Blob | None:
        """Return the blob that is stored under a name; None if there is none."""
        with self._failing(name):
            try:
                data: bytes = self._files.cat_file(self._path(name))
                blob = msgspec.json.decode(data, type=Blob)
            except (FileNotFoundError, msgspec.MsgspecError):
                return None
            return blob if self._files.exists(self._path_of(blob)) else None

    def put(self, name: str, file: Path) -> Blob:
        """Store a file under a name and return its blob. Raises MachineError."""
        with file.open("rb") as handle:
            digest = hashlib.file_digest(handle, "sha256").hexdigest()
        blob = Blob(digest, file.stat().st_size)
        with self._failing(name):
            if not self._files.exists(self._path_of(blob)):
                with file.open("rb") as source:
                    self._write(self._path_of(blob), source)
            self._files.makedirs(self._path(name).rpartition("/")[0], exist_ok=True)
            self._files.pipe_file(self._path(name), msgspec.json.encode(blob))
        return blob

    def forget(self, name: str) -> None:
        """Remove a name; the blob stays."""
        with self._failing(name), contextlib.suppress(FileNotFoundError):
            self._files.rm_file(self._path(name))

    def get(self, name: str, blob: Blob, file: Path) -> None:
        """Copy the blob that was found under a name into a file.

        Raises MachineError if it is missing or damaged.
        """
        sha256 = hashlib.sha256()
        with self._failing(name), file.open("wb") as out:
            with self._files.open(self._path_of(blob), "rb") as source:
                while data := source.read(CHUNK_BYTES):
                    sha256.update(data)
                    out.write(data)
            if sha256.hexdigest() != blob.sha256:
                # Removed, it is made and stored again; left, it would be found again and again.
                self._files.rm_file(self._path_of(blob))
                raise MachineError(
                    f"{name} was damaged and has been removed", where=self.url, hint="try again"
                )

    def _write(self, path: str, source: IO[bytes]) -> None:
        """Write a file that appears whole or not at all."""
        part = f"{path}.{uuid.uuid4().hex}"
        self._files.makedirs(path.rpartition("/")[0], exist_ok=True)
        try:
            with self._files.open(part, "wb") as out:
                shutil.copyfileobj(source, out, CHUNK_BYTES)
            self._files.mv(part, path)
        except BaseException:
            with contextlib.suppress(Exception):
                self._files.rm_file(part)
            raise

    def _path(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/names/{name}.json"

    def _path_of(self, blob: Blob) -> str:
        return f"{self._root.rstrip('/')}/sha256/{blob.sha256[:2]}/{blob.sha256}"

    @contextlib.contextmanager
    def _failing(self, name: str) -> Iterator[None]:
        """Raise MachineError for any exception: fsspec's file systems raise their own kinds."""
        try:
            yield
        except MachineError:
            raise
        except Exception as error:
            raise MachineError(
                f"{name}: {type(error).__name__}: {error}",
                where=self.url,
                hint="give a folder or URL with --store that every machine can read and write",
            ) from error
