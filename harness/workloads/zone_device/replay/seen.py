# SPDX-License-Identifier: GPL-2.0-only
"""Compares the calls to the rest of the kernel that shim/seen.c prints. Pure."""

from collections.abc import Mapping
from typing import Any

import msgspec

from harness.host import units

#: Ranges of pageblocks that are named; all are compared.
SHOWN = 3


class PageRef(msgspec.Struct, frozen=True):
    """Events of the page_ref_set tracepoint: their number, of pages, first and last pfn."""

    events: int
    pages: int
    first: int
    last: int
    digest: str


class Seen(msgspec.Struct, frozen=True):
    """The calls: `pageblocks` are (first pfn, one past the last, migratetype, isolate)."""

    pageblocks: tuple[tuple[int, int, int, int], ...]
    page_ref: PageRef


def seen_differs(base: Mapping[str, Any], build: Mapping[str, Any]) -> str:
    """Describe how the calls of a build differ from base's; empty if they do not."""
    ours, theirs = (msgspec.convert(one, type=Seen) for one in (base, build))
    if ours.pageblocks != theirs.pageblocks:
        return (
            f"pageblocks initialized: {_ranges(theirs)}; base initializes {_ranges(ours)} "
            "(first pfn, one past the last, migratetype, isolate)"
        )
    if ours.page_ref != theirs.page_ref:
        mine, its = ours.page_ref, theirs.page_ref
        return (
            f"page_ref_set: {its.events} events on {its.pages} pages, pfn {its.first} to "
            f"{its.last}; base gives {mine.events} on {mine.pages}, {mine.first} to {mine.last}"
        )
    return ""


def _ranges(seen: Seen) -> str:
    return units.listed([str(r) for r in seen.pageblocks], SHOWN)
