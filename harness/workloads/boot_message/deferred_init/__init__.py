# SPDX-License-Identifier: GPL-2.0-only
"""How the deferred initialization of struct pages is called in user space. Pure."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.workloads.boot_message.deferred_init.cases import (
    CHUNK,
    corners,
    of_pages,
    of_size,
    parse_case,
    random_cases,
)
from harness.workloads.replay import PARTS, Replay

KIND = "deferred"


def seen_differs(base: Mapping[str, Any], build: Mapping[str, Any]) -> str:
    """Describe in which calls a build differs from base; empty if in none."""
    names = {"pageblocks": "pageblocks initialized", "freed": "pages freed"}
    for key, what in names.items():
        if base[key] != build[key]:
            ours, theirs = (f"{one[key][:3]}, {len(one[key])} ranges" for one in (base, build))
            return f"{what}: {theirs}; base: {ours}"
    if base["events"] != build["events"]:
        return f"page_ref_set: {build['events']} events; base gives {base['events']}"
    if base != build:
        return "page_ref_set: as many events as base gives, of other pages or counts"
    return ""


REPLAY = Replay(
    function="deferred_grow_zone",
    changes=("deferred_init_memmap", "deferred_grow_zone"),
    shim=Path(__file__).parent / "shim",
    kinds=(KIND,),
    of_size=of_size,
    of_pages=of_pages,
    fixed=corners,
    random_cases=random_cases,
    parse_case=parse_case,
    seen_differs=seen_differs,
    stepped={KIND: of_pages(KIND, 2 * CHUNK)},
    counted={KIND: of_pages(KIND, PARTS * CHUNK)},
    # It has no rescheduling points: only the thread that calls the same function has.
    rescheduled={},
    room="the pgdat of the call",
)
