# SPDX-License-Identifier: GPL-2.0-only
"""Cost ratio of each build to base with its 95 % interval, per driver (boots) or order (replay).

Pure: a table in, effects out.
"""

from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from harness.judge.ratios.passes import paired
from harness.judge.stats.ratio import Ratio, of_look, rank_test, ratio, unpaired, widened
from harness.judge.tabulate import OPS, BootTable, CostUnit, Op, ReplayTable, RunTable, Units
from harness.record.metric import Better, Metric, gain_percent, gained
from harness.record.record import BootRun, Build, RunRecord

PAIRED = "trimmed mean of the logarithms of {n}pairs, one per round, with its t interval"
BY_SLICES = f"{PAIRED}; a round's is the median of its slices'"
APART = "mean of the logarithms, with Welch's t interval"
ALONE = "{n} {unit}(s) per build: too few for an interval"
COUNTED = "instructions counted, repeatable to the last digit"


class Gain(NamedTuple):
    """How much better a build is than base: an interval in percent of base's cost."""

    low: float
    high: float

    def overlaps(self, other: "Gain") -> bool:
        """Return whether the intervals have a value in common."""
        return self.low <= other.high and other.low <= self.high


class Effect(msgspec.Struct, frozen=True):
    """The cost of one build relative to base.

    `kind` is a metric of boots, or the kind of a replay's passes; its passes after the first count
    as rebinds. Costs are medians over the units, in ns per binding or instructions per struct page.
    Costs of slices, which run on smaller namespaces, are scaled to the whole one. `ratio` is the
    build's cost over base's; `low` and `high` bound it with 95 % confidence, None where there are
    too few units. `p_value` is None where no rank test could reach the threshold. `method` and
    `rank` say how each was computed, or why not.
    """

    kind: str
    op: Op
    build: str
    prefix: int
    cost_unit: CostUnit
    unit: Literal["boot", "process"]
    n_base: int
    n_build: int
    base_cost: float
    build_cost: float
    ratio: float
    low: float | None
    high: float | None
    p_value: float | None
    method: str
    rank: str
    #: JSON has `better` only where it is `higher`.
    higher: Literal["higher"] | UnsetType = msgspec.field(default=UNSET, name="better")

    @property
    def better(self) -> Better:
        """Which cost is better."""
        return "lower" if isinstance(self.higher, UnsetType) else self.higher

    @property
    def gain_percent(self) -> float:
        """How much better the build is, in percent of base's cost."""
        return gain_percent(self.ratio, self.better)

    @property
    def gained(self) -> str:
        """What a gain is: a reduction, or an increase."""
        return gained(self.better)

    @property
    def gain(self) -> Gain | None:
        """The interval of the gain; None if a bound of the ratio is missing."""
        if self.low is None or self.high is None:
            return None
        bounds = (gain_percent(self.low, self.better), gain_percent(self.high, self.better))
        return Gain(min(bounds), max(bounds))

    @property
    def differs(self) -> bool:
        """Whether the interval excludes 1. Without an interval it does not."""
        return self.low is not None and self.high is not None and not self.low <= 1 <= self.high


def effects(table: RunTable) -> tuple[Effect, ...]:
    """Return the effects of all builds but base, in the order of builds, kinds, rebinds first."""
    base, *others = table.record.builds
    return tuple(
        effect
        for build in others
        for kind in table.kinds
        for effect in (*_timed(table, base, build, kind), *_counted(table, base, build, kind))
    )


def metric(record: RunRecord, kind: str) -> Metric:
    """Return unit and direction of what a run measured; a replay's kinds are times."""
    return record.setup.metric(kind) if isinstance(record, BootRun) else Metric(kind)


def clock(record: RunRecord, kind: str) -> CostUnit:
    """Return the unit of a run's own figures of a metric or kind."""
    unit = metric(record, kind).unit
    return "instructions" if record.evidence == "boot-icount" and unit == "ns" else unit


def _timed(table: RunTable, base: Build, build: Build, kind: str) -> Iterator[Effect]:
    pages = table.pages(kind, base.name, build.name) if isinstance(table, BootTable) else {1}
    if len(pages) != 1:
        return
    cost_unit = clock(table.record, kind)
    # With -icount shift=0 an instruction takes a nanosecond of the guest's time.
    # A metric without struct pages has its instructions as they were counted.
    scale = 1 / (pages.pop() or 1) if cost_unit == "instructions" else 1.0
    for op in OPS:
        theirs, ours = table.units[base.name, kind, op], table.units[build.name, kind, op]
        if not theirs.costs or not ours.costs or min(*theirs.values, *ours.values) <= 0:
            continue
        found, method = _ratio(table, theirs, ours, op, cost_unit)
        p_value, rank = rank_test(theirs.values, ours.values)
        yield Effect(
            kind=kind,
            op=op,
            build=build.name,
            prefix=build.prefix,
            cost_unit=cost_unit,
            unit="boot" if isinstance(table, BootTable) else "process",
            n_base=len(theirs.costs),
            n_build=len(ours.costs),
            base_cost=theirs.median * scale,
            build_cost=ours.median * scale,
            ratio=found.value,
            low=found.low,
            high=found.high,
            p_value=p_value,
            method=method,
            rank=rank,
            higher="higher" if metric(table.record, kind).better == "higher" else UNSET,
        )


def _ratio(
    table: RunTable, base: Units, build: Units, op: Op, cost_unit: CostUnit
) -> tuple[Ratio, str]:
    if cost_unit == "instructions":
        value = build.median / base.median
        exact = Ratio(value, value, value)
        return widened(exact, base.step / base.median, build.step / build.median), COUNTED
    looks = table.record.setup.looks if isinstance(table.record, BootRun) else 0
    confidence = of_look(looks)
    rounds = sorted(base.costs.keys() & build.costs.keys())
    # A replay's process begins with a random kind, so first passes do not pair.
    if (isinstance(table, ReplayTable) and op == "first") or not rounds:
        found = unpaired(base.values, build.values, confidence)
        method, few = APART, min(len(base.costs), len(build.costs))
    elif base.slices and build.slices:
        found = paired(base.slices, build.slices)
        several = any(len(slices) > 1 for slices in build.slices.values())
        method, few = (BY_SLICES if several else PAIRED).format(n=len(rounds)), len(rounds)
    else:
        costs = [[of.costs[r] for r in rounds] for of in (base, build)]
        found = ratio(costs[0], costs[1], confidence)
        method, few = PAIRED.format(n=len(rounds)), len(rounds)
    if found.low is None:
        unit = "boot" if isinstance(table, BootTable) else "process"
        return found, ALONE.format(n=few, unit=unit)
    if looks:
        method += f", corrected for {looks} look(s) at it"
    # A reading is off by less than a step, and on average by half of one.
    return widened(found, base.step / 2 / base.median, build.step / 2 / build.median), method


def _counted(table: RunTable, base: Build, build: Build, kind: str) -> Iterator[Effect]:
    if isinstance(table.record, BootRun):
        return
    counts = table.record.counts
    found: Mapping[str, float] = {c.build: c.per_page for c in counts if c.kind == kind}
    if min(found.get(base.name, 0), found.get(build.name, 0)) <= 0:
        return
    value = found[build.name] / found[base.name]
    yield Effect(
        kind=kind,
        op="rebind",
        build=build.name,
        prefix=build.prefix,
        cost_unit="instructions",
        unit="process",
        n_base=1,
        n_build=1,
        base_cost=found[base.name],
        build_cost=found[build.name],
        ratio=value,
        low=value,
        high=value,
        p_value=None,
        method=COUNTED,
        rank="no rank test: a count has no spread",
    )
