# SPDX-License-Identifier: GPL-2.0-only
"""The guest's own memmaps, read from the backing files after a boot and kept in short.

With map=dev the struct pages lie in the namespace: what the driver left there is in the file.
"""

import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from harness.errors import RecordError
from harness.memmap import info_block, struct_pages
from harness.memmap.compare import UNEQUAL, by_digest
from harness.memmap.struct_pages import Runs
from harness.record.record import BootRun, Memmap

#: 4 MiB of struct pages at a time.
CHUNK_PAGES = 1 << 16
#: Called after a boot that ended well, with its build, number and backing files by driver, which
#: can be opened and read until it returns. If it raises, the boot comes again on resuming.
AfterBoot = Callable[[str, int, Mapping[str, Path]], tuple[Memmap, ...]]


def keeper(folder: Path) -> AfterBoot:
    """Return what `measure` is to call after each boot: it keeps the memmaps in the run's folder.

    A memmap that cannot be read is a Memmap that says why.
    """

    def keep(build: str, number: int, images: Mapping[str, Path]) -> tuple[Memmap, ...]:
        found = (_kept(folder, build, number, driver, path) for driver, path in images.items())
        return tuple(memmap for memmap in found if memmap is not None)

    return keep


def unequal(record: BootRun) -> str:
    """Say which boot left other struct pages than base's first boot did, or none; else nothing."""
    base = record.builds[0].name
    for left in sorted(by_digest(record), key=lambda v: v.build != base):
        if not left.ok:
            name = f"boot {left.number} of {left.build}: the struct pages of {left.driver}"
            if left.problem != UNEQUAL:
                return f"{name} cannot be read: {left.problem}"
            return f"{name} differ from base's; `harness verify` names the first"
    return ""


def load(folder: Path, build: str, number: int, driver: str) -> Runs:
    """Return what was kept of one namespace. Raises RecordError."""
    file = _file(folder, build, number, driver)
    try:
        with np.load(file, allow_pickle=False) as arrays:
            return Runs(arrays["pages"], arrays["which"], arrays["lengths"], str(arrays["digest"]))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise RecordError(f"holds no memmap: {error}", where=str(file)) from error


def read(path: Path) -> Runs | None:
    """Return the memmap in a backing file; None where the namespace keeps it in memory.

    Raises ValueError for a file without namespace, and for a memmap nobody initialized.
    """
    with path.open("rb") as file:
        file.seek(info_block.OFFSET_BYTES)
        block = info_block.parse(file.read(info_block.SIZE_BYTES))
        if not block.in_namespace:
            return None
        size = block.page_struct_size
        file.seek(info_block.MEMMAP_OFFSET_BYTES)
        # The pages that hold block and memmap come first; the driver leaves them alone.
        head = np.frombuffer(file.read(min(block.first, CHUNK_PAGES) * size), dtype=np.uint64)
        address = struct_pages.memmap_address(head.reshape(-1, size // 8))
        if address is None:
            raise ValueError("no struct page points to itself: there is no memmap")
        file.seek(info_block.MEMMAP_OFFSET_BYTES + block.first * size)
        return struct_pages.read(file, block.npfns, size, address, block.first, CHUNK_PAGES)


def _kept(folder: Path, build: str, number: int, driver: str, path: Path) -> Memmap | None:
    try:
        runs = read(path)
    except ValueError as error:
        return Memmap(driver, 0, "", str(error))
    if runs is None:
        return None
    file = _file(folder, build, number, driver)
    part = file.with_suffix(".part.npz")
    np.savez_compressed(part, **runs._asdict())
    part.replace(file)
    return Memmap(driver, runs.nr_pages, runs.digest)


def _file(folder: Path, build: str, number: int, driver: str) -> Path:
    return folder / f"memmap-{build}-{number}-{driver}.npz"
