# SPDX-License-Identifier: GPL-2.0-only
"""What each build costs of what base does: one ratio with its interval a driver, or a replay's
kind.

The unit of repetition is the boot or the replay's process, since what one of them got (where its
memory lies, whom it shares the machine with) holds for all its bindings. First bindings, which also
fault the memory in, are apart. Every unit that counts is used: none is left out for its value.
"""

import statistics
from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec

from harness.judge.replay_ratios import (
    Turns,
    by_round,
    by_turn,
    compared,
    firsts,
    of_namespace,
    paired,
)
from harness.judge.stats.ratio import Ratio, rank_test, ratio, unpaired, widened
from harness.judge.summary import counting, samples_of
from harness.record.record import LIMIT, BootRun, Build, ReplayRun, RunRecord

Op = Literal["first", "rebind"]
Metric = Literal["ns", "instructions"]
OPS: tuple[Op, ...] = ("rebind", "first")
PAIRED = "trimmed mean of the logarithms of {n} pairs, one a round, with its t interval"
BY_TURNS = f"{PAIRED}; a round's is the median of its turns'"
APART = "mean of the logarithms, with Welch's t interval"
ALONE = "{n} {unit}(s) a build: too few for an interval"
COUNTED = "instructions counted, repeatable to the last digit"


class Effect(msgspec.Struct, frozen=True):
    """One build's cost beside base's.

    `kind` is a driver (nd_pmem, dax_pmem) of a boot or a kind of pass (order0, order9) of a replay,
    whose passes after the first stand for rebinds. Costs are medians over the units, in the
    metric's own unit: ns a binding, or instructions a struct page. Where a replay's builds took
    turns on smaller namespaces, they are as if the whole one had cost as much a page. `ratio` is
    the build's cost over base's; `low` and `high` bound it with 95 % confidence, None where there
    are too few units to tell; `p_value` is None where no rank test could reach the threshold.
    `method` and `rank` say how each came about, or why not.
    """

    kind: str
    op: Op
    build: str
    prefix: int
    metric: Metric
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

    @property
    def reduction_percent(self) -> float:
        """What the build saves of base's cost, in percent."""
        return (1 - self.ratio) * 100

    @property
    def differs(self) -> bool:
        """Whether the interval leaves 1 out; without an interval nothing differs."""
        return self.low is not None and self.high is not None and not self.low <= 1 <= self.high


class Units(msgspec.Struct, frozen=True):
    """The costs of one build's units by number; equal numbers are of one round.

    `step` is what the clock's coarseness may make of one cost; `turns` what a replay's passes cost
    in each turn, which pair closer in time than whole units do.
    """

    costs: dict[int, float]
    step: float = 0.0
    turns: Turns = {}

    @property
    def middle(self) -> float:
        """The median cost."""
        return statistics.median(self.costs.values())


#: What every build's units cost, by build, kind and binding.
Costs = Mapping[tuple[str, str, Op], Units]


def effects(record: RunRecord, costs: Costs | None = None) -> tuple[Effect, ...]:
    """Return the effects of all builds but base, in the order of builds, kinds, rebinds first.

    `costs` are the record's own, from tabulate(), where they are at hand already.
    """
    base, *others = record.builds
    table = tabulate(record) if costs is None else costs
    return tuple(
        effect
        for build in others
        for kind in kinds(record)
        for effect in (
            *_timed(record, table, base, build, kind),
            *(_counted(record, base, build, kind) if isinstance(record, ReplayRun) else ()),
        )
    )


def tabulate(record: RunRecord) -> Costs:
    """Return the costs of all builds' units; empty where there is nothing that counts."""
    return {
        (build.name, kind, op): units(record, build.name, kind, op)
        for build in record.builds
        for kind in kinds(record)
        for op in OPS
    }


def clock(record: RunRecord) -> Metric:
    """Return what the run's own clock counts."""
    return "instructions" if record.evidence == "boot-icount" else "ns"


def kinds(record: RunRecord) -> tuple[str, ...]:
    """Return what a run has figures of: the guest's drivers, or a replay's kinds of pass."""
    if isinstance(record, BootRun):
        return tuple(record.setup.nr_pages)
    found = {p.kind for p in record.passes if p.build != LIMIT} | {c.kind for c in record.counts}
    return tuple(sorted(found))


def units(record: RunRecord, build: str, kind: str, op: Op) -> Units:
    """Return one build's costs a unit; empty where there is nothing that counts."""
    if isinstance(record, ReplayRun):
        return _processes(record, build, kind, op)
    found, steps = {}, [0.0]
    for boot in counting(record, build):
        samples = samples_of(boot, kind, op)
        if samples:
            found[boot.number] = statistics.fmean(s.ns for s in samples)
            steps += [float(s.resolution_ns) for s in samples]
    return Units(found, max(steps))


def _processes(record: ReplayRun, build: str, kind: str, op: Op) -> Units:
    passes = [p for p in record.passes if p.build == build and p.kind == kind]
    turns = by_turn(passes) if op == "rebind" else {}
    found = by_round(turns) if op == "rebind" else firsts(passes)
    if not found:
        return Units({})
    scale = of_namespace(record, compared(passes)[0])
    return Units({number: ns * scale for number, ns in found.items()}, turns=turns)


def _timed(
    record: RunRecord, costs: Costs, base: Build, build: Build, kind: str
) -> Iterator[Effect]:
    if isinstance(record, BootRun) and len(_pages(record, kind)) != 1:
        return
    for op in OPS:
        theirs, ours = costs[base.name, kind, op], costs[build.name, kind, op]
        if not theirs.costs or not ours.costs or min(*_all(theirs), *_all(ours)) <= 0:
            continue
        found, method = _ratio(record, theirs, ours, op)
        p_value, rank = rank_test(_all(theirs), _all(ours))
        metric, scale = _metric(record, kind)
        yield Effect(
            kind=kind,
            op=op,
            build=build.name,
            prefix=build.prefix,
            metric=metric,
            unit="process" if isinstance(record, ReplayRun) else "boot",
            n_base=len(theirs.costs),
            n_build=len(ours.costs),
            base_cost=theirs.middle * scale,
            build_cost=ours.middle * scale,
            ratio=found.value,
            low=found.low,
            high=found.high,
            p_value=p_value,
            method=method,
            rank=rank,
        )


def _ratio(record: RunRecord, base: Units, build: Units, op: Op) -> tuple[Ratio, str]:
    if record.evidence == "boot-icount":
        value = build.middle / base.middle
        exact = Ratio(value, value, value)
        return widened(exact, base.step / base.middle, build.step / build.middle), COUNTED
    # Which kind a replay's process begins with is drawn by lot: first passes form no pairs.
    rounds = sorted(base.costs.keys() & build.costs.keys())
    if (isinstance(record, ReplayRun) and op == "first") or not rounds:
        found = unpaired(_all(base), _all(build))
        method, few = APART, min(len(base.costs), len(build.costs))
    elif base.turns and build.turns:
        found = paired(base.turns, build.turns)
        several = any(len(turns) > 1 for turns in build.turns.values())
        method, few = (BY_TURNS if several else PAIRED).format(n=len(rounds)), len(rounds)
    else:
        found = ratio([base.costs[r] for r in rounds], [build.costs[r] for r in rounds])
        method, few = PAIRED.format(n=len(rounds)), len(rounds)
    if found.low is None:
        unit = "process" if isinstance(record, ReplayRun) else "boot"
        return found, ALONE.format(n=few, unit=unit)
    # A reading is off by less than a step, and by half of one where its phase is anyone's.
    return widened(found, base.step / 2 / base.middle, build.step / 2 / build.middle), method


def _metric(record: RunRecord, kind: str) -> tuple[Metric, float]:
    """With -icount shift=0 an instruction takes a nanosecond of the guest's time."""
    if isinstance(record, BootRun) and record.evidence == "boot-icount":
        return "instructions", 1 / next(iter(_pages(record, kind)))
    return "ns", 1.0


def _pages(record: BootRun, kind: str) -> set[int]:
    samples = (
        s for build in record.builds for b in counting(record, build.name) for s in b.samples
    )
    return {s.nr_pages for s in samples if s.driver == kind}


def _counted(record: ReplayRun, base: Build, build: Build, kind: str) -> Iterator[Effect]:
    found: Mapping[str, float] = {c.build: c.per_page for c in record.counts if c.kind == kind}
    if min(found.get(base.name, 0), found.get(build.name, 0)) <= 0:
        return
    value = found[build.name] / found[base.name]
    yield Effect(
        kind=kind,
        op="rebind",
        build=build.name,
        prefix=build.prefix,
        metric="instructions",
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


def _all(found: Units) -> list[float]:
    return list(found.costs.values())
