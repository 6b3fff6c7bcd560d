# SPDX-License-Identifier: GPL-2.0-only
"""Where huge pages of hugetlbfs can be had for a guest: free ones in the pool, and a mount."""

import os
from pathlib import Path

from harness.host.files import text_of
from harness.host.units import parse_size
from harness.project.guest import Guest

_POOLS = "sys/kernel/mm/hugepages"


def for_memory(guest: Guest, root: Path = Path("/")) -> str:
    """Return the size of the pages for the guest's memory, as QEMU writes it; empty for none.

    Without enough in the pool QEMU asks for transparent huge pages, as it does by default.
    """
    size = _asked(guest)
    page = parse_size(size) if size else 0
    fits = page and guest.ram_bytes % page == 0 and _free(page, root) >= guest.ram_bytes
    return size if fits else ""


def for_namespaces(guest: Guest, room: int, root: Path = Path("/")) -> Path | None:
    """Return a folder on hugetlbfs for backing files that get `room` bytes, if there is one."""
    size = _asked(guest)
    if not size or guest.in_ram:
        return None
    page = parse_size(size)
    taken = guest.ram_bytes if for_memory(guest, root) else 0
    if any(n.size_bytes % page for n in guest.namespaces) or _free(page, root) < room + taken:
        return None
    for line in text_of(root / "proc/mounts").splitlines():
        words = line.split()
        if len(words) > 3 and words[2] == "hugetlbfs" and f"pagesize={size}" in words[3].split(","):
            folder = Path(words[1].replace("\\040", " "))
            if os.access(folder, os.W_OK):
                return folder
    return None


def _asked(guest: Guest) -> str:
    asked = guest.hugepages
    return asked if isinstance(asked, str) and asked != "none" else ""


def _free(page: int, root: Path) -> int:
    """Return how much of the pool is free and not reserved."""
    pool = root / _POOLS / f"hugepages-{page >> 10}kB"
    free, reserved = (text_of(pool / f"{name}_hugepages") for name in ("free", "resv"))
    return (int(free) - int(reserved)) * page if free.isdecimal() and reserved.isdecimal() else 0
