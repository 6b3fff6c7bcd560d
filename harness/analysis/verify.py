# SPDX-License-Identifier: GPL-2.0-only
"""Two memmaps compared page by page; what differs is named by the members of struct page."""

from collections.abc import Callable, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from harness.parse.dwarf import Layout, Member

Bytes = npt.NDArray[np.uint8]
#: Gives the members that hold a byte, given the page's number and the byte's offset in it.
Finder = Callable[[int, int], Sequence[Member]]
PADDING = "padding"


class Difference(msgspec.Struct, frozen=True):
    """One page that differs: its number from the first struct page, and the members that do.

    Each of `fields` is one place in the page with all the names that it has, joined by `|`; `base`
    and `tip` are the whole pages in hex. A number outside the memmap is a guard page's.
    """

    page: int
    fields: tuple[str, ...]
    base: str
    tip: str


def finder(page: Layout, folio: Layout, order: int, first: int = 0) -> Finder:
    """Find members in struct page and, within a compound's first pages, in struct folio.

    `first` is the number of the page that the first compound begins with. struct folio repeats
    struct page's members under names that begin with `page` or `__page`.
    """

    def find(number: int, offset: int) -> tuple[Member, ...]:
        start = (number - first) % (1 << order) * page.size
        own = [m for m in folio.at(start + offset) if not m.name.startswith(("page.", "__page"))]
        return (*page.at(offset), *own)

    return find


def differing(base: Bytes, tip: Bytes, size: int) -> npt.NDArray[np.int64]:
    """Return the numbers of the struct pages that differ, in two images of whole struct pages."""
    pages = np.flatnonzero((base.reshape(-1, size) != tip.reshape(-1, size)).any(axis=1))
    return pages.astype(np.int64)


def describe(number: int, base: Bytes, tip: Bytes, find: Finder) -> Difference:
    """Say what differs between two struct pages; `number` is the page's place in the memmap."""
    places: dict[int, dict[str, None]] = {}
    for offset in np.flatnonzero(base != tip):
        members = find(number, int(offset))
        # What overlaps a larger member is another name for a part of it.
        place = max((m.size, m.offset) for m in members)[1] if members else -1
        names = places.setdefault(place, {})
        names.update(dict.fromkeys([m.name for m in members] or [PADDING]))
    fields = tuple("|".join(names) for names in places.values())
    return Difference(number, fields, base.tobytes().hex(), tip.tobytes().hex())
