# SPDX-License-Identifier: GPL-2.0-only
"""Test cases for deferred_grow_zone(): fixed corner cases plus seeded random ones. Pure."""

import random
import re
from collections.abc import Iterator

import msgspec

from harness.host.units import KIB

#: 4 GiB, a section boundary.
START_PFN = 1 << 20
MAX_NODE = 63
#: Pages of what is freed at once, MAX_ORDER_NR_PAGES.
CHUNK = 1 << 10
SECTION = 1 << 15
#: Of a case that the user gives: 2 GiB of struct pages.
MAX_NR, MAX_START = 1 << 25, 1 << 33
_FORM = "start=PFN,nr=N[,nid=N][,page_ref=1]"
_WORD = re.compile(r"(start|nr|nid|page_ref)=(0x[0-9a-f]{1,13}|0|[1-9][0-9]{0,15})")


class Case(msgspec.Struct, frozen=True):
    """One call: all memory of a zone is free and deferred. Lengths in pages."""

    start: int
    nr: int
    nid: int = 0
    page_ref: bool = False

    @property
    def nr_pages(self) -> int:
        """All of them."""
        return self.nr

    @property
    def shift(self) -> int:
        """Single pages."""
        return 0

    @property
    def traced(self) -> bool:
        """Whether the tracepoint is on."""
        return self.page_ref

    def on_nodes(self, max_nodes: int) -> "Case":
        """Return the same call on a node that a kernel with so many nodes has."""
        return msgspec.structs.replace(self, nid=self.nid % max_nodes)

    def line(self, **more: str | int) -> str:
        """Return the plan line that runs this case; `more` adds soil, settle, digest, image …"""
        words = {field: int(getattr(self, field)) for field in self.__struct_fields__} | more
        return " ".join(["run", *(f"{key}={value}" for key, value in words.items())])

    @property
    def argument(self) -> str:
        """The case as `replay check --case` takes it; what has its default is left out."""
        more = f",nid={self.nid}" if self.nid else ""
        return f"start={self.start:#x},nr={self.nr}{more}{',page_ref=1' if self.page_ref else ''}"

    def __str__(self) -> str:
        """Describe the case in one line."""
        also = ", tracepoint page_ref_set on" if self.page_ref else ""
        end = self.start + self.nr
        return f"{self.nr} deferred pages, pfn {self.start:#x}-{end:#x}, node {self.nid}{also}"


def parse_case(text: str) -> Case:
    """Return the case of a `--case` argument. Raises ValueError with what is wrong."""
    found: dict[str, int] = {}
    for word in text.split(","):
        match = _WORD.fullmatch(word)
        if match is None or match[1] in found:
            raise ValueError(f"{word!r}: expected {_FORM}, each key once")
        found[match[1]] = int(match[2], 0)
    if not {"start", "nr"} <= set(found) or found.get("page_ref", 0) > 1:
        raise ValueError(f"{text!r}: expected {_FORM}")
    if not (0 < found["nr"] <= MAX_NR and found["start"] <= MAX_START):
        raise ValueError(f"{text!r}: expected nr=1 to {MAX_NR}, start=0 to {MAX_START:#x}")
    return Case(found["start"], found["nr"], found.get("nid", 0), found.get("page_ref", 0) == 1)


def of_pages(_kind: str, nr: int) -> Case:
    """Return the call for a zone of so many pages."""
    return Case(START_PFN, nr)


def of_size(kind: str, size_bytes: int) -> Case:
    """Return the call for a zone of so many bytes."""
    return of_pages(kind, size_bytes // (4 * KIB))


def corners() -> Iterator[Case]:
    """Return zones on and off the boundaries of what is freed at once, of pageblocks, sections."""
    for offset in (0, 1, 511, 512, CHUNK - 1, SECTION - 1):
        for nr in (1, 512, CHUNK, CHUNK + 1, 3 * SECTION):
            yield Case(START_PFN + offset, nr, nid=1)


def random_cases(count: int, seed: int, *, traceable: bool) -> list[Case]:
    """Return `count` random cases; equal seeds give equal cases.

    With `traceable`, half of them have the tracepoint on: the object must have it compiled in.
    """
    rng = random.Random(seed)  # noqa: S311 (repeatable, no secret)
    return [
        Case(
            start=START_PFN
            + (rng.randrange(1 << 12) << 15)
            + rng.choice((0, rng.randrange(1 << 15))),
            nr=rng.choice((CHUNK, SECTION, rng.randrange(1, 3 * SECTION))),
            nid=rng.choice((0, 1, rng.randrange(MAX_NODE))),
            page_ref=traceable and rng.random() < 0.5,
        )
        for _ in range(count)
    ]
