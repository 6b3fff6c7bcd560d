# SPDX-License-Identifier: GPL-2.0-only
"""How many struct pages a namespace has: what the kernel must print, worked out from outside."""

from harness.host.units import KIB, MIB

PAGE_BYTES = 4 * KIB
#: Room that the info block and its padding take in front of the memmap: SZ_8K in nd_pfn_init(),
#: drivers/nvdimm/pfn_devs.c.
INFO_BLOCK_BYTES = 8 * KIB
#: nd_pfn_init() reserves MAX_STRUCT_PAGE_SIZE for every page, whatever sizeof(struct page) is.
RESERVED_PER_PAGE_BYTES = 64
#: memremap_compat_align() on x86-64: the subsection size.
COMPAT_ALIGN_BYTES = 2 * MIB


def data_offset_bytes(size_bytes: int, align_bytes: int, *, map_dev: bool) -> int:
    """Where the data of a namespace begins, as nd_pfn_init() places it in an aligned region.

    With map=dev the memmap lies in front of the data; with map=mem only the info block does.
    """
    align = max(align_bytes, COMPAT_ALIGN_BYTES)
    head = INFO_BLOCK_BYTES
    if map_dev:
        head += (size_bytes - INFO_BLOCK_BYTES) // PAGE_BYTES * RESERVED_PER_PAGE_BYTES
    return -(-head // align) * align


def expected_nr_pages(size_bytes: int, align_bytes: int, *, map_dev: bool) -> int:
    """The page count memmap_init_zone_device() prints for a namespace over a whole region.

    Checked against guests: 4 GiB gives 1,031,680 and 100 GiB gives 25,804,288 pages with map=dev.
    Without altmap the function's count starts at the resource, so nothing is taken off.
    """
    if not map_dev:
        return size_bytes // PAGE_BYTES
    return (size_bytes - data_offset_bytes(size_bytes, align_bytes, map_dev=map_dev)) // PAGE_BYTES


def counted_nr_pages(size_bytes: int, *, map_dev: bool) -> int:
    """How many pages of a region are given a first count while a namespace over it is bound.

    With map=dev these are more than memmap_init_zone_device() prints: the pages that hold the
    memmap are memmap_init_range()'s, which leaves out the info block alone (mm/mm_init.c). Checked
    against a guest: 1 GiB gives 262,142.
    """
    return (size_bytes - (INFO_BLOCK_BYTES if map_dev else 0)) // PAGE_BYTES
