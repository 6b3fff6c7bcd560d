# SPDX-License-Identifier: GPL-2.0-only
"""The guest's own memmaps, read from the backing files after a boot and kept in short.

With map=dev the struct pages lie in the namespace: what the driver left there is in the file.
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np

from harness import records
from harness.errors import RecordError
from harness.inputs import Project
from harness.model.record import Memmap, RunRecord
from harness.parse import infoblock, structpages
from harness.parse.structpages import Runs
from harness.stages.measure import AfterBoot

#: 4 MiB of struct pages at a time.
CHUNK_PAGES = 1 << 16


def keeper(project: Project, record: RunRecord) -> AfterBoot:
    """Return what `measure` is to call after each boot: it keeps each namespace's memmap."""
    folder = records.folder_of(project.results, record)

    def keep(side: str, number: int, images: Mapping[str, Path]) -> None:
        found = [_kept(folder, side, number, driver, path) for driver, path in images.items()]
        data = msgspec.json.encode([memmap for memmap in found if memmap is not None])
        records.replace_file(folder / f"{_name(side, number)}.json", data)

    return keep


def recorded(project: Project, record: RunRecord) -> RunRecord:
    """Return the record with the digests that were kept, saved so."""
    folder = records.folder_of(project.results, record)
    boots = []
    for boot in record.boots:
        file = folder / f"{_name(boot.side, boot.number)}.json"
        found = boot.memmaps
        if file.exists():
            found = msgspec.json.decode(file.read_bytes(), type=tuple[Memmap, ...])
        boots.append(msgspec.structs.replace(boot, memmaps=found))
    record = msgspec.structs.replace(record, boots=tuple(boots))
    records.save(project.results, record)
    return record


def load(folder: Path, side: str, number: int, driver: str) -> Runs:
    """Return what was kept of one namespace. Raises RecordError."""
    file = folder / f"{_name(side, number)}-{driver}.npz"
    try:
        with np.load(file, allow_pickle=False) as arrays:
            return Runs(arrays["pages"], arrays["which"], arrays["lengths"], str(arrays["digest"]))
    except (OSError, ValueError, KeyError) as error:
        raise RecordError(f"holds no memmap: {error}", where=str(file)) from error


def read(path: Path) -> Runs | None:
    """Return the memmap in a backing file; None where the namespace keeps it in memory.

    Raises ValueError for a file without namespace, and for a memmap nobody initialized.
    """
    with path.open("rb") as file:
        file.seek(infoblock.OFFSET_BYTES)
        block = infoblock.parse(file.read(infoblock.SIZE_BYTES))
        if not block.in_namespace:
            return None
        size = block.page_struct_size
        file.seek(infoblock.MEMMAP_OFFSET_BYTES)
        # The pages that hold block and memmap come first; the driver leaves them alone.
        head = np.frombuffer(file.read(min(block.first, CHUNK_PAGES) * size), dtype=np.uint64)
        address = structpages.memmap_address(head.reshape(-1, size // 8))
        if address is None:
            raise ValueError("no struct page points to itself: there is no memmap")
        file.seek(infoblock.MEMMAP_OFFSET_BYTES + block.first * size)
        return structpages.read(file, block.npfns, size, address, block.first, CHUNK_PAGES)


def _kept(folder: Path, side: str, number: int, driver: str, path: Path) -> Memmap | None:
    try:
        runs = read(path)
    except ValueError as error:
        return Memmap(driver, 0, "", str(error))
    if runs is None:
        return None
    file = folder / f"{_name(side, number)}-{driver}.npz"
    part = file.with_suffix(".part.npz")
    np.savez_compressed(part, **runs._asdict())
    part.replace(file)
    return Memmap(driver, runs.nr_pages, runs.digest)


def _name(side: str, number: int) -> str:
    return f"memmap-{side}-{number}"
