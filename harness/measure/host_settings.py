# SPDX-License-Identifier: GPL-2.0-only
"""Reads the host's settings that affect times, from /proc and /sys; changes none of them."""

from collections.abc import Iterator
from pathlib import Path

from harness.host.files import text_of
from harness.record.record import HostSettings

_CPUS = "sys/devices/system/cpu"
#: Names of programs that run virtual machines, as /proc/PID/comm has them (15 characters).
_VIRTUAL_MACHINES = (
    *("qemu-", "firecracker", "cloud-hyperviso", "crosvm", "VBoxHeadless", "vmware-vmx"),
)


def read(root: Path = Path("/")) -> HostSettings:
    """Return the settings as they are now; None or empty where the host does not say."""
    cpus = root / _CPUS
    return HostSettings(
        governors=_distinct(cpus, "cpu[0-9]*/cpufreq/scaling_governor"),
        turbo=_turbo(cpus),
        idle_us=_idle_us(cpus),
        smt=_flag(cpus / "smt/active"),
        mitigations=tuple(_mitigations(cpus / "vulnerabilities")),
        microcode=_microcode(root),
        swap_bytes=_swap_bytes(root),
        other_guests=_other_guests(root),
    )


def _flag(path: Path) -> bool | None:
    return {"0": False, "1": True}.get(text_of(path))


def _distinct(folder: Path, pattern: str) -> tuple[str, ...]:
    return tuple(sorted({text for path in folder.glob(pattern) if (text := text_of(path))}))


def _turbo(cpus: Path) -> bool | None:
    off = _flag(cpus / "intel_pstate/no_turbo")
    return _flag(cpus / "cpufreq/boost") if off is None else not off


def _idle_us(cpus: Path) -> int | None:
    """Return how long the deepest idle state that is enabled takes to leave."""
    found = []
    for state in cpus.glob("cpu0/cpuidle/state*"):
        latency = text_of(state / "latency")
        if _flag(state / "disable") is not True and latency.isdecimal():
            found.append(int(latency))
    return max(found, default=None)


def _mitigations(folder: Path) -> Iterator[str]:
    """Yield `name: text` of each vulnerability that affects this CPU."""
    for path in sorted(folder.glob("*")):
        text = text_of(path)
        if text and text != "Not affected":
            yield f"{path.name}: {text}"


def _microcode(root: Path) -> str:
    for line in text_of(root / "proc/cpuinfo").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "microcode":
            return value.strip()
    return ""


def _swap_bytes(root: Path) -> int | None:
    """Return how much is swapped out."""
    found = {}
    for line in text_of(root / "proc/meminfo").splitlines():
        name, _, value = line.partition(":")
        if name in ("SwapTotal", "SwapFree") and value.split()[:1]:
            found[name] = int(value.split()[0]) * 1024
    return found["SwapTotal"] - found["SwapFree"] if len(found) == 2 else None


def _other_guests(root: Path) -> int:
    """Count the virtual machines that run now, before ours is started."""
    names = [text_of(path) for path in root.glob("proc/[0-9]*/comm")]
    return sum(name.startswith(_VIRTUAL_MACHINES) for name in names)
