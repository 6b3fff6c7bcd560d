# SPDX-License-Identifier: GPL-2.0-only
"""Compares memmaps page by page. Pure."""

from collections.abc import Callable, Iterator

import msgspec
import numpy as np
import numpy.typing as npt

from harness.memmap.decode import Bytes, Decoder
from harness.memmap.struct_pages import Runs
from harness.record.record import Boot, BootRun, Pass, ReplayRun, RunRecord

#: In place of a driver, for the comparison of a replay's cases.
CASES = "cases"
UNEQUAL = "its digest is not base's; `harness verify` names the pages that differ"
#: Runs of differing pages that are decoded; all are counted.
SHOWN = 3


class Difference(msgspec.Struct, frozen=True):
    """A page that differs: its number from the first struct page, and what differs.

    Each of `fields` is a line: a member, the build's value and base's. `base` and `tip` are the
    whole pages in hex. A number outside the memmap is a guard page's.
    """

    page: int
    fields: tuple[str, ...]
    base: str
    tip: str


def differing(base: Bytes, tip: Bytes, size: int) -> npt.NDArray[np.int64]:
    """Return the numbers of the struct pages that differ between two images."""
    pages = np.flatnonzero((base.reshape(-1, size) != tip.reshape(-1, size)).any(axis=1))
    return pages.astype(np.int64)


def describe(
    number: int, base: Bytes, tip: Bytes, decoder: Decoder, before: Bytes | None = None
) -> Difference:
    """Return what differs between two struct pages; `number` is their place in the memmap."""
    fields = decoder.differences(number, base, tip, before)
    return Difference(number, fields, base.tobytes().hex(), tip.tobytes().hex())


class Verified(msgspec.Struct, frozen=True):
    """A namespace of a boot compared with base's first boot: pages compared, and equal ones.

    `problem` says why they could not be compared. `first` are the first pages that differ, with
    pointers replaced (see struct_pages).
    """

    build: str
    number: int
    metric: str
    compared: int
    equal: int
    problem: str = ""
    first: tuple[Difference, ...] = ()

    @property
    def ok(self) -> bool:
        """Return whether pages were compared and all are equal."""
        return not self.problem and self.compared == self.equal > 0


def verify(
    record: BootRun, load: Callable[[str, int, str], Runs], decoder: Callable[[str], Decoder]
) -> tuple[Verified, ...]:
    """Compare every namespace of every boot with the same one of base's first boot.

    `load` returns the saved memmap of (build, number, driver), `decoder` the Decoder of a driver;
    both are called only if digests differ.
    """
    found = []
    for v in by_digest(record):
        first = _reference(record, v.metric)
        if v.problem == UNEQUAL and first is not None:
            theirs = load(first.build, first.number, v.metric)
            at = (v.build, v.number, v.metric)
            found.append(_unequal(at, theirs, load(*at), decoder(v.metric)))
        else:
            found.append(v)
    return tuple(found)


def by_digest(record: RunRecord) -> tuple[Verified, ...]:
    """Compare all memmaps by the record alone: by their digests.

    A replay has a result per digest of a full-size memmap, one per build and kind for all slices,
    and one per build for its cases.
    """
    if isinstance(record, ReplayRun):
        return (*_of_passes(record), *_of_cases(record))
    return tuple(v for metric in record.setup.nr_pages for v in _of_boots(record, metric))


def unequal(record: BootRun) -> str:
    """Return which boot left other struct pages than base's first boot, or unreadable ones."""
    base = record.builds[0].name
    for v in sorted(by_digest(record), key=lambda v: v.build != base):
        name = f"boot {v.number} of {v.build}: the struct pages of {v.metric}"
        if v.problem == UNEQUAL:
            return f"{name} differ from base's; `harness verify` names the first"
        if v.problem:
            return f"{name} cannot be compared: {v.problem}"
    return ""


def _reference(record: BootRun, metric: str) -> Boot | None:
    """Return base's first boot that left a memmap."""
    base = record.builds[0].name
    for boot in record.boots:
        if boot.build == base and any(m.metric == metric and not m.problem for m in boot.memmaps):
            return boot
    return None


def _of_boots(record: BootRun, metric: str) -> Iterator[Verified]:
    first = _reference(record, metric)
    memmaps = first.memmaps if first else ()
    expected = {(m.nr_pages, m.sha256) for m in memmaps if m.metric == metric}
    for boot in record.boots:
        for memmap in boot.memmaps:
            at = (boot.build, boot.number, metric)
            if memmap.metric != metric:
                continue
            if memmap.problem or not expected:
                problem = memmap.problem or "no boot of base left a memmap to compare with"
                yield Verified(*at, 0, 0, problem)
            elif (memmap.nr_pages, memmap.sha256) in expected:
                yield Verified(*at, memmap.nr_pages, memmap.nr_pages)
            else:
                yield Verified(*at, memmap.nr_pages, 0, UNEQUAL)


def _of_passes(record: ReplayRun) -> Iterator[Verified]:
    base = record.builds[0].name
    expected = {(p.kind, p.digest) for p in record.passes if p.build == base and p.digest}
    # One result for all slices: a run has hundreds.
    found: dict[tuple[str, str, int | None], list[Pass]] = {}
    for p in record.passes:
        if p.build != base and p.digest:
            process = p.process if p.slice is None else None
            found.setdefault((p.build, p.kind, process), []).append(p)
    for (build, kind, _), passes in found.items():
        compared = sum(p.nr_pages for p in passes)
        equal = sum(p.nr_pages for p in passes if (kind, p.digest) in expected)
        problem = "" if equal == compared else "its digest is not base's"
        yield Verified(build, passes[0].process, kind, compared, equal, problem)


def _of_cases(record: ReplayRun) -> Iterator[Verified]:
    for c in record.comparisons:
        problem = "" if c.equal else c.detail or "one differs"
        yield Verified(c.build, 0, CASES, c.cases, c.cases * c.equal, problem)


def _unequal(at: tuple[str, int, str], base: Runs, tip: Runs, decoder: Decoder) -> Verified:
    if base.nr_pages != tip.nr_pages:
        problem = f"{tip.nr_pages} struct pages, base has {base.nr_pages}"
        return Verified(*at, 0, 0, problem)
    ends = np.union1d(np.cumsum(base.lengths), np.cumsum(tip.lengths))
    starts = np.concatenate(([0], ends[:-1]))
    builds = [runs.which[np.searchsorted(np.cumsum(runs.lengths), ends)] for runs in (base, tip)]
    unequal = (base.pages[builds[0]] != tip.pages[builds[1]]).any(axis=1)
    first = tuple(
        describe(
            int(starts[n]),
            base.pages[builds[0][n]].view(np.uint8),
            tip.pages[builds[1][n]].view(np.uint8),
            decoder,
        )
        for n in np.flatnonzero(unequal)[:SHOWN]
    )
    differing_pages = int((ends - starts)[unequal].sum())
    return Verified(*at, base.nr_pages, base.nr_pages - differing_pages, "", first)
