# SPDX-License-Identifier: GPL-2.0-only
"""What each prefix costs in a replay, beside base and beside the memory's limit, as rows.

Pure: a table in, rows out. Where the builds ran in slices, ratios and costs per page come from the
slices alone; milliseconds are those of a call on the whole namespace.
"""

import random
import statistics
from collections.abc import Sequence

import msgspec

from harness.judge.ratios.passes import by_round, by_slice, counting, paired
from harness.judge.ratios.ratios import Effect
from harness.judge.stats.ratio import FEWEST, Ratio
from harness.judge.tabulate import ReplayTable, of_passes
from harness.memmap.compare import CASES, Verified
from harness.record.record import LIMIT, NON_TEMPORAL, Build, ReplayRun

#: The coverage that an interval must have, and the p-value below which a count of intervals that
#: hold the truth disproves it. A limit of "95 of 100" would fail in 4 of 10 runs with nothing
#: wrong. Trials that share rounds fail a little more often than the level: in 5 of 1000 simulated
#: runs of 100 trials of 14 out of 200 rounds.
COVERAGE, LEVEL = 0.95, 0.001


class ReplayCost(msgspec.Struct, frozen=True):
    """The cost of one build and kind, without page faults.

    `ms` is a call on the whole namespace; `first_ms` the mean of the first such calls, which fault
    the memory in. `limit_share` is relative to the fastest way to fill the memory past the cache.
    """

    ns_per_page: float
    gb_per_s: float
    ms: float
    first_ms: float | None
    ratio: float
    ratio_low: float | None
    ratio_high: float | None
    equal_memmap: bool | None = None
    limit_share: float | None = None


class ReplayRow(msgspec.Struct, frozen=True):
    """The costs of one build, by kind."""

    build: str
    prefix: int
    kinds: dict[str, ReplayCost]


class Filling(msgspec.Struct, frozen=True):
    """One way to fill the same memory."""

    how: str
    gb_per_s: float
    non_temporal: bool


def rows(
    table: ReplayTable, effects: Sequence[Effect], memmaps: Sequence[Verified]
) -> tuple[ReplayRow, ...]:
    """Return one row per build, in the record's order, for all kinds that both it and base have.

    `effects` and `memmaps` are the run's.
    """
    limit = max((f.gb_per_s for f in fillings(table) if f.non_temporal), default=None)
    ratios = {(e.build, e.kind): e for e in effects if (e.op, e.cost_unit) == ("rebind", "ns")}
    found = []
    for build in table.record.builds:
        costs = {
            kind: cost
            for kind in table.kinds
            if (cost := _cost(table, build, kind, ratios.get((build.name, kind)))) is not None
        }
        costs = {
            kind: msgspec.structs.replace(
                cost,
                equal_memmap=_equal(table, memmaps, build, kind),
                limit_share=None if limit is None else cost.gb_per_s / limit,
            )
            for kind, cost in costs.items()
        }
        found.append(ReplayRow(build.name, build.prefix, costs))
    return tuple(found)


class Null(msgspec.Struct, frozen=True):
    """Trials of base against itself for one kind: in how many the interval held 1, and its width.

    If fewer than `fewest` held, the interval does not have the coverage that it claims.
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
    """Return the least number of intervals that must hold the truth for COVERAGE to be credible.

    Fewer have a binomial, one-sided probability below LEVEL.
    """
    from scipy.stats import binom  # takes longer to import than the rest of the program

    return int(binom.ppf(LEVEL, tries, COVERAGE))


def null(record: ReplayRun, tries: int, each: int, seed: int) -> dict[str, Null]:
    """Judge a run of base against itself `tries` times, `each` time by that many of its rounds.

    Each round is used once if there are enough, else each try takes its own at random. Raises
    ValueError where there are too few rounds for any interval.
    """
    base, again = (build.name for build in record.builds)
    table = of_passes(record)
    found = {}
    for kind in table.kinds:
        theirs, ours = (table.units[build, kind, "rebind"].slices for build in (base, again))
        held, widths = 0, []
        for rounds in dealt(sorted(theirs), tries, each, seed):
            result = paired({r: theirs[r] for r in rounds}, {r: ours[r] for r in rounds})
            if result.low is None or result.high is None:
                raise ValueError(f"{each} rounds per try are too few for an interval")
            held += result.low <= 1 <= result.high
            widths.append(result.high - result.low)
        width = statistics.median(widths)
        found[kind] = Null(tries, len(theirs), held, width, fewest_held(tries))
    return found


def dealt(rounds: Sequence[int], tries: int, each: int, seed: int) -> list[list[int]]:
    """Return `each` rounds per try: in their order, or at random (seeded) if there are too few.

    No try has a round twice. Raises ValueError if there are too few for one try.
    """
    if len(rounds) < each:
        raise ValueError(f"{len(rounds)} rounds are not enough for a try of {each}")
    if len(rounds) >= tries * each:
        return [list(rounds[n * each : (n + 1) * each]) for n in range(tries)]
    rng = random.Random(seed)  # noqa: S311 (repeatable, no secret)
    return [rng.sample(rounds, each) for _ in range(tries)]


def fillings(table: ReplayTable) -> tuple[Filling, ...]:
    """Return the rate of each way to fill the memory, fastest first."""
    found = []
    for (build, how), passes in table.passes.items():
        if build == LIMIT:
            rate = passes[0].nr_bytes / statistics.median(by_round(by_slice(passes)).values())
            found.append(Filling(how, rate, how in NON_TEMPORAL))
    return tuple(sorted(found, key=lambda f: -f.gb_per_s))


def _cost(table: ReplayTable, build: Build, kind: str, effect: Effect | None) -> ReplayCost | None:
    base = table.record.builds[0]
    passes = table.passes.get((build.name, kind), ())
    slices = table.units[build.name, kind, "rebind"].slices
    shared = slices.keys() & table.units[base.name, kind, "rebind"].slices.keys()
    whole = [p for p in passes if p.slice is None]
    if not shared or not (alone := by_round(by_slice(whole))):
        return None
    first = [p.cpu_ns for p in whole if p.index == 0]
    middle = statistics.median(by_round(slices).values())
    one = counting(passes)[0]
    bound = 1.0 if len(shared) >= FEWEST else None
    ratio = Ratio(1.0, bound, bound)  # of base to itself
    if effect is not None:
        ratio = Ratio(effect.ratio, effect.low, effect.high)
    return ReplayCost(
        ns_per_page=middle / one.nr_pages,
        gb_per_s=one.nr_bytes / middle,
        ms=statistics.median(alone.values()) / 1e6,
        first_ms=statistics.fmean(first) / 1e6 if first else None,
        ratio=ratio.value,
        ratio_low=ratio.low,
        ratio_high=ratio.high,
    )


def _equal(table: ReplayTable, memmaps: Sequence[Verified], build: Build, kind: str) -> bool | None:
    """Whether cases and full-size digests are equal to base's; None if nothing was compared."""
    if build is table.record.builds[0]:
        return any(p.digest for p in table.passes[build.name, kind]) or None
    found = [v.ok for v in memmaps if v.build == build.name and v.metric in (kind, CASES)]
    return all(found) if found else None
