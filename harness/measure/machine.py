# SPDX-License-Identifier: GPL-2.0-only
"""Describes the host for run records, which are compared by it."""

import os
import platform
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import msgspec

from harness.errors import ToolMissing
from harness.guest.accelerator import Accelerator
from harness.guest.qemu import options as qemu
from harness.host import version
from harness.host.cache import Cache
from harness.host.hypervisor import hypervisor
from harness.host.processes import programs, venv
from harness.host.processes.process import Deadline
from harness.record.record import Machine

#: `--version` of each program takes up to a second.
_DESCRIBE_S = 120
#: Programs that a measurement may depend on. The compiler is recorded per build.
_MEASURING = {
    "qemu": qemu.PROGRAM,
    "vng": "vng",
    "ndctl": "ndctl",
    "busybox": "busybox",
    "bwrap": "bwrap",
}
#: Programs of this package's Python dependencies.
PYTHON_PROGRAMS = ("vng", "b4")
#: Family and model of Ice Lake SP and D (arch/x86/include/asm/intel-family.h).
_ICE_LAKE_SERVERS = {(6, 0x6A), (6, 0x6C)}
#: Flags of Ice Lake and later server cores that Cascade Lake lacks.
ICE_LAKE_FLAGS = {"avx512_vbmi2", "avx512_bitalg", "gfni", "vaes", "vpclmulqdq"}


class Cpu(msgspec.Struct, frozen=True):
    """The host's processor, from /proc/cpuinfo."""

    name: str
    vendor: str
    family: int
    model: int
    flags: frozenset[str]

    @property
    def id(self) -> str:
        """Return vendor, family and model, like `GenuineIntel 6 106`; empty if unknown."""
        return f"{self.vendor} {self.family} {self.model}" if self.vendor else ""

    @property
    def is_ice_lake(self) -> bool:
        """Return whether it is an Ice Lake server, like the author's."""
        return self.vendor == "GenuineIntel" and (self.family, self.model) in _ICE_LAKE_SERVERS

    @property
    def is_ice_lake_class(self) -> bool:
        """Return whether it has all flags of QEMU's Icelake-Server model."""
        return self.flags >= ICE_LAKE_FLAGS


def describe(cache: Cache, accelerator: Accelerator, guest_cpu: str) -> Machine:
    """Return the machine for a run record; `guest_cpu` is the model that guests boot with."""
    deadline = Deadline(_DESCRIBE_S)
    tools = {
        name: number
        for name, program in _MEASURING.items()
        if (number := tool_version(cache, program, deadline))
    }
    return msgspec.structs.replace(
        here(accelerator.name, accelerator.proof, tools),
        guest_cpu=guest_cpu,
        guest_cpu_lacks=accelerator.cpu.lacks,
    )


def versions(cache: Cache, names: Iterable[str]) -> dict[str, str]:
    """Return the versions of these programs, without those that are not known."""
    deadline = Deadline(_DESCRIBE_S)
    found = {name: tool_version(cache, name, deadline) for name in names}
    return {name: number for name, number in found.items() if number}


def here(
    accelerator: Literal["kvm", "tcg", "native"], proof: str, tools: dict[str, str]
) -> Machine:
    """Return the machine with this accelerator, and the versions of the tools that matter."""
    found = cpu(Path("/proc/cpuinfo").read_text())
    return Machine(
        cpu=found.name,
        cpus=len(os.sched_getaffinity(0)),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        kernel=platform.release(),
        accelerator=accelerator,
        accelerator_proof=proof,
        tools=tools,
        hypervisor=hypervisor(),
        cpu_id=found.id,
    )


def cpu(cpuinfo: str) -> Cpu:
    """Return the first processor of a /proc/cpuinfo; unknown values are empty or 0."""
    pairs = (line.partition(":") for line in cpuinfo.partition("\n\n")[0].splitlines())
    facts = {name.strip(): value.strip() for name, _, value in pairs}
    number = {
        n: int(facts[n]) if facts.get(n, "").isdecimal() else 0 for n in ("cpu family", "model")
    }
    return Cpu(
        name=facts.get("model name", platform.machine()),
        vendor=facts.get("vendor_id", ""),
        family=number["cpu family"],
        model=number["model"],
        flags=frozenset(facts.get("flags", "").split()),
    )


def tool_version(cache: Cache, program: str, deadline: Deadline) -> str:
    """Return a program's version; empty if unknown or not installed."""
    try:
        is_python = program in PYTHON_PROGRAMS
        path = Path(venv.installed(program)) if is_python else programs.require(program)
    except ToolMissing:
        return ""
    return version.of(path, log=cache.log(f"version-{program}"), deadline=deadline)
