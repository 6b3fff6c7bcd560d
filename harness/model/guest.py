# SPDX-License-Identifier: GPL-2.0-only
"""A guest: the machine that kernels are booted on, and the namespaces emulated in it."""

from typing import Literal

import msgspec

from harness.model.memmap import expected_nr_pages
from harness.model.units import MIB, parse_size

DRIVERS = ("nd_pmem", "dax_pmem")


class Namespace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One emulated NVDIMM with one namespace over the whole of it.

    `size` and `align` are written like 100G and 2M. `map` says where the struct pages live: in
    the namespace itself (dev) or in the guest's memory (mem), as `ndctl create-namespace -M`.
    """

    mode: Literal["fsdax", "devdax"]
    size: str
    map: Literal["dev", "mem"] = "dev"
    align: str = "2M"

    def __post_init__(self) -> None:
        if self.size_bytes % (128 * MIB):
            raise ValueError(f"size {self.size} is no multiple of 128M, the kernel's section size")
        if self.align not in ("4K", "2M", "1G"):
            raise ValueError(f"align {self.align} is not one that ndctl knows: 4K, 2M or 1G")

    @property
    def size_bytes(self) -> int:
        """Size of the backing file."""
        return parse_size(self.size)

    @property
    def align_bytes(self) -> int:
        """Alignment given to ndctl."""
        return parse_size(self.align)

    @property
    def driver(self) -> str:
        """The driver that binds a namespace of this mode and initializes its memmap."""
        return "nd_pmem" if self.mode == "fsdax" else "dax_pmem"

    @property
    def nr_pages(self) -> int:
        """The page count that the kernel must print when it initializes this memmap."""
        return expected_nr_pages(self.size_bytes, self.align_bytes, map_dev=self.map == "dev")


class Guest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A guest file. `name` is the file's name without `.yaml`."""

    description: str
    memory: str
    namespaces: tuple[Namespace, ...]
    cpus: int = 1
    cpu_model: str = "Icelake-Server"
    name: str = ""

    def __post_init__(self) -> None:
        parse_size(self.memory)
        if self.cpus < 1:
            raise ValueError(f"cpus {self.cpus} is below 1")
        drivers = [n.driver for n in self.namespaces]
        if not drivers or len(set(drivers)) != len(drivers):
            raise ValueError("namespaces wants one fsdax, one devdax, or one of each")

    @property
    def memory_bytes(self) -> int:
        """The guest's memory, without its NVDIMMs."""
        return parse_size(self.memory)

    @property
    def memmap_bytes(self) -> int:
        """What binding all namespaces writes into their backing files, at 64 bytes a page."""
        return sum(n.nr_pages * 64 for n in self.namespaces)
