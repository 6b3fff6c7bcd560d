# SPDX-License-Identifier: GPL-2.0-only
"""Reads memmaps from the backing files after a boot, and saves them run-length encoded.

With map=dev the struct pages are in the namespace, and so in its backing file.
"""

import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from harness.errors import RecordError
from harness.memmap import info_block, struct_pages
from harness.memmap.struct_pages import Runs
from harness.record.record import Memmap

#: 4 MiB of struct pages at a time.
_CHUNK_PAGES = 1 << 16
#: Called after a complete boot with its build, its number and its backing files by driver, which
#: can be read until it returns. If it raises, the boot is repeated on resuming.
AfterBoot = Callable[[str, int, Mapping[str, Path]], tuple[Memmap, ...]]


def saver(folder: Path) -> AfterBoot:
    """Return a function that saves the memmaps of a boot in the run's folder.

    A memmap that cannot be read becomes a Memmap with the reason.
    """

    def save(build: str, number: int, images: Mapping[str, Path]) -> tuple[Memmap, ...]:
        found = (_save(folder, build, number, metric, path) for metric, path in images.items())
        return tuple(memmap for memmap in found if memmap is not None)

    return save


def load(folder: Path, build: str, number: int, metric: str) -> Runs:
    """Return the saved memmap of a namespace. Raises RecordError."""
    file = _file(folder, build, number, metric)
    try:
        with np.load(file, allow_pickle=False) as arrays:
            return Runs(arrays["pages"], arrays["which"], arrays["lengths"], str(arrays["digest"]))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise RecordError(f"not a saved memmap: {error}", where=str(file)) from error


def read(path: Path) -> Runs | None:
    """Return the memmap in a backing file; None if the namespace has it in memory.

    Raises ValueError if the file has no namespace, or an uninitialized memmap.
    """
    with path.open("rb") as file:
        file.seek(info_block.OFFSET_BYTES)
        block = info_block.parse(file.read(info_block.SIZE_BYTES))
        if not block.in_namespace:
            return None
        size = block.page_struct_size
        file.seek(info_block.MEMMAP_OFFSET_BYTES)
        # First come the pages of block and memmap, which the driver does not initialize.
        head = np.frombuffer(file.read(min(block.first, _CHUNK_PAGES) * size), dtype=np.uint64)
        address = struct_pages.memmap_address(head.reshape(-1, size // 8))
        if address is None:
            raise ValueError("no struct page points to itself: there is no memmap")
        file.seek(info_block.MEMMAP_OFFSET_BYTES + block.first * size)
        return struct_pages.read(file, block.npfns, size, address, block.first, _CHUNK_PAGES)


def _save(folder: Path, build: str, number: int, metric: str, path: Path) -> Memmap | None:
    try:
        runs = read(path)
    except ValueError as error:
        return Memmap(metric, 0, "", str(error))
    if runs is None:
        return None
    file = _file(folder, build, number, metric)
    part = file.with_suffix(".part.npz")
    np.savez_compressed(part, **runs._asdict())
    part.replace(file)
    return Memmap(metric, runs.nr_pages, runs.digest)


def _file(folder: Path, build: str, number: int, metric: str) -> Path:
    return folder / f"memmap-{build}-{number}-{metric}.npz"
