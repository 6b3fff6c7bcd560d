# SPDX-License-Identifier: GPL-2.0-only
"""Compares builds with base case by case: struct pages, and calls to the rest of the kernel.

Compares digests first. Only if they differ are both memmaps written out and decoded.
"""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np

from harness.errors import HarnessError
from harness.events import Advanced, Began, Ended, Listener, silent
from harness.host.units import count
from harness.memmap.compare import Difference, describe, differing
from harness.memmap.decode import Bytes, Decoder, FlagsLayout, Words, flags_layout
from harness.memmap.struct_layout import Layout, enumerators, structure
from harness.record.record import BASE
from harness.replay.program.link import Program
from harness.replay.runner.runner import ROOM, VMEMMAP, Answers, Call, Runner, Trapped
from harness.workloads.replay import Case

#: Pages of a case that are decoded; all are counted.
SHOWN = 3


class Unequal(msgspec.Struct, frozen=True):
    """A case on which a build differs from base.

    `what` is one line; `pages` the first of `nr_differing` struct pages that differ.
    """

    build: str
    case: Case
    what: str
    nr_differing: int = 0
    pages: tuple[Difference, ...] = ()


class CaseComparison(msgspec.Struct, frozen=True):
    """The number of cases, and the first unequal case of each build that differs."""

    cases: int
    unequal: tuple[Unequal, ...]

    def equal(self, build: str) -> bool:
        """Return whether a build equals base on every case."""
        return all(found.build != build for found in self.unequal)


def compare(
    runner: Runner,
    programs: Mapping[str, Program],
    cases: Sequence[Case],
    listen: Listener = silent,
) -> CaseComparison:
    """Run all cases on every program; `programs` holds `base` and the builds to compare with it.

    Decodes the first unequal case of each build. A build whose program stops itself is unequal;
    raises Trapped only for base.
    """
    listen(
        Began(
            f"compare {count(len(programs) - 1, 'build')} with base on {count(len(cases), 'case')}"
        )
    )
    base = programs[BASE]
    facts = runner(base, []).facts
    cases = [case.on_nodes(facts.max_nodes) for case in cases]
    lines = [case.line(soil=1, digest=1) for case in cases]
    expected = runner(base, lines).ran
    found = []
    others = [build for build in programs if build != BASE]
    for number, build in enumerate(others):
        listen(Advanced(number, len(others), build))
        unequal = _first(runner, programs, build, cases, lines, expected)
        if unequal is not None:
            found.append(unequal)
    text = f"{count(len(cases), 'case')} on {count(len(others), 'build')}"
    listen(Ended(f"{text}: {len(found)} with a difference"))
    return CaseComparison(len(cases), tuple(found))


def _first(
    runner: Runner,
    programs: Mapping[str, Program],
    build: str,
    cases: Sequence[Case],
    lines: Sequence[str],
    expected: Sequence[Call],
) -> Unequal | None:
    try:
        got = runner(programs[build], lines).ran
    except Trapped as trap:
        return _trapped(build, cases, trap)
    for number, (case, ours, theirs) in enumerate(zip(cases, expected, got, strict=True), 1):
        if ours.digest != theirs.digest:
            return _decoded(runner, programs, build, cases[:number])
        what = runner.replay.seen_differs(ours.seen, theirs.seen)
        if what:
            return Unequal(build, case, what)
    return None


def _trapped(build: str, cases: Sequence[Case], trap: Trapped) -> Unequal:
    if not 1 <= trap.line <= len(cases):
        raise trap
    return Unequal(build, cases[trap.line - 1], trap.what)


def _decoded(
    runner: Runner, programs: Mapping[str, Program], build: str, cases: Sequence[Case]
) -> Unequal:
    """Run the cases again on base and build and name what differs in the last case's memmaps.

    All cases, because an earlier call may have caused the difference.
    """
    *before, case = cases
    lines = [earlier.line(soil=1) for earlier in before]
    with tempfile.TemporaryDirectory() as name:
        images = []
        for which in (BASE, build):
            path = Path(name) / f"{which}.img"
            answers = runner(programs[which], [*lines, case.line(soil=1, image=str(path))])
            images.append(np.fromfile(path, dtype=np.uint8))
        return _named(build, case, images, answers, programs[BASE], room=runner.replay.room)


def _named(
    build: str, case: Case, images: Sequence[Bytes], answers: Answers, base: Program, *, room: str
) -> Unequal:
    """Decode the images; page numbers count from the case's first struct page."""
    before, size = answers.ran[-1].before, answers.facts.page_struct_size
    skip = before % size
    ours, theirs = (image[skip : skip + (len(image) - skip) // size * size] for image in images)
    pages = differing(ours, theirs, size)
    if not len(pages):
        raise HarnessError(
            "digests differ, but the memmaps do not",
            where=f"{build}, {case}",
            expected="both equal or both different",
        )
    decode = decoder(
        base,
        case.shift,
        case.nr - case.nr_pages,
        words=lambda value: room if value == ROOM else _pfn(value, case, size),
    )
    soil = _soil(skip, len(ours)).reshape(-1, size)
    shown = tuple(
        describe(
            int(at) - before // size,
            ours[at * size : (at + 1) * size],
            theirs[at * size : (at + 1) * size],
            decode,
            soil[at],
        )
        for at in pages[:SHOWN]
    )
    first = shown[0]
    place = _place(first.page, case)
    count = "1 struct page differs" if len(pages) == 1 else f"{len(pages)} struct pages differ"
    what = f"{count}, the first is {place}: {'; '.join(first.fields)}"
    return Unequal(build, case, what, len(pages), shown)


def _place(page: int, case: Case) -> str:
    """Describe the place of a page relative to the range that is initialized."""
    pfn = f"pfn {case.start + page:#x}"
    skipped = case.nr - case.nr_pages
    if page < skipped:
        return f"{pfn}, {skipped - page} before the range"
    if page >= case.nr:
        return f"{pfn}, {page - case.nr} past the end of the range"
    number = page - skipped
    if not case.shift:
        return f"{pfn}, page {number} of the range"
    tail = number % (1 << case.shift)
    head = f"the compound page at pfn {case.start + page - tail:#x}"
    return f"{pfn}, {f'tail {tail}' if tail else 'head'} of {head}"


def _soil(skip: int, nr_bytes: int) -> Bytes:
    """Return what arena_soil() of shim/arena.c leaves, from `skip` bytes on."""
    numbers = np.arange(1, (skip + nr_bytes) // 8 + 2, dtype=np.uint64)
    soil = (numbers * np.uint64(0x9E3779B97F4A7C15)).view(np.uint8)
    return soil[skip : skip + nr_bytes]


def _pfn(value: int, case: Case, size: int) -> str:
    """Return the pfn of the struct page that a word points to; "" if it points to none."""
    number, rest = divmod(value - VMEMMAP, size)
    if 0 <= number < case.start + case.nr + (1 << 20):
        return f"pfn {number:#x}" + (f" + {rest} bytes" if rest else "")
    return ""


def decoder(program: Program, order: int, first: int = 0, *, words: Words) -> Decoder:
    """Return the decoder of struct pages, with the layouts of the shim's kernel side."""
    return Decoder(*layouts(program), order, first, flags(program), words)


def flags(program: Program) -> FlagsLayout:
    """Return what page->flags holds where."""
    return flags_layout(
        enumerators(program.shim, "replay_flags"), enumerators(program.shim, "pageflags")
    )


def layouts(program: Program) -> tuple[Layout, Layout]:
    """Return the layouts of struct page and struct folio in the shim's kernel side."""
    try:
        return structure(program.shim, "page"), structure(program.shim, "folio")
    except ValueError as error:
        raise HarnessError(f"no layout of struct page: {error}") from error
