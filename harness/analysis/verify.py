# SPDX-License-Identifier: GPL-2.0-only
"""Two memmaps compared page by page; what differs is named by the members of struct page."""

from collections.abc import Callable, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from harness.parse.dwarf import Layout

Bytes = npt.NDArray[np.uint8]
#: Names the members that a byte belongs to, given the page's number and the byte's offset in it.
Namer = Callable[[int, int], Sequence[str]]


class Difference(msgspec.Struct, frozen=True):
    """One page that differs: its number from the first struct page, and the members that do.

    `fields` holds every member that overlaps a differing byte, alternatives joined by `|`; `base`
    and `tip` are the whole pages in hex. A number outside the memmap is a guard page's.
    """

    page: int
    fields: tuple[str, ...]
    base: str
    tip: str


def namer(page: Layout, folio: Layout | None = None, order: int = 0) -> Namer:
    """Name bytes by struct page and, within a compound's first pages, by struct folio.

    struct folio repeats struct page's members under names that begin with `page` or `__page`.
    """

    def names(number: int, offset: int) -> tuple[str, ...]:
        found = [m.name for m in page.at(offset)]
        if folio is not None:
            within = number % (1 << order) * page.size + offset
            members = folio.at(within) if within < folio.size else ()
            found += [m.name for m in members if not m.name.startswith(("page.", "__page"))]
        return tuple(dict.fromkeys(found)) or (f"offset {offset}",)

    return names


def differing(base: Bytes, tip: Bytes, size: int) -> npt.NDArray[np.int64]:
    """Return the numbers of the struct pages that differ, in two images of whole struct pages."""
    pages = np.flatnonzero((base.reshape(-1, size) != tip.reshape(-1, size)).any(axis=1))
    return pages.astype(np.int64)


def describe(number: int, base: Bytes, tip: Bytes, names: Namer) -> Difference:
    """Say what differs between two struct pages; `number` is the page's place in the memmap."""
    fields: dict[str, None] = {}
    for offset in np.flatnonzero(base != tip):
        fields["|".join(names(number, int(offset)))] = None
    return Difference(number, tuple(fields), base.tobytes().hex(), tip.tobytes().hex())
