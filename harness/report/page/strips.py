# SPDX-License-Identifier: GPL-2.0-only
"""Strip plots of all samples, laid out for SVG; pure.

x is in percent of the width, so that text keeps its size; y is in pixels.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec
from markupsafe import Markup

from harness.judge.conclude import Conclusion
from harness.judge.ratios.passes import compared, of_namespace
from harness.record.record import LIMIT, BootRun, ReplayRun
from harness.report.page.scale import AXIS_PX, Scale, Tick, scale

LANE_PX = 9
TEXT_PX = 18
NS_PER_MS = 1e6
#: Dots closer than this share of the axis become one larger dot.
GRAIN = 0.004


class Dot(msgspec.Struct, frozen=True):
    """`count` samples of one boot or round; `counts` is False if the boot does not count."""

    number: int
    lane: int
    ms: float
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


class DrawnRow(msgspec.Struct, frozen=True):
    """One build of a strip: a label above its dots; `middle` is where its cost lies."""

    build: str
    y: float
    height: float
    middle: float | None
    label: str
    drawing: Markup


class DrawnStrip(msgspec.Struct, frozen=True):
    """A strip plot; `description` is the same as text, for screen readers."""

    title: str
    unit: str
    height: float
    ticks: tuple[Tick, ...]
    rows: tuple[DrawnRow, ...]
    description: str


class _Sample(NamedTuple):
    kind: str
    op: str
    build: str
    number: int
    ms: float
    counts: bool


def strips(conclusion: Conclusion) -> tuple[Strip, ...]:
    """Return every sample that was compared, per kind and op: rebinds before first bindings."""
    record = conclusion.record
    replayed = isinstance(record, ReplayRun)
    samples: dict[tuple[str, str], list[_Sample]] = {}
    for sample in _passes(record) if isinstance(record, ReplayRun) else _bindings(record):
        samples.setdefault((sample.kind, sample.op), []).append(sample)
    found = []
    for op in ("rebind", "first"):
        for kind in record.setup.nr_pages:
            if not (ours := samples.get((kind, op), [])):
                continue
            grain = (max(s.ms for s in ours) - min(s.ms for s in ours)) * GRAIN
            lanes = {number: n for n, number in enumerate(sorted({s.number for s in ours}))}
            rows = tuple(
                SampleRow(build.name, _dots(theirs, lanes, grain), _middle(conclusion, theirs[0]))
                for build in record.builds
                if (theirs := [s for s in ours if s.build == build.name])
            )
            if rows:
                found.append(Strip(kind, op, "round" if replayed else "boot", len(lanes), rows))
    return tuple(found)


def _bindings(record: BootRun) -> Iterator[_Sample]:
    for boot in record.boots:
        counts = boot.counts
        for s in boot.samples:
            if record.setup.metric(s.metric).unit == "ns":
                yield _Sample(s.metric, s.op, boot.build, boot.number, s.ns / NS_PER_MS, counts)


def _passes(record: ReplayRun) -> Iterator[_Sample]:
    """Yield the passes, scaled to the whole namespace as effects scale them."""
    for p in compared(record.passes):
        if p.build == LIMIT or (p.settles and p.index):
            continue
        op = "rebind" if p.index else "first"
        ms = p.cpu_ns * of_namespace(record, p) / NS_PER_MS
        yield _Sample(p.kind, op, p.build, p.round, ms, counts=True)


def _dots(samples: Sequence[_Sample], lanes: Mapping[int, int], grain: float) -> tuple[Dot, ...]:
    groups: Counter[tuple[int, int, bool]] = Counter()
    exact: dict[tuple[int, int, bool], float] = {}
    for s in samples:
        key = (s.number, round(s.ms / grain) if grain else 0, s.counts)
        groups[key] += 1
        exact.setdefault(key, s.ms)
    return tuple(
        Dot(key[0], lanes[key[0]], exact[key], count, key[2])
        for key, count in sorted(groups.items())
    )


def _middle(conclusion: Conclusion, sample: _Sample) -> float | None:
    """Return the cost of a build that its ratio uses, or None without a ratio of times."""
    base = conclusion.record.builds[0].name
    for effect in conclusion.effects:
        if (effect.kind, effect.op, effect.cost_unit) != (sample.kind, sample.op, "ns"):
            continue
        if sample.build in (base, effect.build):
            cost = effect.base_cost if sample.build == base else effect.build_cost
            return cost / NS_PER_MS
    return None


def draw_strip(strip: Strip) -> DrawnStrip:
    """Return a strip plot laid out for SVG."""
    values = [dot.ms for row in strip.rows for dot in row.dots]
    axis = scale([*values, *(r.middle_ms for r in strip.rows if r.middle_ms is not None)])
    height = TEXT_PX + strip.lanes * LANE_PX
    rows = []
    for number, row in enumerate(strip.rows):
        y = number * (height + 8.0)
        style = "" if number else " base"
        dots = "\n".join(_circle(dot, strip.unit, axis, y + TEXT_PX, style) for dot in row.dots)
        middle = None if row.middle_ms is None else axis.at(row.middle_ms)
        label = "" if row.middle_ms is None else f"{row.middle_ms:.2f} ms"
        drawing = Markup(dots)  # noqa: S704 (numbers only)
        rows.append(DrawnRow(row.build, y, height, middle, label, drawing))
    text = "; ".join(map(_description, strip.rows))
    total = len(rows) * (height + 8.0) + AXIS_PX
    return DrawnStrip(strip.title, strip.unit, total, axis.marks, tuple(rows), f"{text}.")


def _circle(dot: Dot, unit: str, axis: Scale, y: float, style: str) -> str:
    """Return an SVG circle: a template is too slow for each of them."""
    # The area is proportional to the number of samples.
    radius = round(min(3.0 * math.sqrt(dot.count), 8.0), 1)
    times = f", {dot.count} times" if dot.count > 1 else ""
    tooltip = f"{unit} {dot.number}: {dot.ms:.4g} ms{times}"
    if not dot.counts:
        style, tooltip = " out", f"{tooltip}, does not count"
    return (
        f'<circle class="dot{style}" cx="{axis.at(dot.ms)}%" cy="{y + (dot.lane + 0.5) * LANE_PX}"'
        f' r="{radius}"><title>{tooltip}</title></circle>'
    )


def _description(row: SampleRow) -> str:
    low, high = min(d.ms for d in row.dots), max(d.ms for d in row.dots)
    middle = "" if row.middle_ms is None else f", cost {row.middle_ms:.2f} ms"
    return f"{row.build}: {row.total} samples from {low:.4g} to {high:.4g} ms{middle}"
