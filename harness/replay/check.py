# SPDX-License-Identifier: GPL-2.0-only
"""Base and every prefix on the same cases: equal memmaps, equal calls to the rest of the kernel.

A build's digests are compared first. Only where one differs are both images written out and looked
at, so the usual run costs no more than the calls themselves.
"""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np

from harness.errors import HarnessError
from harness.events import Advanced, Began, Ended, Listener, silent
from harness.memmap.compare import Bytes, Difference, describe, differing, finder
from harness.memmap.struct_layout import Layout, structure
from harness.record.record import BASE
from harness.replay.cases import Case
from harness.replay.program.link import Program
from harness.replay.runner.runner import Call, Facts, Runner, Trapped

#: Pages that are decoded of one case; the count is told in full.
SHOWN = 3


class Unequal(msgspec.Struct, frozen=True):
    """One case on which a build did not do as base did.

    `what` is one line; `pages` the first differing struct pages of `nr_differing`.
    """

    build: str
    case: Case
    what: str
    nr_differing: int = 0
    pages: tuple[Difference, ...] = ()


class CaseComparison(msgspec.Struct, frozen=True):
    """A whole comparison: how many cases on each build, and the first that came out unequal."""

    cases: int
    unequal: tuple[Unequal, ...]

    def equal(self, build: str) -> bool:
        """Whether a build did as base did, in every case."""
        return all(found.build != build for found in self.unequal)


def compare(
    driver: Runner,
    programs: Mapping[str, Program],
    cases: Sequence[Case],
    listen: Listener = silent,
) -> CaseComparison:
    """Run all cases on every program; `programs` holds `base` and the builds to compare with it.

    Each build's first unequal case is looked at in detail. Raises Trapped only for base itself:
    a build that does what no healthy run does is unequal.
    """
    listen(Began(f"compare {len(programs) - 1} builds with base on {len(cases)} cases"))
    base = programs[BASE]
    facts = driver(base, []).facts
    cases = [msgspec.structs.replace(c, nid=c.nid % facts.max_nodes) for c in cases]
    lines = [case.line(soil=1, digest=1) for case in cases]
    expected = driver(base, lines).ran
    found = []
    others = [build for build in programs if build != BASE]
    for number, build in enumerate(others):
        listen(Advanced(number, len(others), build))
        unequal = _first(driver, programs, build, cases, lines, expected)
        if unequal is not None:
            found.append(unequal)
    listen(Ended(f"{len(cases)} cases on {len(others)} builds, {len(found)} builds differ"))
    return CaseComparison(len(cases), tuple(found))


def _first(
    driver: Runner,
    programs: Mapping[str, Program],
    build: str,
    cases: Sequence[Case],
    lines: Sequence[str],
    expected: Sequence[Call],
) -> Unequal | None:
    try:
        got = driver(programs[build], lines).ran
    except Trapped as trap:
        return _trapped(build, cases, trap)
    for number, (case, ours, theirs) in enumerate(zip(cases, expected, got, strict=True), 1):
        if ours.digest != theirs.digest:
            return _decoded(driver, programs, build, cases[:number])
        told = _told(ours, theirs)
        if told:
            return Unequal(build, case, told)
    return None


def _trapped(build: str, cases: Sequence[Case], trap: Trapped) -> Unequal:
    if not 1 <= trap.line <= len(cases):
        raise trap
    return Unequal(build, cases[trap.line - 1], trap.what)


def _told(base: Call, build: Call) -> str:
    """Say what the rest of the kernel was told otherwise, or nothing."""
    if base.pageblocks != build.pageblocks:
        return (
            f"pageblocks initialized: {_ranges(build)}; base initializes {_ranges(base)} "
            "(first pfn, one past the last, migratetype, isolate)"
        )
    if base.page_ref != build.page_ref:
        ours, theirs = base.page_ref, build.page_ref
        return (
            f"page_ref_set: {theirs.events} events on {theirs.pages} pages, pfn {theirs.first} to "
            f"{theirs.last}; base gives {ours.events} on {ours.pages}, {ours.first} to {ours.last}"
        )
    return ""


def _ranges(ran: Call) -> str:
    shown = ", ".join(str(r) for r in ran.pageblocks[:SHOWN])
    return shown + (f" and {len(ran.pageblocks) - SHOWN} more" if ran.pageblocks[SHOWN:] else "")


def _decoded(
    driver: Runner, programs: Mapping[str, Program], build: str, cases: Sequence[Case]
) -> Unequal:
    """Run the cases again on base and build and name what differs in the last one's memmaps.

    All of them, since what is wrong may be what an earlier call left behind.
    """
    *before, case = cases
    lines = [earlier.line(soil=1) for earlier in before]
    with tempfile.TemporaryDirectory() as name:
        images = []
        for which in (BASE, build):
            path = Path(name) / f"{which}.img"
            answers = driver(programs[which], [*lines, case.line(soil=1, image=str(path))])
            images.append(np.fromfile(path, dtype=np.uint8))
        return _named(build, case, images, answers.ran[-1].before, answers.facts, programs[BASE])


def _named(
    build: str, case: Case, images: Sequence[Bytes], before: int, facts: Facts, base: Program
) -> Unequal:
    """Where images lie whole pages apart: numbers count from the case's first struct page."""
    size = facts.page_struct_size
    skip = before % size
    ours, theirs = (image[skip : skip + (len(image) - skip) // size * size] for image in images)
    pages = differing(ours, theirs, size)
    if not len(pages):
        raise HarnessError(
            "a digest differed, the images do not",
            where=f"{build}, {case}",
            expected="both or none",
        )
    page, folio = layouts(base)
    find = finder(page, folio, case.shift, case.nr - case.nr_pages)
    shown = tuple(
        describe(
            int(at) - before // size,
            ours[at * size : (at + 1) * size],
            theirs[at * size : (at + 1) * size],
            find,
        )
        for at in pages[:SHOWN]
    )
    first = shown[0]
    place = _place(first.page, case)
    count = "1 struct page differs" if len(pages) == 1 else f"{len(pages)} struct pages differ"
    what = f"{count}, the first {place}: {', '.join(first.fields)}"
    return Unequal(build, case, what, len(pages), shown)


def _place(page: int, case: Case) -> str:
    """Say where a page lies that is numbered from the start of the range."""
    skipped = case.nr - case.nr_pages
    if page < skipped:
        return f"{skipped - page} before the range"
    if page >= case.nr:
        return f"{page - case.nr} past the end of the range"
    return f"number {page - skipped}"


def layouts(program: Program) -> tuple[Layout, Layout]:
    """Return struct page and struct folio as the program's kernel side was compiled with them."""
    try:
        return structure(program.shim, "page"), structure(program.shim, "folio")
    except ValueError as error:
        raise HarnessError(f"no layout of struct page: {error}") from error
