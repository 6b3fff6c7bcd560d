# SPDX-License-Identifier: GPL-2.0-only
"""Parses /proc/stat and /proc/loadavg (proc_stat(5), proc_loadavg(5)). Pure."""

from typing import NamedTuple

import msgspec


class CpuTicks(msgspec.Struct, frozen=True):
    """Busy and stolen time of all CPUs together, in ticks of USER_HZ."""

    busy: int
    steal: int


def cpu_ticks(stat: str) -> CpuTicks:
    """Return the times in /proc/stat's first line. Raises ValueError.

    Its fields: user nice system idle iowait irq softirq steal guest guest_nice; guest is in user.
    """
    words = stat.partition("\n")[0].split()
    if len(words) < 9 or words[0] != "cpu" or not all(w.isdecimal() for w in words[1:]):
        raise ValueError(f"{stat[:80]!r} is not a line of CPU times")
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, words[1:9])
    return CpuTicks(user + nice + system + irq + softirq, steal)


class CpuTime(NamedTuple):
    """Busy time of one CPU, and all of its time, in ticks of USER_HZ."""

    busy: int
    whole: int


def times_of_cpus(stat: str) -> dict[int, CpuTime]:
    """Return the times of each CPU in /proc/stat, by its number."""
    found = {}
    for line in stat.splitlines():
        name, *words = line.split() or [""]
        number = name.removeprefix("cpu")
        if name.startswith("cpu") and number.isdecimal() and len(words) >= 8:
            user, nice, system, idle, iowait, irq, softirq, steal = map(int, words[:8])
            busy = user + nice + system + irq + softirq
            found[int(number)] = CpuTime(busy, busy + idle + iowait + steal)
    return found


def load_1min(loadavg: str) -> float:
    """Return /proc/loadavg's first number. Raises ValueError."""
    words = loadavg.split()
    if not words:
        raise ValueError("no load average")
    return float(words[0])
