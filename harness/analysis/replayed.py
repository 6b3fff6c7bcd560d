# SPDX-License-Identifier: GPL-2.0-only
"""A replay's passes as rows: what each prefix costs, beside base and beside the memory's limit.

Times are CPU time. Of a process the fastest pass counts: what disturbs a pass can only add to it.
Over the rounds the median is shown, and the ratio comes from pairs within a round.
"""

import statistics
from collections.abc import Sequence

import msgspec

from harness.analysis.stats import Ratio, ratio
from harness.model.record import Pass, RunRecord

LIMIT = "limit"
NON_TEMPORAL = ("movnti", "movntdq", "vmovntdq-512")


class Cost(msgspec.Struct, frozen=True):
    """One side and kind. `limit_share` is of what the memory takes; times without page faults.

    `first_ms` is the mean of the first passes, which fault the memory in, where there are any.
    """

    ns_per_page: float
    gb_per_s: float
    ms: float
    first_ms: float | None
    ratio: float
    ratio_low: float | None
    ratio_high: float | None
    equal_memmap: bool | None
    limit_share: float | None


class Row(msgspec.Struct, frozen=True):
    """One side, by kind."""

    side: str
    prefix: int
    kinds: dict[str, Cost]


class Filling(msgspec.Struct, frozen=True):
    """One way to fill the same memory."""

    how: str
    gb_per_s: float
    non_temporal: bool


def rows(record: RunRecord) -> tuple[Row, ...]:
    """Return one row a side, in the record's order, for all kinds that both it and base have."""
    kinds = sorted({p.kind for p in record.passes if p.side != LIMIT})
    limit = max((f.gb_per_s for f in fillings(record) if f.non_temporal), default=None)
    base = record.sides[0].name
    found = []
    for side in record.sides:
        costs = {
            kind: cost
            for kind in kinds
            if (cost := _cost(record, side.name, base, kind, limit)) is not None
        }
        found.append(Row(side.name, side.prefix, costs))
    return tuple(found)


class Null(msgspec.Struct, frozen=True):
    """What noise alone made of one kind: in how many tries the interval held 1, how wide it was."""

    tries: int
    held: int
    median_width: float


def null(record: RunRecord, tries: int) -> dict[str, Null]:
    """Judge a run of base against itself, its rounds dealt out into `tries` of equal length.

    Raises ValueError where there are too few rounds for any interval.
    """
    base, again = (side.name for side in record.sides)
    each = record.setup.boots // tries
    found = {}
    for kind in sorted({p.kind for p in record.passes if p.side != LIMIT}):
        times = {
            side: fastest([p for p in record.passes if p.side == side and p.kind == kind])
            for side in (base, again)
        }
        held, widths = 0, []
        for n in range(tries):
            rounds = range(n * each, (n + 1) * each)
            part = [{r: times[side][r] for r in rounds} for side in (base, again)]
            result = paired(*part)
            if result.low is None or result.high is None:
                raise ValueError(f"{each} rounds a try say nothing of an interval")
            held += result.low <= 1 <= result.high
            widths.append(result.high - result.low)
        found[kind] = Null(tries, held, statistics.median(widths))
    return found


def fillings(record: RunRecord) -> tuple[Filling, ...]:
    """Return what the memory takes by each way of filling it, fastest first."""
    passes = [p for p in record.passes if p.side == LIMIT]
    found = []
    for how in dict.fromkeys(p.kind for p in passes):
        ours = [p for p in passes if p.kind == how]
        rate = ours[0].nr_bytes / statistics.median(fastest(ours).values())
        found.append(Filling(how, rate, how in NON_TEMPORAL))
    return tuple(sorted(found, key=lambda f: -f.gb_per_s))


def fastest(passes: Sequence[Pass]) -> dict[int, int]:
    """Return each round's fastest pass in ns of CPU time, first passes left out."""
    found: dict[int, int] = {}
    for p in passes:
        if p.index > 0:
            found[p.round] = min(p.cpu_ns, found.get(p.round, p.cpu_ns))
    return found


def paired(base: dict[int, int], side: dict[int, int]) -> Ratio:
    """Return the ratio over the rounds that both have. Raises ValueError where there are none."""
    shared = sorted(base.keys() & side.keys())
    return ratio([base[r] for r in shared], [side[r] for r in shared])


def _cost(record: RunRecord, side: str, base: str, kind: str, limit: float | None) -> Cost | None:
    ours = [p for p in record.passes if p.side == side and p.kind == kind]
    theirs = [p for p in record.passes if p.side == base and p.kind == kind]
    times, beside = fastest(ours), fastest(theirs)
    if not times.keys() & beside.keys():
        return None
    middle = statistics.median(times.values())
    first = [p.cpu_ns for p in ours if p.index == 0]
    rate = ours[0].nr_bytes / middle
    found = paired(beside, times)
    return Cost(
        ns_per_page=middle / ours[0].nr_pages,
        gb_per_s=rate,
        ms=middle / 1e6,
        first_ms=statistics.fmean(first) / 1e6 if first else None,
        ratio=found.value,
        ratio_low=found.low,
        ratio_high=found.high,
        equal_memmap=_equal(record, side, ours, theirs),
        limit_share=None if limit is None else rate / limit,
    )


def _equal(
    record: RunRecord, side: str, ours: Sequence[Pass], theirs: Sequence[Pass]
) -> bool | None:
    """Whether cases and full-size digests are as base's; None where nothing was compared."""
    compared = [c.equal for c in record.comparisons if c.side == side]
    expected = {p.digest for p in theirs if p.digest}
    compared += [p.digest in expected for p in ours if p.digest]
    return all(compared) if compared else None
