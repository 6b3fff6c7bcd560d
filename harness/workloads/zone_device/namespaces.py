# SPDX-License-Identifier: GPL-2.0-only
"""Computes how many struct pages the kernel must initialize for a namespace. Pure."""

from harness.host.units import KIB, MIB

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
