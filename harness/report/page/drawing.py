# SPDX-License-Identifier: GPL-2.0-only
"""Figures laid out for SVG: x in percent of the width, so that text keeps its size; y in pixels."""

import math

import msgspec
from markupsafe import Markup

from harness.report.page.figures import SampleRow, Strip
from harness.report.page.scale import Scale, scale

AXIS_PX = 24
LANE_PX = 9
TEXT_PX = 18
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

    @property
    def element(self) -> str:
        """The element itself; all in it is ours."""
        return (
            f'<circle class="dot{self.style}" cx="{self.x}%" cy="{self.y}" r="{self.r}">'
            f"<title>{self.told}</title></circle>"
        )


class DrawnRow(msgspec.Struct, frozen=True):
    """One build of a strip: its name and what it costs, and below them the dots."""

    build: str
    y: float
    height: float
    middle: float | None
    label: str
    dots: tuple[DrawnDot, ...]

    @property
    def drawing(self) -> Markup:
        """All dots in one piece: there are too many to take a template's way one by one."""
        return Markup("\n".join(dot.element for dot in self.dots))  # noqa: S704 (ours)


class DrawnStrip(msgspec.Struct, frozen=True):
    """A strip plot; `told` is the same in a sentence, for whoever does not see it."""

    title: str
    unit: str
    height: float
    ticks: tuple[Tick, ...]
    rows: tuple[DrawnRow, ...]
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


def _row(strip: Strip, row: SampleRow, axis: Scale, y: float, *, is_base: bool) -> DrawnRow:
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
    return DrawnRow(row.build, y, height, middle, label, dots)


def _told(row: SampleRow) -> str:
    if not row.dots:
        return f"{row.build}: no sample"
    low, high = min(d.ms for d in row.dots), max(d.ms for d in row.dots)
    middle = "" if row.middle_ms is None else f", {row.middle_ms:.2f} ms in the middle"
    return f"{row.build}: {row.total} samples from {low:.4g} to {high:.4g} ms{middle}"
