# SPDX-License-Identifier: GPL-2.0-only
"""What disturbed a run, as findings: each says where, and what to do about it. Pure.

A finding discards no sample. Thresholds are where a finding could change a ratio by about a percent
or more; it `spoils` the run where it could change one by more than a claim's tolerance.
"""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec

from harness.host.units import count
from harness.judge.clocks import clocks
from harness.judge.conditions.host_conditions import REMEDY, ConditionKind, conditions
from harness.judge.stats.distribution import Shape, far, modes, trend
from harness.judge.stats.ratio import FEWEST
from harness.judge.tabulate import BootTable, ReplayTable, RunTable
from harness.record.record import HostUse
from harness.workloads import words

NoiseKind = (
    ConditionKind
    | Literal[
        "too-few",
        "drift",
        "load",
        "steal",
        "throttled",
        "canary",
        "coarse-clock",
        "clocks",
        "bimodal",
        "outlier",
    ]
)
#: Largest shares of the machine's CPU time (all CPUs) for other programs, and for other guests.
LOAD_SHARE, STEAL_SHARE = 0.10, 0.01
#: Largest difference between builds in either share.
UNEQUAL_SHARE = 0.05
#: How much longer a fixed number of cycles may take than in the fastest tenth of a run: the median
#: of any round (frequency), and the mean of the run (steal). On an undisturbed virtual CPU with 13
#: other programs, medians were up to 0.3 % longer, means 0.9 % to 2.3 %; in four rounds of one
#: replay, for an unknown reason, medians were 11 % to 14 % longer. In a guest on whose CPU the host
#: ran a process with a tenth of its weight, means were 20 % to 24 % longer; with an equal one, 90 %
#: to 110 %.
SLOWER_ROUND, SLOWER_MEAN = 0.02, 0.05
#: The clock's resolution as a share of the median time.
COARSE_SHARE, USELESS_SHARE = 0.02, 0.10
#: Drift from first to last, distance of two modes, distance of an outlier from the median.
DRIFT_SHARE, MODES_SHARE, OUTLIER_SHARE = 0.02, 0.05, 0.05
#: Probability of a false finding of one kind in a run; divided by the number of tests.
CHANCE = 0.05

_REMEDY: dict[str, str] = {
    **REMEDY,
    "too-few": "measure with more boots (plan) or --rounds",
    "drift": "measure more rounds, when the machine is idle",
    "load": "measure when nothing else is running",
    "steal": "measure when the host's other guests are idle",
    "throttled": "cool the machine, or limit its frequency (no turbo)",
    "canary": "fix the CPU's frequency, stop what else runs, and repeat",
    "coarse-clock": "use larger namespaces, or a kernel with a finer clock",
    "bimodal": "look for what alternates: huge pages, NUMA node, clock",
    "clocks": "measure when nothing else is running: a late tick makes jiffies wrong",
    "outlier": "repeat when nothing else runs; no sample is discarded",
}


class Noise(msgspec.Struct, frozen=True):
    """One finding: `where` names build, boot or kind, `text` has the figures.

    If it `spoils`, the run's times decide nothing.
    """

    kind: NoiseKind
    where: str
    text: str
    remedy: str
    spoils: bool = False


class Watched(NamedTuple):
    """Repeated times of one build and kind in their order, and what their distribution shows.

    `trend` and `modes` are None where chance alone may have made them. `within` says that the times
    are a boot's rebinds; else they are the costs of all boots or processes.
    """

    build: str
    kind: str
    where: str
    times: list[int]
    step: int
    within: bool
    trend: Shape | None
    modes: Shape | None


def watched(table: RunTable) -> tuple[Watched, ...]:
    """Return the series of times that noise is looked for in; none of counted instructions."""
    if table.record.evidence == "boot-icount":
        return ()
    within = _within(table) if isinstance(table, BootTable) else ()
    return (*within, *_between(table))


def noise(table: RunTable, series: Sequence[Watched]) -> tuple[Noise, ...]:
    """Return the findings, the gravest first; `series` are the table's, from watched()."""
    measured = table.record.boots if isinstance(table, BootTable) else table.record.passes
    if table.record.evidence == "boot-icount" or not measured:
        return ()
    found = [
        *_few(table),
        *_host(table),
        *_conditions(table),
        *(_coarse(table, series) if isinstance(table, BootTable) else _of_replay(table)),
        *_drift(table, series),
        *_modes(series),
        *_outliers(table),
        *(_clocks(table) if isinstance(table, BootTable) else ()),
    ]
    return tuple(sorted(found, key=lambda f: not f.spoils))


def _noise(kind: NoiseKind, where: str, text: str, *, spoils: bool = False) -> Noise:
    return Noise(kind, where, text, _REMEDY[kind], spoils)


def _few(table: RunTable) -> Iterator[Noise]:
    unit = "boot" if isinstance(table, BootTable) else "process"
    for build in table.record.builds:
        few = min(
            (len(table.units[build.name, kind, "rebind"].costs) for kind in table.kinds), default=0
        )
        if few < FEWEST:
            counted = f"{count(few, unit)} {'counts' if few == 1 else 'count'}"
            text = f"{counted}; an interval needs {FEWEST}"
            yield _noise("too-few", build.name, text)


def _host(table: RunTable) -> Iterator[Noise]:
    """Yield load, stolen time and throttling, where the record has them."""
    uses = _host_uses(table)
    if uses["all"]:
        yield from _shares(uses)
        yield from _throttled(uses)
    elif isinstance(table, BootTable) and table.record.boots:
        load, cpus = max(boot.load_1min for boot in table.record.boots), table.record.machine.cpus
        if load > cpus / 2:
            text = f"load average {load:.1f} on {cpus} CPUs before a boot"
            yield _noise("load", "host", text)


def _conditions(table: RunTable) -> Iterator[Noise]:
    if isinstance(table, BootTable):
        for found in conditions(table):
            yield _noise(found.kind, found.where, found.text, spoils=found.spoils)


def _host_uses(table: RunTable) -> dict[str, Sequence[HostUse]]:
    """Return what the host did, by build and under `all`; a replay's rounds have no build."""
    if isinstance(table, ReplayTable):
        return {"all": table.record.rounds}
    found: dict[str, Sequence[HostUse]] = {
        "all": [b.host for b in table.record.boots if b.host is not None]
    }
    for build in table.record.builds:
        found[build.name] = [b.host for b in table.counting[build.name] if b.host is not None]
    return found


def _shares(uses: Mapping[str, Sequence[HostUse]]) -> Iterator[Noise]:
    measures: tuple[tuple[NoiseKind, float, str], ...] = (
        ("load", LOAD_SHARE, "other programs used"),
        ("steal", STEAL_SHARE, "the hypervisor gave other guests"),
    )
    for kind, most, what in measures:
        share = {name: _share(found, kind) for name, found in uses.items() if found}
        apart = [value for name, value in share.items() if name != "all"]
        spread = max(apart, default=0.0) - min(apart, default=0.0)
        if share["all"] > most or spread > UNEQUAL_SHARE:
            text = f"{what} {share['all']:.0%} of the machine's CPU time"
            if spread > UNEQUAL_SHARE:
                text += f"; the builds differ by {spread:.0%}"
            yield _noise(kind, "host", text, spoils=spread > UNEQUAL_SHARE)


def _share(found: Sequence[HostUse], kind: str) -> float:
    whole = sum(use.wall_s * use.cpus for use in found)
    others = [use.steal_s if kind == "steal" else max(0.0, use.busy_s - use.own_s) for use in found]
    return sum(others) / whole if whole else 0.0


def _throttled(uses: Mapping[str, Sequence[HostUse]]) -> Iterator[Noise]:
    times = {name: sum(use.throttles or 0 for use in found) for name, found in uses.items()}
    total = times.pop("all")
    if total:
        hit = [name for name, count in times.items() if count]
        one = bool(hit) and len(hit) < len(times)
        text = f"the CPU was throttled {total} times" + (
            f", only while {' and '.join(hit)} ran" if one else ""
        )
        yield _noise("throttled", "host", text, spoils=one)


def _of_replay(table: ReplayTable) -> Iterator[Noise]:
    yield from _preempted(table)
    yield from _canary(table)


def _canary(table: ReplayTable) -> Iterator[Noise]:
    """Yield a finding if the canary took longer: the CPU was slower, or was taken away at times.

    A guest counts time that its hypervisor gave to others as its own unless it sees steal time.
    """
    rounds = {n: times for n, times in enumerate(table.record.canary) if times}
    times = sorted(time for found in rounds.values() for time in found)
    if not times:
        return
    fastest = times[len(times) // 10]
    medians = {n: statistics.median(found) / fastest - 1 for n, found in rounds.items()}
    slowest = max(medians, key=lambda n: medians[n])
    what = "a loop of a fixed number of cycles took"
    if medians[slowest] > SLOWER_ROUND:
        text = f"{what} {medians[slowest]:.0%} longer in round {slowest} than at its fastest"
        yield _noise("canary", "CPU", f"{text}: the frequency changed, or its core was shared")
    elif (mean := statistics.fmean(times) / fastest - 1) > SLOWER_MEAN:
        text = f"{what} {mean:.0%} longer on average than at its fastest, but not in most slices"
        yield _noise("canary", "CPU", f"{text}: something else used the CPU at times")


def _preempted(table: ReplayTable) -> Iterator[Noise]:
    """Yield how long others had the CPU: times leave that out, but not its effect on caches."""
    passes = [p for p in table.record.passes if p.index > 0]
    wall = sum(p.ns for p in passes)
    share = 1 - sum(p.cpu_ns for p in passes) / wall if wall else 0.0
    if share > LOAD_SHARE:
        yield _noise("load", "replay", f"other processes used its CPU for {share:.0%} of the time")


def _coarse(table: BootTable, series: Sequence[Watched]) -> Iterator[Noise]:
    """Yield the coarsest build of each driver. A median of 0 is all step."""
    sample = words(table.record).sample or "boot"
    for kind in table.kinds:
        worst, text, where = 0.0, "", ""
        for build in table.record.builds:
            ours = [w for w in series if w.within and (w.build, w.kind) == (build.name, kind)]
            times = [ns for w in ours for ns in w.times]
            step = max((w.step for w in ours), default=0)
            middle = statistics.median(times) if times else 0.0
            share = min(1.0, step / middle) if middle else float(bool(times))
            if share > worst:
                worst, where = share, f"{kind} on {build.name}"
                text = f"the clock's step, {step / 1e6:g} ms, is {share:.0%} of the median {sample}"
        if worst > COARSE_SHARE:
            yield _noise("coarse-clock", where, text, spoils=worst > USELESS_SHARE)


def _drift(table: RunTable, series: Sequence[Watched]) -> Iterator[Noise]:
    """Yield trends within boots, and of base from round to round, which alternates builds."""
    base = table.record.builds[0].name
    looked = [w for w in series if w.within or w.build == base]
    for w in looked:
        if w.trend is None or w.trend.p_value >= CHANCE / len(looked):
            continue
        if abs(w.trend.share) > DRIFT_SHARE:
            text = f"{w.trend.share:+.0%} from first to last of {len(w.times)}"
            yield _noise("drift", w.where, text)


def _modes(series: Sequence[Watched]) -> Iterator[Noise]:
    for w in series:
        if w.modes is None or w.modes.p_value >= CHANCE / len(series):
            continue
        if w.modes.share > MODES_SHARE:
            text = f"two modes, about {w.modes.share:.0%} apart, in {len(w.times)} values"
            yield _noise("bimodal", w.where, text)


def _within(table: BootTable) -> Iterator[Watched]:
    """Yield each boot's rebinds."""
    for build in table.record.builds:
        for boot in table.counting[build.name]:
            for kind in table.kinds:
                samples = table.samples.get((build.name, kind, "rebind"), {})
                found = samples.get(boot.number, ())
                step = max((s.resolution_ns for s in found), default=0)
                times = [s.ns for s in found]
                where = f"{kind}, boot {boot.number} of {build.name}"
                yield Watched(
                    build=build.name,
                    kind=kind,
                    where=where,
                    times=times,
                    step=step,
                    within=True,
                    trend=trend(times, CHANCE),
                    modes=modes(times, step, CHANCE),
                )


def _between(table: RunTable) -> Iterator[Watched]:
    """Yield the costs of each build's boots or processes."""
    for build in table.record.builds:
        for kind in table.kinds:
            costs = table.units[build.name, kind, "rebind"].costs
            values = [costs[number] for number in sorted(costs)]
            times = [round(value) for value in values]
            yield Watched(
                build=build.name,
                kind=kind,
                where=f"{kind} on {build.name}, round to round",
                times=times,
                step=0,
                within=False,
                trend=trend(values, CHANCE),
                modes=modes(times, 0, CHANCE),
            )


def _clocks(table: BootTable) -> Iterator[Noise]:
    """Yield each build and driver whose bindings two clocks timed differently."""
    for found in clocks(table.record):
        if not found.agree and not found.problem:
            apart, step = found.apart_ns / 1e6, found.step_ns / 1e6
            text = f"times of a binding by jiffies and by probes differ by {apart:.3f} ms,"
            text += f" more than the clock's step, {step:g} ms"
            yield _noise("clocks", f"{found.metric} on {found.build}", text)


def _outliers(table: RunTable) -> Iterator[Noise]:
    """Yield units far from their build's others. They still count: the trimmed mean allows a few.

    A replay's first passes are the host's page faults, which vary much.
    """
    unit = "boot" if isinstance(table, BootTable) else "round"
    for (build, kind, op), found in table.units.items():
        if unit == "round" and op == "first":
            continue
        off = {n: by for n, by in far(found.costs).items() if abs(by) > OUTLIER_SHARE}
        if off:
            named = ", ".join(f"{unit} {n} {by:+.0%}" for n, by in off.items())
            text = f"{len(off)} of {len(found.costs)} far from their median: {named}"
            yield _noise("outlier", f"{kind} {op} on {build}", text)
