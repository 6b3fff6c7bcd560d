# SPDX-License-Identifier: GPL-2.0-only
"""A guest: the machine that kernels are booted on, and the namespaces emulated in it."""

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from harness.host.units import MIB, parse_size
from harness.project.expected_pages import PAGE_BYTES, counted_nr_pages, expected_nr_pages

DRIVERS = ("nd_pmem", "dax_pmem")
#: Where namespaces lie: emulated NVDIMMs; RAM that the command line calls persistent (`memmap=`),
#: bound to e820_pmem or to ramdax; CXL type 3 devices.
Provider = Literal["nvdimm", "e820", "ramdax", "cxl"]
#: What the size of a CXL device counts in (its mailbox's Identify).
CXL_BYTES = 256 * MIB
#: RAM in front of, and between, what the command line calls persistent: touching ranges are one.
GAP_BYTES = 128 * MIB
#: From this much RAM on, QEMU's q35 moves all above 2 GiB to 4 GiB (hw/i386/pc_q35.c), and a range
#: may be in the hole.
HOLED_RAM_BYTES = 2816 * MIB
#: lib/test_hmm.c: DEVMEM_CHUNK_SIZE, and the devices that register such a chunk as they come up.
HMM_BYTES, HMM_DEVICES = 256 * MIB, 2


class Namespace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One device with one namespace over the whole of it.

    `size` and `align` are written like 100G and 2M. `map` says where the struct pages live: in
    the namespace itself (dev) or in the guest's memory (mem), as `ndctl create-namespace -M`.
    """

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
        """The driver that binds a namespace of this mode and initializes its memmap."""
        return "nd_pmem" if self.mode == "fsdax" else "dax_pmem"

    @property
    def order(self) -> int:
        """The order of the pages that the driver initializes: devdax makes compounds of its align.

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
        """How many pages page_ref_set tells the first count of, in a binding."""
        return counted_nr_pages(self.size_bytes, map_dev=self.map == "dev")


def _bytes(key: str, text: str) -> int:
    try:
        return parse_size(text)
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from error


class Guest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A guest file. `name` is the file's name without `.yaml`.

    `provider` says where the namespaces lie, in NVDIMMs unless it is given. With `test_hmm` the
    kernel's own test of device-private memory makes memmaps as it boots. What is not given leaves
    no trace in a guest's digest, so records made before there was such a key stay comparable.
    """

    description: str
    memory: str
    namespaces: tuple[Namespace, ...]
    cpus: int = 1
    cpu_model: str = "Icelake-Server"
    name: str = ""
    provider: Provider | UnsetType = UNSET
    test_hmm: bool | UnsetType = UNSET

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
        """Where the namespaces lie."""
        return "nvdimm" if isinstance(self.provider, UnsetType) else self.provider

    @property
    def in_ram(self) -> bool:
        """Whether the namespaces lie in the guest's own memory, which has no backing file."""
        return self.place in ("e820", "ramdax")

    @property
    def carved(self) -> tuple[tuple[int, int], ...]:
        """The ranges of RAM that the command line calls persistent, as (start, size) in bytes.

        ramdax takes labels off the end of its range, so there it is larger than the namespace.
        """
        if not self.in_ram:
            return ()
        more = GAP_BYTES if self.place == "ramdax" else 0
        found, at = [], self.memory_bytes
        for namespace in self.namespaces:
            size = namespace.size_bytes + more
            found.append((at, size))
            at += size + GAP_BYTES
        return tuple(found)

    @property
    def ram_bytes(self) -> int:
        """All of the guest's RAM, with what is carved out of it.

        The firmware keeps its tables in the end of RAM, which must not be the end of a range.
        """
        ends = (start + size + GAP_BYTES for start, size in self.carved)
        return max(ends, default=self.memory_bytes)

    @property
    def kernel_options(self) -> tuple[str, ...]:
        """What makes the kernel take the ranges for persistent memory: `memmap=nn[KMG]!ss[KMG]`."""
        return tuple(f"memmap={size >> 20}M!{start >> 20}M" for start, size in self.carved)

    @property
    def booted_nr_pages(self) -> tuple[int, ...]:
        """The page counts that the kernel prints before user space begins, in order.

        e820_pmem gives its ranges a memmap as they are (ND_REGION_PAGEMAP), without any namespace.
        """
        raw = tuple(size // PAGE_BYTES for _, size in self.carved)
        return raw + ((HMM_BYTES // PAGE_BYTES,) * HMM_DEVICES if self.test_hmm is True else ())

    @property
    def memory_bytes(self) -> int:
        """The guest's memory, without what its namespaces lie in."""
        return _bytes("memory", self.memory)

    @property
    def memmap_bytes(self) -> int:
        """What binding all namespaces writes into their backing files, at 64 bytes a page."""
        return 0 if self.in_ram else sum(n.nr_pages * 64 for n in self.namespaces)
