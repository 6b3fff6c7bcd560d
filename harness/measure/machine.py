# SPDX-License-Identifier: GPL-2.0-only
"""What the host is: what a run record says of it, and what two records are compared by."""

import os
import platform
from pathlib import Path

import msgspec

from harness.errors import ToolMissing
from harness.guest import qemu
from harness.guest.accelerator import Accelerator
from harness.host import programs, venv, version
from harness.host.cache import Cache
from harness.record.record import Machine

#: What a measurement may depend on; the compiler is the kernels' own affair.
MEASURING = {
    "qemu": qemu.PROGRAM,
    "vng": "vng",
    "ndctl": "ndctl",
    "busybox": "busybox",
    "bwrap": "bwrap",
}
#: Those that come with this package's own dependencies.
PYTHON_PROGRAMS = ("vng", "b4")
#: Intel's models of Ice Lake servers: SP and D (arch/x86/include/asm/intel-family.h).
ICE_LAKE_SERVERS = {(6, 0x6A), (6, 0x6C)}
#: What Ice Lake added over Cascade Lake and later server cores kept.
ICE_LAKE_FLAGS = {"avx512_vbmi2", "avx512_bitalg", "gfni", "vaes", "vpclmulqdq"}


class Cpu(msgspec.Struct, frozen=True):
    """The host's processor, from /proc/cpuinfo."""

    name: str
    vendor: str
    family: int
    model: int
    flags: frozenset[str]

    @property
    def is_ice_lake(self) -> bool:
        """An Ice Lake server, the author's kind."""
        return self.vendor == "GenuineIntel" and (self.family, self.model) in ICE_LAKE_SERVERS

    @property
    def is_ice_lake_class(self) -> bool:
        """Has what Ice Lake servers have, so a guest may see all of the CPU model."""
        return self.flags >= ICE_LAKE_FLAGS


def describe(cache: Cache, accelerator: Accelerator) -> Machine:
    """Return the machine as run records keep it."""
    found = cpu(Path("/proc/cpuinfo").read_text())
    return Machine(
        cpu=found.name,
        cpus=len(os.sched_getaffinity(0)),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        kernel=platform.release(),
        accelerator=accelerator.name,
        accelerator_proof=accelerator.proof,
        tools={
            name: said
            for name, program in MEASURING.items()
            if (said := tool_version(cache, program))
        },
    )


def cpu(cpuinfo: str) -> Cpu:
    """Read the first processor of a /proc/cpuinfo; what it does not say is empty or 0."""
    pairs = (line.partition(":") for line in cpuinfo.partition("\n\n")[0].splitlines())
    said = {name.strip(): value.strip() for name, _, value in pairs}
    number = {
        n: int(said[n]) if said.get(n, "").isdecimal() else 0 for n in ("cpu family", "model")
    }
    return Cpu(
        name=said.get("model name", platform.machine()),
        vendor=said.get("vendor_id", ""),
        family=number["cpu family"],
        model=number["model"],
        flags=frozenset(said.get("flags", "").split()),
    )


def tool_version(cache: Cache, program: str) -> str:
    """Return a program's version; empty if it is missing or mute."""
    try:
        ours = program in PYTHON_PROGRAMS
        path = Path(venv.installed(program)) if ours else programs.require(program)
    except ToolMissing:
        return ""
    return version.of(path, log=cache.log(f"version-{program}"))
