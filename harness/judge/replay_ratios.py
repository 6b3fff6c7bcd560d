# SPDX-License-Identifier: GPL-2.0-only
"""A replay's passes as rows: what each prefix costs, beside base and beside the memory's limit.

Times are CPU time. Of a turn the fastest pass counts: what disturbs a pass can only add to it. A
process costs the median of its turns, and its ratio is the median of those to base's turns beside
them: on a machine where six compilers ran, base against itself then varied by 4 % from round to
round, and by 6 % where medians, quartiles or fastest passes of whole processes were compared. Over
the rounds the median is shown. Where the builds took turns, these alone make ratios and costs a
page; the milliseconds are those of a call on the whole namespace. Records from before there were
turns have one a process.
"""

import math
import random
import statistics
from collections.abc import Mapping, Sequence

import msgspec

from harness.judge.stats.ratio import CONFIDENCE, Ratio, ratio
from harness.record.record import LIMIT, NON_TEMPORAL, Pass, ReplayRun

#: Costs of one build and kind in ns of CPU time, by round and by turn within it.
Turns = Mapping[int, Mapping[int, int]]
#: How often an interval must hold the truth, and how improbable a count of those that do must be,
#: if they cover that much, to prove that they do not. Without a limit like this one, "95 of 100"
#: fails in 4 of 10 runs with nothing wrong. Tries that share rounds fail somewhat more often than
#: the level says: 5 of 1000 runs, simulated for 100 tries of 14 out of 200 rounds.
COVERAGE, LEVEL = 0.95, 0.001


class ReplayCost(msgspec.Struct, frozen=True):
    """One build and kind. `limit_share` is of what the memory takes; times without page faults.

    `ms` is a call on the whole namespace; `first_ms` the mean of the first such calls, which fault
    the memory in, where there are any.
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


class ReplayRow(msgspec.Struct, frozen=True):
    """One build, by kind."""

    build: str
    prefix: int
    kinds: dict[str, ReplayCost]


class Filling(msgspec.Struct, frozen=True):
    """One way to fill the same memory."""

    how: str
    gb_per_s: float
    non_temporal: bool


def rows(record: ReplayRun) -> tuple[ReplayRow, ...]:
    """Return one row a build, in the record's order, for all kinds that both it and base have."""
    kinds = sorted({p.kind for p in record.passes if p.build != LIMIT})
    limit = max((f.gb_per_s for f in fillings(record) if f.non_temporal), default=None)
    base = record.builds[0].name
    found = []
    for build in record.builds:
        costs = {
            kind: cost
            for kind in kinds
            if (cost := _cost(record, build.name, base, kind, limit)) is not None
        }
        found.append(ReplayRow(build.name, build.prefix, costs))
    return tuple(found)


class Null(msgspec.Struct, frozen=True):
    """What noise alone made of one kind: in how many tries the interval held 1, how wide it was.

    Where fewer than `fewest` held, the interval does not cover what it says.
    """

    tries: int
    rounds: int
    held: int
    median_width: float
    fewest: int

    @property
    def ok(self) -> bool:
        """Whether enough tries held."""
        return self.held >= self.fewest


def fewest_held(tries: int) -> int:
    """Return the least count of intervals that hold the truth whose probability reaches LEVEL.

    The probability is that of so few or fewer, one-sided and binomial, at a true COVERAGE.
    """
    from scipy.stats import binom  # takes longer to import than the rest of the program

    return int(binom.ppf(LEVEL, tries, COVERAGE))


def null(record: ReplayRun, tries: int, each: int, seed: int) -> dict[str, Null]:
    """Judge a run of base against itself `tries` times, `each` time by that many of its rounds.

    Each round is used once where there are enough of them, else each try draws its own by lot.
    Raises ValueError where there are too few rounds for any interval.
    """
    base, again = (build.name for build in record.builds)
    found = {}
    for kind in sorted({p.kind for p in record.passes if p.build != LIMIT}):
        times = {
            build: by_turn([p for p in record.passes if p.build == build and p.kind == kind])
            for build in (base, again)
        }
        rounds_of = dealt(sorted(times[base]), tries, each, seed)
        held, widths = 0, []
        for rounds in rounds_of:
            ours, theirs = ({r: times[build][r] for r in rounds} for build in (base, again))
            result = paired(ours, theirs)
            if result.low is None or result.high is None:
                raise ValueError(f"{each} rounds a try say nothing of an interval")
            held += result.low <= 1 <= result.high
            widths.append(result.high - result.low)
        width = statistics.median(widths)
        found[kind] = Null(tries, len(times[base]), held, width, fewest_held(tries))
    return found


def dealt(rounds: Sequence[int], tries: int, each: int, seed: int) -> list[list[int]]:
    """Deal rounds out in their order, `each` to a try, or where there are too few, draw them.

    No try has a round twice. Raises ValueError where there are not even enough for one.
    """
    if len(rounds) < each:
        raise ValueError(f"{len(rounds)} rounds are not enough for a try of {each}")
    if len(rounds) >= tries * each:
        return [list(rounds[n * each : (n + 1) * each]) for n in range(tries)]
    lot = random.Random(seed)  # noqa: S311 (repeatable, no secret)
    return [lot.sample(rounds, each) for _ in range(tries)]


def fillings(record: ReplayRun) -> tuple[Filling, ...]:
    """Return what the memory takes by each way of filling it, fastest first."""
    passes = [p for p in record.passes if p.build == LIMIT]
    found = []
    for how in dict.fromkeys(p.kind for p in passes):
        ours = [p for p in passes if p.kind == how]
        rate = ours[0].nr_bytes / statistics.median(by_round(by_turn(ours)).values())
        found.append(Filling(how, rate, how in NON_TEMPORAL))
    return tuple(sorted(found, key=lambda f: -f.gb_per_s))


def compared(passes: Sequence[Pass]) -> Sequence[Pass]:
    """Return those that were made to be compared: in turns, or where there are none, all."""
    return [p for p in passes if p.turn is not None] or passes


def counting(passes: Sequence[Pass]) -> list[Pass]:
    """Return those whose times count: of them neither those that settle nor a process's first."""
    return [p for p in compared(passes) if p.index > 0 and not p.settles]


def by_turn(passes: Sequence[Pass]) -> Turns:
    """Return what a pass of one build and kind costs in each round's turns."""
    found: dict[int, dict[int, int]] = {}
    for p in counting(passes):
        turns = found.setdefault(p.round, {})
        turn = p.turn or 0
        turns[turn] = min(p.cpu_ns, turns.get(turn, p.cpu_ns))
    return found


def by_round(turns: Turns) -> dict[int, float]:
    """Return what a pass costs in each round."""
    return {number: statistics.median(costs.values()) for number, costs in turns.items()}


def firsts(passes: Sequence[Pass]) -> dict[int, int]:
    """Return the first passes, which fault the memory in, in ns of CPU time by process."""
    return {p.process: p.cpu_ns for p in compared(passes) if p.index == 0}


def of_namespace(record: ReplayRun, p: Pass) -> float:
    """Return by what a pass's time goes into that of the whole namespace, which has more pages."""
    return record.setup.nr_pages.get(p.kind, p.nr_pages) / p.nr_pages


def paired(base: Turns, build: Turns, confidence: float = CONFIDENCE) -> Ratio:
    """Return the ratio over the rounds that both have. Raises ValueError where there are none."""
    found: list[tuple[float, float]] = []
    for number in sorted(base.keys() & build.keys()):
        ours, theirs = build[number], base[number]
        shared = sorted(ours.keys() & theirs.keys())
        if len(shared) == 1:
            found.append((theirs[shared[0]], ours[shared[0]]))
        elif shared:
            logs = [math.log(ours[turn] / theirs[turn]) for turn in shared]
            found.append((1.0, math.exp(statistics.median(logs))))
    return ratio([one for one, _ in found], [other for _, other in found], confidence)


def _cost(
    record: ReplayRun, build: str, base: str, kind: str, limit: float | None
) -> ReplayCost | None:
    ours = [p for p in record.passes if p.build == build and p.kind == kind]
    theirs = [p for p in record.passes if p.build == base and p.kind == kind]
    times, beside = by_turn(ours), by_turn(theirs)
    whole = [p for p in ours if p.turn is None]
    if not times.keys() & beside.keys() or not (alone := by_round(by_turn(whole))):
        return None
    middle = statistics.median(by_round(times).values())
    first = [p.cpu_ns for p in whole if p.index == 0]
    counted = counting(ours)[0]
    rate = counted.nr_bytes / middle
    found = paired(beside, times)
    return ReplayCost(
        ns_per_page=middle / counted.nr_pages,
        gb_per_s=rate,
        ms=statistics.median(alone.values()) / 1e6,
        first_ms=statistics.fmean(first) / 1e6 if first else None,
        ratio=found.value,
        ratio_low=found.low,
        ratio_high=found.high,
        equal_memmap=_equal(record, build, ours, theirs),
        limit_share=None if limit is None else rate / limit,
    )


def _equal(
    record: ReplayRun, build: str, ours: Sequence[Pass], theirs: Sequence[Pass]
) -> bool | None:
    """Whether cases and full-size digests are as base's; None where nothing was compared."""
    compared = [c.equal for c in record.comparisons if c.build == build]
    expected = {p.digest for p in theirs if p.digest}
    compared += [p.digest in expected for p in ours if p.digest]
    return all(compared) if compared else None
