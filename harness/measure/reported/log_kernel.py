# SPDX-License-Identifier: GPL-2.0-only
"""What a kernel log says of the kernel and of its machine. Pure."""

import re
from collections.abc import Sequence

import msgspec

from harness.measure.reported.log_lines import KernelMessage

_LINUX = re.compile(r"Linux version (\S{1,128})(.*)")
_COMPILER = re.compile(r"\) \((.{1,200}?), (?:GNU ld|[\w ]{0,32}LLD)\b")
_COMMAND_LINE = re.compile(r"(?:Kernel command|Command) line: (.*)")
_CPU = re.compile(
    r"smpboot: CPU0: (.{1,100}?) \(family: 0x([0-9a-f]{1,3}), model: 0x([0-9a-f]{1,3})\b"
)
_HYPERVISOR = re.compile(r"Hypervisor detected: (.{1,64})")
_DMI = re.compile(r"DMI: (.{1,200})")
#: Firmware of QEMU and others names itself in its ACPI tables.
_ACPI = re.compile(r"(ACPI): .*\b(?:BOCHS|BXPC|VBOX|VMWARE|VRTUAL|AMAZON|Xen)\b")
_VIRTUAL = re.compile(
    r"QEMU|KVM|VMware|VirtualBox|Xen|Bochs|Virtual Machine|OpenStack|EC2|Google", re.I
)
_METAL = re.compile(r"\.metal\b")
_CPUS = re.compile(r"smp: Brought up \d+ nodes?, (\d{1,5}) CPUs?")
_MEMORY = re.compile(r"Memory: \d+K/(\d{1,13})K available")
#: clocksource_register() prints how long jiffies may sleep, which is in inverse proportion to HZ.
_IDLE = re.compile(r"clocksource: jiffies: .*max_idle_ns: (\d{1,20}) ns")
_HZ = {19112604462750: 100, 7645041785100: 250, 6370867519511: 300, 1911260446275: 1000}
_PATTERNS = {
    "linux": _LINUX,
    "line": _COMMAND_LINE,
    "cpu": _CPU,
    "hypervisor": _HYPERVISOR,
    "dmi": _DMI,
    "acpi": _ACPI,
    "cpus": _CPUS,
    "memory": _MEMORY,
    "idle": _IDLE,
}
_VENDORS = {"Intel": "GenuineIntel", "AMD": "AuthenticAMD"}


class ReportedKernel(msgspec.Struct, frozen=True):
    """What a log says of the kernel and its machine; empty or 0 where it does not.

    `hz` is the tick rate. `hypervisor` is `none` on bare metal, as harness.host.hypervisor names
    it. `build_id` is known from a log of the procedure alone.
    """

    release: str = ""
    compiler: str = ""
    banner: str = ""
    command_line: str = ""
    build_id: str = ""
    cpu: str = ""
    cpu_id: str = ""
    cpus: int = 0
    memory_bytes: int = 0
    hypervisor: str = ""
    hz: int = 0


def is_whole(found: Sequence[KernelMessage]) -> bool:
    """Return whether messages begin where the kernel starts."""
    return any(_LINUX.match(message.text) for message in found[:5])


def starts(message: KernelMessage) -> bool:
    """Return whether a message is the first that a kernel prints."""
    return _LINUX.match(message.text) is not None


def kernel_of(found: Sequence[KernelMessage]) -> ReportedKernel:
    """Return what the messages of a boot say of kernel and machine."""
    said: dict[str, re.Match[str]] = {}
    for message in found:
        for key, pattern in _PATTERNS.items():
            if key not in said and (match := pattern.match(message.text)):
                said[key] = match
    text = {key: match[1] for key, match in said.items()}
    linux, cpu = said.get("linux"), said.get("cpu")
    compiler = _COMPILER.search(linux[2]) if linux else None
    vendor = _VENDORS.get(re.split(r"[( ]", cpu[1])[0], "") if cpu else ""
    return ReportedKernel(
        release=text.get("linux", ""),
        compiler=compiler[1].strip() if compiler else "",
        banner=linux[0] if linux else "",
        command_line=text.get("line", ""),
        cpu=text.get("cpu", ""),
        cpu_id=f"{vendor} {int(cpu[2], 16)} {int(cpu[3], 16)}" if cpu and vendor else "",
        cpus=int(text.get("cpus", 0)),
        memory_bytes=int(text.get("memory", 0)) << 10,
        hypervisor=_hypervisor(text, whole=is_whole(found)),
        hz=_HZ.get(int(text.get("idle", 0)) // 1000, 0),
    )


def _hypervisor(said: dict[str, str], *, whole: bool) -> str:
    if "QEMU TCG" in said.get("cpu", ""):
        return "tcg"
    if name := said.get("hypervisor"):
        return name.lower()
    if "acpi" in said:
        return "unknown"
    dmi = said.get("dmi", "")
    if not dmi or not whole:
        return ""
    return "unknown" if _VIRTUAL.search(dmi) and not _METAL.search(dmi) else "none"
