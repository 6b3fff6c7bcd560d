# SPDX-License-Identifier: GPL-2.0-only
"""How memmap_init_zone_device() is called in user space, and what is examined of it. Pure."""

from pathlib import Path

from harness.workloads.replay import PARTS, Replay
from harness.workloads.zone_device.replay.cases import (
    START_PFN,
    Case,
    corners,
    namespace,
    of_pages,
    parse_case,
    random_cases,
)
from harness.workloads.zone_device.replay.seen import seen_differs

REPLAY = Replay(
    function="memmap_init_zone_device",
    changes=("memmap_init_zone_device",),
    shim=Path(__file__).parent / "shim",
    kinds=("order0", "order9"),
    of_size=namespace,
    of_pages=of_pages,
    fixed=corners,
    random_cases=random_cases,
    parse_case=parse_case,
    seen_differs=seen_differs,
    # Two pageblocks, two compound pages: every loop is entered and left.
    stepped={
        "order0": of_pages("order0", 1 << 10),
        "order9": Case("generic", 9, START_PFN, 1 << 10, altmap=True),
    },
    # Each step is a signal: few pages.
    counted={
        "order0": of_pages("order0", PARTS << 7),
        "order9": of_pages("order9", PARTS << 9),
    },
    # From a section boundary and from elsewhere.
    rescheduled={
        f"{name}{place}": Case(kind, shift, START_PFN + offset, 4 << 15, early=True)
        for name, kind, shift in (("order0", "fs_dax", 0), ("order9", "generic", 9))
        for place, offset in (("", 0), (" off a section boundary", 1 << 9))
    }
    | {"order18": Case("generic", 18, START_PFN, 2 << 18, early=True)},
    room="the pgmap of the call",
)
