# SPDX-License-Identifier: GPL-2.0-only
"""Namespaces, and how many struct pages the kernel must initialize for them. Pure."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from harness.host.units import KIB, MIB, parse_size

PAGE_BYTES = 4 * KIB
#: The info block with its padding, in front of the memmap: SZ_8K in nd_pfn_init(),
#: drivers/nvdimm/pfn_devs.c.
INFO_BLOCK_BYTES = 8 * KIB
#: nd_pfn_init() reserves MAX_STRUCT_PAGE_SIZE for every page, for any sizeof(struct page).
RESERVED_PER_PAGE_BYTES = 64
#: memremap_compat_align() on x86-64: the subsection size.
COMPAT_ALIGN_BYTES = 2 * MIB


def data_offset_bytes(size_bytes: int, align_bytes: int, *, map_dev: bool) -> int:
    """Return the offset of a namespace's data in an aligned region, as nd_pfn_init() places it.

    With map=dev the memmap is in front of the data; with map=mem only the info block is.
    """
    align = max(align_bytes, COMPAT_ALIGN_BYTES)
    head = INFO_BLOCK_BYTES
    if map_dev:
        head += (size_bytes - INFO_BLOCK_BYTES) // PAGE_BYTES * RESERVED_PER_PAGE_BYTES
    return -(-head // align) * align


def expected_nr_pages(size_bytes: int, align_bytes: int, *, map_dev: bool) -> int:
    """Return the page count that memmap_init_zone_device() prints for a whole region.

    Checked in guests: with map=dev, 4 GiB gives 1,031,680 and 100 GiB gives 25,804,288 pages.
    Without altmap the function counts from the start of the resource.
    """
    if not map_dev:
        return size_bytes // PAGE_BYTES
    return (size_bytes - data_offset_bytes(size_bytes, align_bytes, map_dev=map_dev)) // PAGE_BYTES


def counted_nr_pages(size_bytes: int, *, map_dev: bool) -> int:
    """Return how many pages get an initial refcount while a namespace over a region is bound.

    With map=dev these include the pages that hold the memmap, which memmap_init_range() initializes
    (mm/mm_init.c); only the info block is left out. Checked in a guest: 1 GiB gives 262,142.
    """
    return (size_bytes - (INFO_BLOCK_BYTES if map_dev else 0)) // PAGE_BYTES


class Namespace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A device with one namespace over all of it; the fields are ndctl's options."""

    mode: Literal["fsdax", "devdax"]
    size: str
    map: Literal["dev", "mem"] = "dev"
    align: str = "2M"

    def __post_init__(self) -> None:
        if self.size_bytes % (16 * MIB):
            raise ValueError(f"size: {self.size}; expected a multiple of 16M, ndctl's minimum")
        if self.align not in ("4K", "2M", "1G"):
            raise ValueError(f"align: {self.align}; expected 4K, 2M or 1G, which ndctl supports")

    @property
    def size_bytes(self) -> int:
        """Size of the backing file."""
        try:
            return parse_size(self.size)
        except ValueError as error:
            raise ValueError(f"size: {error}") from error

    @property
    def align_bytes(self) -> int:
        """Alignment given to ndctl."""
        return parse_size(self.align)

    @property
    def driver(self) -> str:
        """The driver that binds a namespace of this mode."""
        return "nd_pmem" if self.mode == "fsdax" else "dax_pmem"

    @property
    def order(self) -> int:
        """Order of the pages: devdax makes compound pages of its alignment.

        dev_dax_probe() sets pgmap->vmemmap_shift, drivers/dax/device.c.
        """
        pages = self.align_bytes // PAGE_BYTES
        return pages.bit_length() - 1 if self.mode == "devdax" else 0

    @property
    def nr_pages(self) -> int:
        """The page count that the kernel must print when it initializes this memmap."""
        return expected_nr_pages(self.size_bytes, self.align_bytes, map_dev=self.map == "dev")

    @property
    def counted_nr_pages(self) -> int:
        """The number of page_ref_set events that a binding must cause."""
        return counted_nr_pages(self.size_bytes, map_dev=self.map == "dev")


def require_one_of_each(namespaces: Sequence[Namespace]) -> None:
    """Raise ValueError if two namespaces have the same driver: figures are named by it."""
    if len({namespace.driver for namespace in namespaces}) != len(namespaces):
        raise ValueError(
            f"namespaces: {len(namespaces)} given; expected one fsdax, one devdax, or one of each"
        )
