# SPDX-License-Identifier: GPL-2.0-only
"""What the host is: what a run record says of it, and what two records are compared by."""

import os
import platform
import re
from pathlib import Path

import msgspec

from harness import proc
from harness.cache import Cache
from harness.errors import HarnessError
from harness.model.record import Machine
from harness.stages.accelerator import Accelerator
from harness.tools import locate, qemu, scripts

#: How each program is asked for its version; the first number with a dot in it is taken.
ASKED = {
    "qemu": (qemu.PROGRAM, "--version"),
    "vng": ("vng", "--version"),
    "b4": ("b4", "--version"),
    "git": ("git", "--version"),
    "gcc": ("gcc", "--version"),
    "make": ("make", "--version"),
    "ndctl": ("ndctl", "--version"),
    "busybox": ("busybox",),
    "bwrap": ("bwrap", "--version"),
}
#: Those that a measurement may depend on; the compiler is the kernels' own affair.
MEASURING = ("qemu", "vng", "ndctl", "busybox", "bwrap")
_VERSION = re.compile(r"\d+(?:\.\d+)+")
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
        tools={name: version for name in MEASURING if (version := tool_version(cache, name))},
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


def tool_version(cache: Cache, name: str) -> str | None:
    """Return the version that a program of ASKED gives itself; None if it is missing or mute."""
    program, *arguments = ASKED[name]
    try:
        path = scripts.installed(program) if name in ("vng", "b4") else locate.require(program)
        log = cache.log(f"version-{name}")
        done = proc.run([str(path), *arguments], log=log, deadline=proc.Deadline(30), ok=None)
    except HarnessError:
        return None
    match = _VERSION.search(done.stdout or log.read_text("utf-8", "replace").partition("\n")[2])
    return match[0] if match else None
