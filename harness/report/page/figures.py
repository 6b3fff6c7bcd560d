# SPDX-License-Identifier: GPL-2.0-only
"""The samples that strip plots show, as values; pure."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from harness.judge.conclude import Conclusion
from harness.judge.passes import compared, of_namespace
from harness.record.record import LIMIT, BootRun, ReplayRun

NS_PER_MS = 1e6
#: Dots closer than this share of the axis become one larger dot.
GRAIN = 0.004


class Dot(msgspec.Struct, frozen=True):
    """`count` samples of one boot or round; `counts` is False if the boot does not count."""

    ms: float
    number: int
    lane: int
    count: int
    counts: bool


class SampleRow(msgspec.Struct, frozen=True):
    """The samples of one build; `middle_ms` is the cost that ratios use."""

    build: str
    dots: tuple[Dot, ...]
    middle_ms: float | None

    @property
    def total(self) -> int:
        """The number of samples."""
        return sum(dot.count for dot in self.dots)


class Strip(msgspec.Struct, frozen=True):
    """All samples of one kind and op, one row per build and one lane per `unit`."""

    kind: str
    op: str
    unit: str
    lanes: int
    rows: tuple[SampleRow, ...]

    @property
    def title(self) -> str:
        """The kind of samples."""
        if self.unit == "boot":
            return f"{self.kind}: {'first bindings' if self.op == 'first' else 'rebinds'}"
        return f"{self.kind}: {'first passes' if self.op == 'first' else 'passes'}"


class _Point(msgspec.Struct, frozen=True):
    """A sample before it is grouped."""

    kind: str
    op: str
    build: str
    lane: int
    ms: float
    counts: bool


def strips(conclusion: Conclusion) -> tuple[Strip, ...]:
    """Return every sample that was compared, per kind and op: rebinds before first bindings."""
    record = conclusion.record
    replayed = isinstance(record, ReplayRun)
    points: dict[tuple[str, str], list[_Point]] = {}
    for point in _passes(record) if isinstance(record, ReplayRun) else _bindings(record):
        points.setdefault((point.kind, point.op), []).append(point)
    builds = [build.name for build in record.builds]
    found = []
    for op in ("rebind", "first"):
        for kind in record.setup.nr_pages:
            ours = points.get((kind, op), [])
            if not ours:
                continue
            grain = (max(p.ms for p in ours) - min(p.ms for p in ours)) * GRAIN
            lanes = {lane: n for n, lane in enumerate(sorted({p.lane for p in ours}))}
            rows = tuple(
                SampleRow(build, _dots(theirs, lanes, grain), _middle(conclusion, theirs[0]))
                for build in builds
                if (theirs := [p for p in ours if p.build == build])
            )
            if rows:
                found.append(Strip(kind, op, "round" if replayed else "boot", len(lanes), rows))
    return tuple(found)


def _bindings(record: BootRun) -> Iterator[_Point]:
    for boot in record.boots:
        counts = boot.counts
        for s in boot.samples:
            yield _Point(s.driver, s.op, boot.build, boot.number, s.ns / NS_PER_MS, counts)


def _passes(record: ReplayRun) -> Iterator[_Point]:
    """Yield the passes, scaled to the whole namespace as effects scale them."""
    for p in compared(record.passes):
        if p.build == LIMIT or (p.settles and p.index):
            continue
        op = "rebind" if p.index else "first"
        ms = p.cpu_ns * of_namespace(record, p) / NS_PER_MS
        yield _Point(p.kind, op, p.build, p.round, ms, counts=True)


def _dots(points: Sequence[_Point], lanes: Mapping[int, int], grain: float) -> tuple[Dot, ...]:
    groups: Counter[tuple[int, int, bool]] = Counter()
    exact: dict[tuple[int, int, bool], float] = {}
    for p in points:
        key = (p.lane, round(p.ms / grain) if grain else 0, p.counts)
        groups[key] += 1
        exact.setdefault(key, p.ms)
    return tuple(
        Dot(exact[key], key[0], lanes[key[0]], count, key[2])
        for key, count in sorted(groups.items())
    )


def _middle(conclusion: Conclusion, point: _Point) -> float | None:
    """Return the cost of a build that its ratio uses, or None without a ratio of times."""
    base = conclusion.record.builds[0].name
    for effect in conclusion.effects:
        if (effect.kind, effect.op, effect.metric) != (point.kind, point.op, "ns"):
            continue
        if point.build in (base, effect.build):
            cost = effect.base_cost if point.build == base else effect.build_cost
            return cost / NS_PER_MS
    return None
