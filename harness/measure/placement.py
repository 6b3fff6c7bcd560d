# SPDX-License-Identifier: GPL-2.0-only
"""Binds a guest's vCPUs to CPUs, and reads where it ran and what backed its memory."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from harness.guest.qemu import process as qemu_process
from harness.guest.qemu.pinning import Pinning
from harness.measure.proc_stat import CpuTime, times_of_cpus
from harness.record.record import Placement

_PROC = Path("/proc")


class Placing:
    """Pins when the kernel has started, and reads when the last binding is over.

    Before that QEMU has no vCPU thread, and reading the page tables earlier would disturb a
    binding. A guest that powers off before it can be read leaves its memory unknown.
    """

    def __init__(
        self, pinning: Pinning, ram_bytes: int, files: Sequence[str], proc: Path = _PROC
    ) -> None:
        self._pinning, self._ram_bytes, self._files, self._proc = pinning, ram_bytes, files, proc
        self._pid: int | None = None
        self._pinned = False
        self._before: dict[int, CpuTime] = {}
        self.placement = Placement()

    def begin(self, leader: int) -> None:
        """Pin the vCPUs of the QEMU that `leader` is or has started."""
        self._pid = qemu_process.find(leader, self._proc)
        if self._pid is not None and self._pinning.cpus:
            cpus, others = self._pinning.cpus, self._pinning.others
            self._pinned = qemu_process.pin(self._pid, cpus, others, self._proc)
        if self._pinned:
            self.placement = Placement(self._pinning.cpus, self._pinning.node)
        self._before = self._cpu_times()

    def end(self) -> None:
        """Read what the guest's memory is backed by, and how busy sibling hyper-threads were."""
        if self._pid is None:
            return
        ram, namespaces = qemu_process.backing(self._pid, self._ram_bytes, self._files, self._proc)
        self.placement = msgspec.structs.replace(
            self.placement,
            sibling_share=self._sibling_share() if self._pinned else None,
            ram=ram,
            namespaces=namespaces,
        )

    def _sibling_share(self) -> float | None:
        after = self._cpu_times()
        known = self._pinning.siblings & self._before.keys() & after.keys()
        whole = sum(after[cpu].whole - self._before[cpu].whole for cpu in known)
        busy = sum(after[cpu].busy - self._before[cpu].busy for cpu in known)
        return round(busy / whole, 4) if whole > 0 else None

    def _cpu_times(self) -> dict[int, CpuTime]:
        try:
            return times_of_cpus((self._proc / "stat").read_text())
        except OSError:
            return {}
