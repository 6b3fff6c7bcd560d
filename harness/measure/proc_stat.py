# SPDX-License-Identifier: GPL-2.0-only
"""What /proc/stat and /proc/loadavg say, as values (proc_stat(5), proc_loadavg(5))."""

import msgspec


class CpuTicks(msgspec.Struct, frozen=True):
    """Ticks of USER_HZ that all CPUs together worked, and that a hypervisor gave to others."""

    busy: int
    steal: int


def cpu_ticks(stat: str) -> CpuTicks:
    """Read /proc/stat's first line. Raises ValueError where that is none.

    user nice system idle iowait irq softirq steal guest guest_nice: guests' time is in user's.
    """
    words = stat.partition("\n")[0].split()
    if len(words) < 9 or words[0] != "cpu" or not all(w.isdecimal() for w in words[1:]):
        raise ValueError(f"{stat[:80]!r} is no line of CPU times")
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, words[1:9])
    return CpuTicks(user + nice + system + irq + softirq, steal)


def load_1min(loadavg: str) -> float:
    """Read /proc/loadavg's first figure. Raises ValueError where there is none."""
    words = loadavg.split()
    if not words:
        raise ValueError("holds no load average")
    return float(words[0])
