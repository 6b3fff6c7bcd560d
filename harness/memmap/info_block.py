# SPDX-License-Identifier: GPL-2.0-only
"""Parses the info block of a pfn or dax device, which says where the memmap is. Pure.

It is struct nd_pfn_sb of drivers/nvdimm/pfn.h, 4 KiB into the namespace.
"""

import struct

import msgspec

OFFSET_BYTES = 4096
SIZE_BYTES = 4096
#: With map=dev the memmap begins at the first huge page after the block.
MEMMAP_OFFSET_BYTES = 2 << 20
_SIGNATURES = {b"NVDIMM_PFN_INFO\0": "pfn", b"NVDIMM_DAX_INFO\0": "dax"}
#: From byte 48: flags, version, dataoff, npfns, mode, start_pad, end_trunc, align, page_size,
#: page_struct_size.
_FIELDS = struct.Struct("<IHHQQIIIIIH")
_FIELDS_AT = 48
_MODE_PMEM = 2


class InfoBlock(msgspec.Struct, frozen=True):
    """`dataoff` is in bytes; the driver initializes the struct pages of `npfns` data pages.

    `in_namespace`: the memmap is in the namespace itself (map=dev).
    """

    kind: str
    dataoff: int
    npfns: int
    in_namespace: bool
    page_struct_size: int

    @property
    def first(self) -> int:
        """Return the number of the first data page, counted from the namespace's start."""
        return self.dataoff // 4096


def parse(block: bytes) -> InfoBlock:
    """Return the info block. Raises ValueError."""
    if len(block) < _FIELDS_AT + _FIELDS.size:
        raise ValueError(f"{len(block)} bytes are too few for an info block")
    kind = _SIGNATURES.get(block[:16])
    if kind is None:
        raise ValueError(f"signature {block[:16]!r} is not that of a pfn or dax device")
    found = _FIELDS.unpack_from(block, _FIELDS_AT)
    _, major, minor, dataoff, npfns, mode, _, _, _, page_size, page_struct_size = found
    if (major, minor) < (1, 4) or major > 1:
        raise ValueError(f"version {major}.{minor}, expected 1.4 or a later 1.x")
    if page_size != 4096 or page_struct_size not in range(56, 97, 8):
        raise ValueError(f"pages of {page_size} bytes with struct pages of {page_struct_size}")
    if not npfns or dataoff < MEMMAP_OFFSET_BYTES or dataoff % page_size:
        raise ValueError(f"{npfns} pages from byte {dataoff:#x}")
    return InfoBlock(kind, dataoff, npfns, mode == _MODE_PMEM, page_struct_size)
