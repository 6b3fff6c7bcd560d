# SPDX-License-Identifier: GPL-2.0-only
"""A guest: the machine that kernels are booted on, and the namespaces emulated in it."""

from itertools import accumulate
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from harness.host.units import MIB, parse_size
from harness.workloads.zone_device.namespaces import PAGE_BYTES, counted_nr_pages, expected_nr_pages

#: What namespaces are on: emulated NVDIMMs; RAM that `memmap=` on the kernel's command line marks
#: as persistent, bound to e820_pmem or ramdax; CXL type 3 devices.
Provider = Literal["nvdimm", "e820", "ramdax", "cxl"]
#: What backs memory and namespaces on the host: hugetlbfs, or 4 KiB pages alone. By default QEMU
#: asks for transparent huge pages.
HugePages = Literal["2M", "1G", "none"]
#: The author's kind of CPU.
DEFAULT_CPU_MODEL = "Icelake-Server"
#: The unit of a CXL device's size (its mailbox's Identify).
CXL_BYTES = 256 * MIB
#: RAM between persistent ranges: the kernel would merge adjacent ones.
GAP_BYTES = 128 * MIB
#: From this much RAM on, QEMU's q35 moves all above 2 GiB to 4 GiB (hw/i386/pc_q35.c), so a range
#: could be in the hole.
HOLED_RAM_BYTES = 2816 * MIB
#: lib/test_hmm.c: DEVMEM_CHUNK_SIZE, and the number of devices that register such a chunk at boot.
HMM_BYTES, HMM_DEVICES = 256 * MIB, 2


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
        return _bytes("size", self.size)

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


def _bytes(key: str, text: str) -> int:
    try:
        return parse_size(text)
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from error


class Guest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A guest file; docs/series.md describes its keys. `name` is the file's, without `.yaml`.

    UNSET keys are not part of the guest's digest: records from before these keys stay comparable.
    """

    description: str
    memory: str
    namespaces: tuple[Namespace, ...]
    cpus: int = 1
    cpu_model: str = DEFAULT_CPU_MODEL
    name: str = ""
    provider: Provider | UnsetType = UNSET
    test_hmm: bool | UnsetType = UNSET
    hugepages: HugePages | UnsetType = UNSET

    def __post_init__(self) -> None:
        if self.memory_bytes % MIB or not self.memory_bytes:
            raise ValueError(f"memory: {self.memory}; expected a multiple of 1M")
        if self.cpus < 1:
            raise ValueError(f"cpus: {self.cpus}; expected 1 or more")
        drivers = [n.driver for n in self.namespaces]
        if self.test_hmm is True and not drivers:
            return
        if not drivers or len(set(drivers)) != len(drivers):
            raise ValueError(
                f"namespaces: {len(drivers)} given; expected one fsdax, one devdax, or one of each"
            )
        odd = [n.size for n in self.namespaces if n.size_bytes % CXL_BYTES]
        if self.place == "cxl" and odd:
            raise ValueError(
                f"namespaces: size {odd[0]}; expected a multiple of 256M, as CXL has them"
            )
        if self.in_ram and self.ram_bytes >= HOLED_RAM_BYTES:
            raise ValueError(
                f"memory: {self.memory} and the namespaces with their gaps need "
                f"{self.ram_bytes >> 20}M of RAM; expected less than {HOLED_RAM_BYTES >> 20}M with "
                f"provider {self.place}"
            )

    @property
    def place(self) -> Provider:
        """What the namespaces are on."""
        return "nvdimm" if isinstance(self.provider, UnsetType) else self.provider

    @property
    def in_ram(self) -> bool:
        """Whether the namespaces are in the guest's own RAM, which has no backing file."""
        return self.place in ("e820", "ramdax")

    @property
    def carved(self) -> tuple[tuple[int, int], ...]:
        """The persistent ranges of RAM, as (start, size) in bytes.

        ramdax keeps labels at the end of its range, so its ranges are larger than the namespaces.
        """
        if not self.in_ram:
            return ()
        labels = GAP_BYTES if self.place == "ramdax" else 0
        sizes = [namespace.size_bytes + labels for namespace in self.namespaces]
        starts = accumulate((s + GAP_BYTES for s in sizes), initial=self.memory_bytes)
        return tuple(zip(starts, sizes, strict=False))

    @property
    def ram_bytes(self) -> int:
        """All of the guest's RAM, persistent ranges included.

        The firmware has its tables at the end of RAM, so no range may end there.
        """
        ends = (start + size + GAP_BYTES for start, size in self.carved)
        return max(ends, default=self.memory_bytes)

    @property
    def kernel_options(self) -> tuple[str, ...]:
        """Options that mark the ranges as persistent: `memmap=nn[KMG]!ss[KMG]`."""
        return tuple(f"memmap={size >> 20}M!{start >> 20}M" for start, size in self.carved)

    @property
    def raw_nr_pages(self) -> tuple[int, ...]:
        """The page counts that the kernel prints at boot for namespaces on ranges of RAM.

        e820_pmem initializes a memmap for its raw ranges (ND_REGION_PAGEMAP), without a namespace.
        """
        return tuple(namespace.size_bytes // PAGE_BYTES for namespace in self.namespaces)

    @property
    def booted_nr_pages(self) -> tuple[int, ...]:
        """The page counts that the kernel prints before user space, in order.

        e820_pmem initializes a memmap for its raw ranges (ND_REGION_PAGEMAP), without a namespace.
        """
        raw = tuple(size // PAGE_BYTES for _, size in self.carved)
        return raw + ((HMM_BYTES // PAGE_BYTES,) * HMM_DEVICES if self.test_hmm is True else ())

    @property
    def memory_bytes(self) -> int:
        """The guest's RAM, without the persistent ranges."""
        return _bytes("memory", self.memory)

    @property
    def memmap_bytes(self) -> int:
        """Bytes that binding writes to the backing files: 64 per page."""
        return 0 if self.in_ram else sum(n.nr_pages * 64 for n in self.namespaces)
