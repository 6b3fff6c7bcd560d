# SPDX-License-Identifier: GPL-2.0-only
"""A guest: the machine that kernels are booted on, and the namespaces emulated in it."""

from itertools import accumulate
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from harness.host.units import MIB, parse_size
from harness.workloads.zone_device.namespaces import Namespace, require_one_of_each

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
        require_one_of_each(self.namespaces)
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
    def memory_bytes(self) -> int:
        """The guest's RAM, without the persistent ranges."""
        return _bytes("memory", self.memory)

    @property
    def memmap_bytes(self) -> int:
        """Bytes that binding writes to the backing files: 64 per page."""
        return 0 if self.in_ram else sum(n.nr_pages * 64 for n in self.namespaces)
