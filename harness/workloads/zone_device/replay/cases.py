# SPDX-License-Identifier: GPL-2.0-only
"""Test cases for memmap_init_zone_device(): fixed corner cases plus seeded random ones. Pure."""

import random
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from harness.host.units import MIB
from harness.workloads.zone_device.namespaces import INFO_BLOCK_BYTES, PAGE_BYTES, data_offset_bytes

#: enum replay_type of shim/case.h.
TYPES = ("private", "coherent", "fs_dax", "generic", "pci_p2pdma")
SHIFTS = (0, 9, 18)
#: 4 GiB, where a namespace would start: a section boundary.
START_PFN = 1 << 20
MAX_NODE = 63
#: The most struct pages of a case, except for compound pages of 1 GiB: boundaries matter, sizes do
#: not, and a case should take milliseconds.
MAX_PAGES = 3 << 15
#: Of a case that the user gives: 2 GiB of struct pages, and MAX_SHIFT of shim/case.c.
MAX_NR, MAX_SHIFT, MAX_START = 1 << 25, 18, 1 << 33
_NUMBER = re.compile(r"0x[0-9a-f]{1,13}|0|[1-9][0-9]{0,15}")


class Case(msgspec.Struct, frozen=True):
    """One call, lengths in pages. `reserve` and `free` are those of the altmap."""

    type: str
    shift: int
    start: int
    nr: int
    altmap: bool = False
    reserve: int = 0
    free: int = 0
    nid: int = 0
    early: bool = False
    page_ref: bool = False

    @property
    def nr_pages(self) -> int:
        """The pages of the range outside the altmap."""
        return self.nr - (self.reserve + self.free if self.altmap else 0)

    def line(self, **more: str | int) -> str:
        """Return the plan line that runs this case; `more` adds soil, settle, digest, image …"""
        words = {
            "type": TYPES.index(self.type),
            **{f: int(getattr(self, f)) for f in self.__struct_fields__ if f != "type"},
            **more,
        }
        return " ".join(["run", *(f"{key}={value}" for key, value in words.items())])

    @property
    def traced(self) -> bool:
        """Whether the tracepoint is on."""
        return self.page_ref

    def on_nodes(self, max_nodes: int) -> "Case":
        """Return the same call on a node that a kernel with so many nodes has."""
        return msgspec.structs.replace(self, nid=self.nid % max_nodes)

    @property
    def argument(self) -> str:
        """The case as `replay check --case` takes it; what has its default is left out."""
        words = []
        for name in self.__struct_fields__[1:]:
            value = getattr(self, name)
            if name in _REQUIRED or value:
                words.append(f"{name}={value:#x}" if name == "start" else f"{name}={int(value)}")
        return ",".join((self.type, *words))

    def __str__(self) -> str:
        """Describe the case in one line."""
        end = self.start + self.nr
        words = [f"{self.nr} {self.type} pages of order {self.shift}, pfn {self.start:#x}-{end:#x}"]
        if self.altmap:
            words.append(f"{self.reserve} reserved and {self.free} free for the altmap")
        else:
            words.append("no altmap")
        words.append(f"node {self.nid}")
        words += ["sections present since boot"] if self.early else []
        words += ["tracepoint page_ref_set on"] if self.page_ref else []
        return ", ".join(words)


_REQUIRED = ("shift", "start", "nr")
_FLAGS = ("altmap", "early", "page_ref")


def parse_case(text: str) -> Case:
    """Return the case of a `--case` argument. Raises ValueError with what is wrong."""
    form = "TYPE,shift=N,start=PFN,nr=N[,KEY=N...]"
    kind, *words = text.split(",")
    if kind not in TYPES:
        raise ValueError(f"no type {kind!r}; expected {form}, TYPE one of {', '.join(TYPES)}")
    found: dict[str, int] = {}
    known = Case.__struct_fields__[1:]
    for word in words:
        key, _, value = word.partition("=")
        if key not in known or key in found:
            raise ValueError(f"{word!r}: expected each key once, of {', '.join(known)}")
        if not _NUMBER.fullmatch(value):
            raise ValueError(f"{word!r} is not a number; expected one like 512 or 0x100000")
        found[key] = int(value, 0)
        if key in _FLAGS and found[key] > 1:
            raise ValueError(f"{word!r}: expected {key}=0 or {key}=1")
    if missing := [key for key in _REQUIRED if key not in found]:
        raise ValueError(f"lacks {', '.join(missing)}; expected {form}")
    values: dict[str, Any] = {
        key: bool(value) if key in _FLAGS else value for key, value in found.items()
    }
    case = Case(kind, **values)
    for wrong, what in (
        (case.shift > MAX_SHIFT, f"shift is {case.shift}; expected 0 to {MAX_SHIFT}"),
        (not 0 < case.nr <= MAX_NR, f"nr is {case.nr}; expected 1 to {MAX_NR}"),
        (case.start > MAX_START, f"start is {case.start:#x}; expected 0 to {MAX_START:#x}"),
        (case.nr_pages < 1, "the altmap takes all pages; expected reserve + free below nr"),
    ):
        if wrong:
            raise ValueError(what)
    return case


def of_pages(kind: str, nr: int) -> Case:
    """Return a call of a kind for `nr` pages without an altmap."""
    if kind == "order0":
        return Case("fs_dax", 0, START_PFN, nr)
    return Case("generic", 9, START_PFN, nr, early=True)


def namespace(kind: str, size_bytes: int, align_bytes: int = 2 * MIB) -> Case:
    """Return the call for a whole namespace with map=dev, as order0 (fsdax) or order9 (devdax)."""
    info = INFO_BLOCK_BYTES // PAGE_BYTES
    offset = data_offset_bytes(size_bytes, align_bytes, map_dev=True) // PAGE_BYTES
    return Case(
        type="fs_dax" if kind == "order0" else "generic",
        shift=0 if kind == "order0" else 9,
        start=START_PFN,
        nr=size_bytes // PAGE_BYTES,
        altmap=True,
        reserve=info,
        free=offset - info,
    )


def corners() -> Iterator[Case]:
    """Return one case per type and order, with and without altmap, at a section boundary."""
    for kind in TYPES:
        for shift in SHIFTS:
            nr = max(1 << 15, 2 << shift)
            yield Case(kind, shift, START_PFN, nr, nid=1)
            free = max(1 << shift, 1 << 9) - 2
            yield Case(kind, shift, START_PFN, nr, altmap=True, reserve=2, free=free)
    yield Case("generic", 9, START_PFN, 1 << 15, early=True)


def random_cases(count: int, seed: int, *, traceable: bool) -> list[Case]:
    """Return `count` random cases; equal seeds give equal cases.

    With `traceable`, half of them have the tracepoint on: the object must have it compiled in.
    """
    rng = random.Random(seed)  # noqa: S311 (repeatable, no secret)
    return [_random_case(rng, traceable=traceable) for _ in range(count)]


def _random_case(rng: random.Random, *, traceable: bool) -> Case:
    shift = rng.choices(SHIFTS, (5, 5, 1))[0]
    # On and off section, pageblock and compound page boundaries.
    start = START_PFN + (rng.randrange(1 << 12) << 15)
    start += rng.choice((0, 0, 1 << 9, 1 << 9, 1 << shift, 1, rng.randrange(1 << 15)))
    nr = rng.choice((1, 2, 511, 512, 513, 1 << 15, (1 << 15) + 512, rng.randrange(1, MAX_PAGES)))
    if shift == 18:
        nr = rng.choice((1 << 18, 2 << 18, (1 << 18) + (1 << 15)))
    altmap = rng.random() < 0.5
    reserve = rng.choice((0, 2, rng.randrange(1 << 10))) if altmap else 0
    free = rng.choice((0, nr * 64 // PAGE_BYTES, (1 << 9) - 2)) if altmap else 0
    if reserve + free >= nr:
        reserve = free = 0
    return Case(
        type=rng.choice(TYPES),
        shift=shift,
        start=start,
        nr=nr,
        altmap=altmap,
        reserve=reserve,
        free=free,
        nid=rng.choice((0, 1, MAX_NODE, rng.randrange(MAX_NODE))),
        early=rng.random() < 0.2,
        page_ref=traceable and rng.random() < 0.5,
    )
