# SPDX-License-Identifier: GPL-2.0-only
"""Figures laid out for SVG: x in percent of the width, so that text keeps its size; y in pixels."""

import math
from collections.abc import Iterable, Iterator

import msgspec

from harness.analysis.ladder import Ladder, Step
from harness.report.figures import Row, Strip
from harness.report.scale import Scale, scale

AXIS_PX = 24
LANE_PX = 9
TEXT_PX = 18
STEP_PX = 40
#: What stands where there is no figure.
NOTHING = "\N{EN DASH}"


class Tick(msgspec.Struct, frozen=True):
    """A mark on the axis."""

    x: float
    label: str


class DrawnDot(msgspec.Struct, frozen=True):
    """A circle; `told` is what pointing at it says."""

    x: float
    y: float
    r: float
    style: str
    told: str

    def __html__(self) -> str:
        """The element itself: there are too many to take a template's way. All in it is ours."""
        return (
            f'<circle class="dot{self.style}" cx="{self.x}%" cy="{self.y}" r="{self.r}">'
            f"<title>{self.told}</title></circle>"
        )


class DrawnRow(msgspec.Struct, frozen=True):
    """One side of a strip: its name and what it costs, and below them the dots."""

    side: str
    y: float
    height: float
    middle: float | None
    label: str
    dots: tuple[DrawnDot, ...]


class DrawnStrip(msgspec.Struct, frozen=True):
    """A strip plot; `told` is the same in a sentence, for whoever does not see it."""

    title: str
    unit: str
    height: float
    ticks: tuple[Tick, ...]
    rows: tuple[DrawnRow, ...]
    told: str


class Bar(msgspec.Struct, frozen=True):
    """One prefix: a bar from the cost before it to the cost with it, and the same as text."""

    prefix: int
    subject: str
    y: float
    x: float
    width: float
    end: float
    low: float | None
    high: float | None
    claim: float | None
    style: str
    label: str
    figure: str
    told: str
    claim_told: str
    share: str
    interval: str
    change: str
    claimed: str


class DrawnLadder(msgspec.Struct, frozen=True):
    """A waterfall of what each patch adds."""

    kind: str
    title: str
    height: float
    base: float
    ticks: tuple[Tick, ...]
    bars: tuple[Bar, ...]
    told: str


def ticks(axis: Scale) -> tuple[Tick, ...]:
    """Return the axis's marks."""
    return tuple(Tick(axis.at(tick), axis.label(tick)) for tick in axis.ticks)


def draw_strip(strip: Strip) -> DrawnStrip:
    """Lay out a strip plot."""
    values = [dot.ms for row in strip.rows for dot in row.dots]
    axis = scale([*values, *(r.middle_ms for r in strip.rows if r.middle_ms is not None)])
    rows, y = [], 0.0
    for number, row in enumerate(strip.rows):
        rows.append(_row(strip, row, axis, y, is_base=number == 0))
        y += rows[-1].height + 8
    told = "; ".join(_told(row) for row in strip.rows)
    return DrawnStrip(strip.title, strip.unit, y + AXIS_PX, ticks(axis), tuple(rows), f"{told}.")


def _row(strip: Strip, row: Row, axis: Scale, y: float, *, is_base: bool) -> DrawnRow:
    dots = tuple(
        DrawnDot(
            axis.at(dot.ms),
            y + TEXT_PX + (dot.lane + 0.5) * LANE_PX,
            # The area says how many.
            round(min(3.0 * math.sqrt(dot.count), 8.0), 1),
            "" if dot.counts and not is_base else " base" if dot.counts else " out",
            f"{strip.unit} {dot.number}: {dot.ms:.4g} ms"
            + (f", {dot.count} times" if dot.count > 1 else "")
            + ("" if dot.counts else ", does not count"),
        )
        for dot in row.dots
    )
    middle = None if row.middle_ms is None else axis.at(row.middle_ms)
    label = "" if row.middle_ms is None else f"{row.middle_ms:.2f} ms"
    height = TEXT_PX + strip.lanes * LANE_PX
    return DrawnRow(row.side, y, height, middle, label, dots)


def _told(row: Row) -> str:
    if not row.dots:
        return f"{row.side}: no sample"
    low, high = min(d.ms for d in row.dots), max(d.ms for d in row.dots)
    middle = "" if row.middle_ms is None else f", {row.middle_ms:.2f} ms in the middle"
    return f"{row.side}: {row.total} samples from {low:.4g} to {high:.4g} ms{middle}"


def draw_ladder(ladder: Ladder, subjects: Iterable[str] = ()) -> DrawnLadder:
    """Lay out a waterfall; `subjects` are the patches' own, in order, where they are known."""
    named = dict(enumerate(subjects, 1))
    axis = scale([v * 100 for step in ladder.steps for v in _values(step)], zero=True)
    before = 0
    bars = []
    for number, step in enumerate(ladder.steps):
        bars.append(_bar(step, axis, before, named.get(step.prefix, ""), number * STEP_PX))
        before = step.prefix
    what = "instructions" if ladder.metric == "instructions" else "time"
    return DrawnLadder(
        ladder.kind,
        f"{ladder.kind}: {what}, percent of base's",
        len(bars) * STEP_PX + AXIS_PX,
        axis.at(100),
        ticks(axis),
        tuple(bars),
        " ".join(f"{bar.told}." for bar in bars),
    )


def _values(step: Step) -> Iterator[float]:
    for value in (step.share, step.before, step.low, step.high, step.claimed):
        if value is not None:
            yield value


def _bar(step: Step, axis: Scale, before: int, subject: str, y: float) -> Bar:
    start, end = axis.at(step.before * 100), axis.at(step.share * 100)
    first = before + 1
    label = f"patch {first}" if first == step.prefix else f"patches {first} to {step.prefix}"
    known = step.low is not None and step.high is not None
    same = known and (step.low or 0) <= step.before <= (step.high or 0)
    interval = (
        f"{(step.low or 0) * 100:.1f} to {(step.high or 0) * 100:.1f} %" if known else NOTHING
    )
    share, change = f"{step.share * 100:.1f} %", f"{step.change * 100:+.1f} points"
    claimed = NOTHING if step.claimed is None else f"{step.claimed * 100:.1f} %"
    told = f"{label}: {change}, to {share}" + (f" (95 %: {interval})" if known else "")
    return Bar(
        prefix=step.prefix,
        subject=subject,
        y=y,
        x=min(start, end),
        # A patch that changes nothing still has a mark.
        width=max(round(abs(end - start), 2), 0.4),
        end=end,
        low=axis.at(step.low * 100) if known and step.low is not None else None,
        high=axis.at(step.high * 100) if known and step.high is not None else None,
        claim=None if step.claimed is None else axis.at(step.claimed * 100),
        style="same" if same else "saves" if step.change < 0 else "costs",
        label=label,
        figure=f"{share} ({change})",
        told=told,
        claim_told=f"claimed after {label}: {claimed}",
        share=share,
        interval=interval,
        change=change,
        claimed=claimed,
    )
