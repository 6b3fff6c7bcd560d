# SPDX-License-Identifier: GPL-2.0-only
"""What spoils a run's figures, as values: each finding says where, and what would mend it.

A finding takes nothing out of the figures. Thresholds are where what was found could move a ratio
by about a percent or more; `spoils` is where it could move one by more than a claim is off.
"""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec

from harness.judge.ratios import Costs, kinds, tabulate
from harness.judge.stats.distribution import far, modes, trend
from harness.judge.stats.ratio import FEWEST
from harness.judge.summary import counting, samples_of
from harness.record.record import BootRun, HostUse, ReplayRun, RunRecord

NoiseKind = Literal[
    "too-few", "drift", "load", "steal", "throttled", "coarse-clock", "bimodal", "outlier"
]
#: Shares of the machine's CPU time (all CPUs) that others, or the hypervisor, may have.
LOAD_SHARE, STEAL_SHARE = 0.10, 0.01
#: A difference between the builds in either that makes them no longer comparable.
UNEQUAL_SHARE = 0.05
#: A clock's step as a share of the median that it measured.
COARSE_SHARE, USELESS_SHARE = 0.02, 0.10
#: A drift from first to last, two modes' distance, a unit's distance from the median.
DRIFT_SHARE, MODES_SHARE, OUTLIER_SHARE = 0.02, 0.05, 0.05
#: Chance of one false finding of a kind in a run; divided by how often it is looked for.
CHANCE = 0.05

_REMEDY = {
    "too-few": "measure with more boots (plan) or --rounds",
    "drift": "let the machine come to rest first, or measure more rounds, which alternate builds",
    "load": "measure while nothing else runs",
    "steal": "measure on a machine of your own, or when its neighbours rest",
    "throttled": "cool the machine, or fix its clock below the limit (no turbo)",
    "coarse-clock": "take larger namespaces, or a kernel with a finer clock",
    "bimodal": "look for what switches (huge pages, NUMA node, clock); more boots show how often",
    "outlier": "see what else ran at that time, and run again: no value is left out",
}


class Noise(msgspec.Struct, frozen=True):
    """One finding: `where` names build, boot or kind, `text` has the figures.

    `spoils` says that no verdict may rest on this run's times.
    """

    kind: NoiseKind
    where: str
    text: str
    remedy: str
    spoils: bool = False


def noise(record: RunRecord, costs: Costs | None = None) -> tuple[Noise, ...]:
    """Return what was found, the gravest first; nothing for a quiet run.

    `costs` are the record's own, from tabulate(), where they are at hand already.
    """
    measured = record.passes if isinstance(record, ReplayRun) else record.boots
    if record.evidence == "boot-icount" or not measured:
        return ()
    table = tabulate(record) if costs is None else costs
    watched = _within(record)
    found = [
        *_few(record, table),
        *_host(record),
        *(_preempted(record) if isinstance(record, ReplayRun) else _coarse(record, watched)),
        *_drift(record, table, watched),
        *_modes(record, table, watched),
        *_outliers(record, table),
    ]
    return tuple(sorted(found, key=lambda f: not f.spoils))


def _noise(kind: NoiseKind, where: str, text: str, *, spoils: bool = False) -> Noise:
    return Noise(kind, where, text, _REMEDY[kind], spoils)


def _few(record: RunRecord, costs: Costs) -> Iterator[Noise]:
    unit = "processes" if isinstance(record, ReplayRun) else "boots"
    for build in record.builds:
        few = min(
            (len(costs[build.name, kind, "rebind"].costs) for kind in kinds(record)), default=0
        )
        if few < FEWEST:
            text = f"{few} {unit} that count, {FEWEST} show how far they lie apart"
            yield _noise("too-few", build.name, text)


def _host(record: RunRecord) -> Iterator[Noise]:
    """Load, stolen time and throttling, where the record has them."""
    uses = host_uses(record)
    if uses["all"]:
        yield from _shares(uses)
        yield from _throttled(uses)
        return
    loads = [boot.load_1min for boot in record.boots] if isinstance(record, BootRun) else []
    if loads and max(loads) > record.machine.cpus / 2:
        text = f"load average {max(loads):.1f} on {record.machine.cpus} CPUs before a boot"
        yield _noise("load", "host", text)


def host_uses(record: RunRecord) -> dict[str, list[HostUse]]:
    """Return what the host did, by build and under `all`; a replay's rounds have no build."""
    if isinstance(record, ReplayRun):
        return {"all": list(record.rounds), **{build.name: [] for build in record.builds}}
    found = {"all": [b.host for b in record.boots if b.host is not None]}
    for build in record.builds:
        found[build.name] = [b.host for b in counting(record, build.name) if b.host is not None]
    return found


def _shares(uses: Mapping[str, Sequence[HostUse]]) -> Iterator[Noise]:
    measures: tuple[tuple[NoiseKind, float, str], ...] = (
        ("load", LOAD_SHARE, "other programs took"),
        ("steal", STEAL_SHARE, "the hypervisor gave others"),
    )
    for kind, most, what in measures:
        share = {name: _share(found, kind) for name, found in uses.items() if found}
        apart = [value for name, value in share.items() if name != "all"]
        spread = max(apart, default=0.0) - min(apart, default=0.0)
        if share["all"] > most or spread > UNEQUAL_SHARE:
            text = f"{what} {share['all']:.0%} of the machine's CPU time"
            if spread > UNEQUAL_SHARE:
                text += f", {spread:.0%} more beside one build than beside the other"
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
        text = f"the CPU was slowed down {total} times for its heat" + (
            f", beside {' and '.join(hit)} alone" if one else ""
        )
        yield _noise("throttled", "host", text, spoils=one)


def _preempted(record: ReplayRun) -> Iterator[Noise]:
    """Others had a replay's CPU: its times leave that out, but not what it did to the caches."""
    passes = [p for p in record.passes if p.index > 0]
    wall = sum(p.ns for p in passes)
    share = 1 - sum(p.cpu_ns for p in passes) / wall if wall else 0.0
    if share > LOAD_SHARE:
        yield _noise("load", "replay", f"others had its CPU for {share:.0%} of the time")


def _coarse(record: BootRun, watched: "Sequence[_Watched]") -> Iterator[Noise]:
    """The coarsest build of each driver. A median of 0 is all step."""
    for kind in kinds(record):
        worst, text, where = 0.0, "", ""
        for build in record.builds:
            ours = [w for w in watched if (w.build, w.kind) == (build.name, kind)]
            times = [ns for w in ours for ns in w.times]
            step = max((w.step for w in ours), default=0)
            middle = statistics.median(times) if times else 0.0
            share = min(1.0, step / middle) if middle else float(bool(times))
            if share > worst:
                worst, where = share, f"{kind} on {build.name}"
                text = f"the clock's step, {step / 1e6:g} ms, is {share:.0%} of the median rebind"
        if worst > COARSE_SHARE:
            yield _noise("coarse-clock", where, text, spoils=worst > USELESS_SHARE)


def _drift(record: RunRecord, costs: Costs, within: "Sequence[_Watched]") -> Iterator[Noise]:
    base = record.builds[0].name
    watched = [(w.where, [float(ns) for ns in w.times]) for w in within]
    for kind in kinds(record):
        found = costs[base, kind, "rebind"].costs
        watched.append((f"{kind} on {base}, round to round", [found[n] for n in sorted(found)]))
    for where, values in watched:
        change = trend(values, CHANCE / len(watched))
        if change is not None and abs(change) > DRIFT_SHARE:
            yield _noise("drift", where, f"{change:+.0%} from first to last of {len(values)}")


def _modes(record: RunRecord, costs: Costs, within: "Sequence[_Watched]") -> Iterator[Noise]:
    watched = [*within, *_between(record, costs)]
    for w in watched:
        apart = modes(w.times, w.step, CHANCE / len(watched))
        if apart is not None and apart > MODES_SHARE:
            text = f"two modes, about {apart:.0%} apart, in {len(w.times)} values"
            yield _noise("bimodal", w.where, text)


class _Watched(NamedTuple):
    """Times in their order, in ns, and the step of their clock."""

    build: str
    kind: str
    where: str
    times: list[int]
    step: int


def _within(record: RunRecord) -> list[_Watched]:
    """Each boot's rebinds."""
    if isinstance(record, ReplayRun):
        return []
    found = []
    for build in record.builds:
        for boot in counting(record, build.name):
            for kind in kinds(record):
                samples = samples_of(boot, kind, "rebind")
                where = f"{kind}, boot {boot.number} of {build.name}"
                step = max((s.resolution_ns for s in samples), default=0)
                found.append(_Watched(build.name, kind, where, [s.ns for s in samples], step))
    return found


def _between(record: RunRecord, costs: Costs) -> Iterator[_Watched]:
    """Each build's units."""
    for build in record.builds:
        for kind in kinds(record):
            found = costs[build.name, kind, "rebind"].costs
            times = [round(found[n]) for n in sorted(found)]
            yield _Watched(build.name, kind, f"{kind} on {build.name}, round to round", times, 0)


def _outliers(record: RunRecord, costs: Costs) -> Iterator[Noise]:
    """Units far from their build's others. They stay in: the trimmed mean does with few of them.

    A replay's first passes are the host's page faults, which are never alike.
    """
    for (build, kind, op), found in costs.items():
        if isinstance(record, ReplayRun) and op == "first":
            continue
        off = {n: by for n, by in far(found.costs).items() if abs(by) > OUTLIER_SHARE}
        if off:
            unit = "round" if isinstance(record, ReplayRun) else "boot"
            told = ", ".join(f"{unit} {n} {by:+.0%}" for n, by in off.items())
            text = f"{len(off)} of {len(found.costs)} far from their median: {told}"
            yield _noise("outlier", f"{kind} {op} on {build}", text)
