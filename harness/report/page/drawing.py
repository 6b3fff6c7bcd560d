# SPDX-License-Identifier: GPL-2.0-only
"""Strip plots laid out for SVG: x in percent of the width, so that text keeps its size; pure."""

import math

import msgspec
from markupsafe import Markup

from harness.report.page.figures import SampleRow, Strip
from harness.report.page.scale import Scale, scale

AXIS_PX = 24
LANE_PX = 9
TEXT_PX = 18
#: Shown instead of a missing number.
NOTHING = "\N{EN DASH}"


class Tick(msgspec.Struct, frozen=True):
    """A labelled position on the axis."""

    x: float
    label: str


class DrawnDot(msgspec.Struct, frozen=True):
    """A circle with its tooltip."""

    x: float
    y: float
    r: float
    style: str
    tooltip: str

    @property
    def element(self) -> str:
        """The SVG element; all its text is made here."""
        return (
            f'<circle class="dot{self.style}" cx="{self.x}%" cy="{self.y}" r="{self.r}">'
            f"<title>{self.tooltip}</title></circle>"
        )


class DrawnRow(msgspec.Struct, frozen=True):
    """One build of a strip: a label above its dots; `middle` is where its cost lies."""

    build: str
    y: float
    height: float
    middle: float | None
    label: str
    dots: tuple[DrawnDot, ...]

    @property
    def drawing(self) -> Markup:
        """All dots as one piece: a template is too slow for each of them."""
        return Markup("\n".join(dot.element for dot in self.dots))  # noqa: S704 (ours)


class DrawnStrip(msgspec.Struct, frozen=True):
    """A strip plot; `description` is the same as text, for screen readers."""

    title: str
    unit: str
    height: float
    ticks: tuple[Tick, ...]
    rows: tuple[DrawnRow, ...]
    description: str


def ticks(axis: Scale) -> tuple[Tick, ...]:
    """Return the ticks of an axis."""
    return tuple(Tick(axis.at(tick), axis.label(tick)) for tick in axis.ticks)


def draw_strip(strip: Strip) -> DrawnStrip:
    """Return a strip plot laid out for SVG."""
    values = [dot.ms for row in strip.rows for dot in row.dots]
    axis = scale([*values, *(r.middle_ms for r in strip.rows if r.middle_ms is not None)])
    rows, y = [], 0.0
    for number, row in enumerate(strip.rows):
        rows.append(_row(strip, row, axis, y, is_base=number == 0))
        y += rows[-1].height + 8
    text = "; ".join(_description(row) for row in strip.rows)
    return DrawnStrip(strip.title, strip.unit, y + AXIS_PX, ticks(axis), tuple(rows), f"{text}.")


def _row(strip: Strip, row: SampleRow, axis: Scale, y: float, *, is_base: bool) -> DrawnRow:
    dots = tuple(
        DrawnDot(
            axis.at(dot.ms),
            y + TEXT_PX + (dot.lane + 0.5) * LANE_PX,
            # The area is proportional to the number of samples.
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
    return DrawnRow(row.build, y, height, middle, label, dots)


def _description(row: SampleRow) -> str:
    if not row.dots:
        return f"{row.build}: no samples"
    low, high = min(d.ms for d in row.dots), max(d.ms for d in row.dots)
    middle = "" if row.middle_ms is None else f", cost {row.middle_ms:.2f} ms"
    return f"{row.build}: {row.total} samples from {low:.4g} to {high:.4g} ms{middle}"
