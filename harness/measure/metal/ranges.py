# SPDX-License-Identifier: GPL-2.0-only
"""Chooses which ranges of a server's RAM hold the namespaces and the report. Pure."""

import re
from collections.abc import Sequence

import msgspec

from harness.host.units import GIB, MIB, format_bytes

#: The report: some thousand lines of a kernel log.
LOG_BYTES = 16 * MIB
#: RAM between ranges: the kernel would merge adjacent ones, and reads no range through /dev/mem
#: that lies above all RAM.
_GAP_BYTES = 128 * MIB
#: kexec puts kernels and their initramfs below.
_LOWEST = 4 * GIB
_RAM = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) : System RAM$", re.MULTILINE)


class Ranges(msgspec.Struct, frozen=True):
    """Start addresses of the report's range and of each namespace's, with the sizes in bytes."""

    log: int
    namespaces: tuple[tuple[int, int], ...]

    @property
    def reserve(self) -> str:
        """The kernel option that keeps the report's range from being used as RAM."""
        return f"memmap={LOG_BYTES >> 20}M${self.log >> 20}M"

    @property
    def options(self) -> tuple[str, ...]:
        """The options of a measured kernel."""
        carved = (f"memmap={size >> 20}M!{start >> 20}M" for start, size in self.namespaces)
        return (self.reserve, *carved)


def choose(iomem: str, sizes: Sequence[int]) -> Ranges | str:
    """Return ranges in the RAM that /proc/iomem lists, or why there are none, in words."""
    areas = [
        (max(int(match[1], 16), _LOWEST), int(match[2], 16) + 1) for match in _RAM.finditer(iomem)
    ]
    areas = [(start, end) for start, end in areas if start < end]
    if not areas:
        return f"it lists no RAM above {format_bytes(_LOWEST)} in /proc/iomem"
    chosen = []
    for size in (LOG_BYTES, *sizes):
        unit = GIB if size >= GIB else _GAP_BYTES
        for number, (start, end) in enumerate(areas):
            at = -(-start // unit) * unit
            if at + size + _GAP_BYTES <= end:
                areas[number] = (at + size + _GAP_BYTES, end)
                chosen.append((at, size))
                break
        else:
            return f"it has too little RAM above {format_bytes(_LOWEST)}: no {format_bytes(size)}"
    (log, _), *rest = chosen
    # The kernel numbers the regions by address.
    if rest != sorted(rest):
        return "its RAM is in pieces that do not hold the namespaces in order"
    return Ranges(log, tuple(rest))
