# SPDX-License-Identifier: GPL-2.0-only
"""Measures what the host did during a measurement, from counters read before and after."""

import os
import time
from pathlib import Path

import msgspec

from harness.measure.proc_stat import CpuTicks, cpu_ticks, load_1min
from harness.record.record import HostUse

_PROC = Path("/proc")
_CPUS = Path("/sys/devices/system/cpu")
#: Counts of throttling per core and package (drivers/thermal/intel/therm_throt.c).
_THROTTLES = ("core_throttle_count", "package_throttle_count")


class Meter:
    """Reads the host's counters at the start and in used()."""

    def __init__(self, proc: Path = _PROC, cpus: Path = _CPUS) -> None:
        self._proc, self._cpus = proc, cpus
        self._before = self._read()

    def used(self) -> HostUse:
        """Return what the host did since the start. Child processes count once they ended."""
        before, after = self._before, self._read()
        tick_s = 1 / os.sysconf("SC_CLK_TCK")
        throttles = None
        if before.throttles is not None and after.throttles is not None:
            throttles = max(0, after.throttles - before.throttles)
        return HostUse(
            wall_s=round(after.wall_s - before.wall_s, 3),
            cpus=os.cpu_count() or 1,
            busy_s=round((after.ticks.busy - before.ticks.busy) * tick_s, 2),
            own_s=round(after.own_s - before.own_s, 2),
            steal_s=round(max(0, after.ticks.steal - before.ticks.steal) * tick_s, 2),
            load_before=before.load,
            load_after=after.load,
            throttles=throttles,
        )

    def _read(self) -> "_Reading":
        times = os.times()
        return _Reading(
            wall_s=time.monotonic(),
            ticks=cpu_ticks((self._proc / "stat").read_text()),
            own_s=times.user + times.system + times.children_user + times.children_system,
            load=load_1min((self._proc / "loadavg").read_text()),
            throttles=self._throttles(),
        )

    def _throttles(self) -> int | None:
        """Return the sum of all counters; each core counts its package's events too."""
        files = [f for n in _THROTTLES for f in self._cpus.glob(f"cpu*/thermal_throttle/{n}")]
        try:
            return sum(int(file.read_text()) for file in files) if files else None
        except (OSError, ValueError):
            return None  # a CPU went offline, or the counter is not readable


class _Reading(msgspec.Struct, frozen=True):
    wall_s: float
    ticks: CpuTicks
    own_s: float
    load: float
    throttles: int | None
