# SPDX-License-Identifier: GPL-2.0-only
"""The history of runs: each in brief, and how a ratio changes from release to release. Pure."""

import re
from collections.abc import Iterable, Iterator

import msgspec

from harness.judge.conclude import Conclusion
from harness.judge.ratios.ratios import Effect
from harness.judge.tabulate import CostUnit
from harness.project.release import Order, order
from harness.record.record import BootRun

_RELEASE = re.compile(r"[\d.]+(?:[-~]rc\d+)?")


class CostRatio(msgspec.Struct, frozen=True):
    """The cost ratio of the whole series to base, for a driver's rebinds or a page order."""

    kind: str
    cost_unit: CostUnit
    ratio: float
    low: float | None
    high: float | None


class Group(msgspec.Struct, frozen=True):
    """The properties that runs must share for their ratios to form one trend."""

    slug: str
    version: int
    source: str
    evidence: str
    machine: str
    guest: str


class Point(msgspec.Struct, frozen=True):
    """One run's ratio and the release that it was measured on."""

    run_id: str
    release: str
    cost: CostRatio


class Trend(msgspec.Struct, frozen=True):
    """A ratio over the releases, oldest release first, and within one the oldest run."""

    group: Group
    kind: str
    cost_unit: CostUnit
    points: tuple[Point, ...]

    @property
    def releases(self) -> tuple[str, ...]:
        """The releases of the points, in order."""
        return tuple(dict.fromkeys(point.release for point in self.points))


class Seen(msgspec.Struct, frozen=True):
    """A run in a history. `costs` is empty unless the run is complete, and of emulated time."""

    run_id: str
    group: Group
    release: str
    costs: tuple[CostRatio, ...]


def seen(conclusion: Conclusion) -> Seen:
    """Return the history's entry for a conclusion."""
    record = conclusion.record
    group = Group(
        record.subject.slug,
        record.subject.version,
        # Ports to different bases are the same series.
        record.subject.source.partition(" ")[0],
        record.evidence,
        record.machine.cpu,
        record.setup.guest if isinstance(record, BootRun) else "none",
    )
    shown = record.outcome == "complete" and record.evidence != "boot-tcg"
    costs = tuple(_costs(conclusion)) if shown else ()
    return Seen(record.run_id, group, record.subject.release, costs)


def _costs(conclusion: Conclusion) -> Iterator[CostRatio]:
    for e in conclusion.effects:
        if e.op == "rebind" and _whole_series(conclusion, e):
            yield CostRatio(e.kind, e.cost_unit, e.ratio, e.low, e.high)


def _whole_series(conclusion: Conclusion, effect: Effect) -> bool:
    """Whether the build is the whole series, not a variant of it."""
    build = conclusion.record.build(effect.build)
    whole = len(conclusion.record.subject.patch_ids)
    return build is not None and build.kind == "prefix" and build.prefix == whole


def trends(runs: Iterable[Seen]) -> tuple[Trend, ...]:
    """Return a trend for each group, kind and unit, in the order of the groups' fields."""
    found: dict[tuple[Group, str, CostUnit], list[Point]] = {}
    for run in runs:
        for cost in run.costs:
            points = found.setdefault((run.group, cost.kind, cost.cost_unit), [])
            points.append(Point(run.run_id, run.release, cost))
    ordered = sorted(found, key=lambda key: (msgspec.structs.astuple(key[0]), *key[1:]))
    return tuple(
        Trend(
            *key,
            tuple(sorted(found[key], key=lambda p: (release_key(p.release), p.run_id))),
        )
        for key in ordered
    )


def release_key(release: str) -> tuple[Order, str]:
    """Return what sorts 7.2 < 7.2.13 < 7.2.13-dirty < 7.3-rc1 < 7.3; other texts come first."""
    match = _RELEASE.match(release)
    return (match and order(match[0])) or (0, 0, 0, 0), release
