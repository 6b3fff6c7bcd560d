# SPDX-License-Identifier: GPL-2.0-only
"""The block that a pfn or dax device keeps at the start of its namespace: where the memmap lies.

struct nd_pfn_sb of drivers/nvdimm/pfn.h, at 4 KiB.
"""

import struct

import msgspec

OFFSET_BYTES = 4096
SIZE_BYTES = 4096
#: With map=dev the memmap begins at the first huge page behind the block: the kernel maps it so.
MEMMAP_OFFSET_BYTES = 2 << 20
_SIGNATURES = {b"NVDIMM_PFN_INFO\0": "pfn", b"NVDIMM_DAX_INFO\0": "dax"}
#: From byte 48: flags, version, dataoff, npfns, mode, start_pad, end_trunc, align, page_size,
#: page_struct_size.
_FIELDS = struct.Struct("<IHHQQIIIIIH")
_FIELDS_AT = 48
_MODE_PMEM = 2


class InfoBlock(msgspec.Struct, frozen=True):
    """What it says. `dataoff` in bytes; `npfns` pages have data and are initialized by the driver.

    `in_namespace` is whether the memmap lies in the namespace itself (map=dev).
    """

    kind: str
    dataoff: int
    npfns: int
    in_namespace: bool
    page_struct_size: int

    @property
    def first(self) -> int:
        """The number of the first page with data, counted from the namespace's start."""
        return self.dataoff // 4096


def parse(block: bytes) -> InfoBlock:
    """Read a block. Raises ValueError saying what is wrong with it."""
    if len(block) < _FIELDS_AT + _FIELDS.size:
        raise ValueError(f"{len(block)} bytes are no info block")
    kind = _SIGNATURES.get(block[:16])
    if kind is None:
        raise ValueError(f"signature {block[:16]!r} is neither a pfn's nor a dax device's")
    found = _FIELDS.unpack_from(block, _FIELDS_AT)
    _, major, minor, dataoff, npfns, mode, _, _, _, page_size, page_struct_size = found
    if (major, minor) < (1, 4) or major > 1:
        raise ValueError(f"version {major}.{minor}, expected 1.4 or a later 1.x")
    if page_size != 4096 or page_struct_size not in range(56, 97, 8):
        raise ValueError(f"pages of {page_size} bytes with struct pages of {page_struct_size}")
    if not npfns or dataoff < MEMMAP_OFFSET_BYTES or dataoff % page_size:
        raise ValueError(f"{npfns} pages from byte {dataoff:#x}")
    return InfoBlock(kind, dataoff, npfns, mode == _MODE_PMEM, page_struct_size)
