# SPDX-License-Identifier: GPL-2.0-only
"""Trends laid out for SVG: ratio to base of each run, over the releases; pure."""

import itertools

import msgspec

from harness.judge.runs.history import Group, Point, Trend
from harness.report.page.scale import AXIS_PX, Tick, scale

PLOT_PX = 140
#: Releases that are named below the axis: more do not fit on a phone.
NAMED = 4
#: Room at the left for the ratios' axis, in percent of the width.
LEFT = 12.0


class Mark(msgspec.Struct, frozen=True):
    """One run: a dot and its interval. The line goes through the newest run of each release."""

    x: float
    y: float
    low: float | None
    high: float | None
    newest: bool
    tooltip: str


class DrawnTrend(msgspec.Struct, frozen=True):
    """A trend; `description` is the same as text, for screen readers."""

    group: Group
    title: str
    height: float
    ratios: tuple[tuple[float, str], ...]
    releases: tuple[Tick, ...]
    marks: tuple[Mark, ...]
    line: tuple[tuple[Mark, Mark], ...]
    description: str


def draw_trend(trend: Trend) -> DrawnTrend:
    """Return a trend laid out for SVG; the axis of ratios includes 1, which is base."""
    bounds = [v for p in trend.points for v in (p.cost.ratio, p.cost.low, p.cost.high) if v]
    axis = scale([*bounds, 1.0], ticks=4)

    def y(ratio: float) -> float:
        return round(PLOT_PX * (1 - axis.at(ratio) / 100), 1)

    releases = trend.releases
    last = max(len(releases) - 1, 1)
    places = {r: round(LEFT + n / last * (100 - LEFT), 2) for n, r in enumerate(releases)}
    if len(releases) == 1:
        places[releases[0]] = (100 + LEFT) / 2
    newest = {p.release: p.run_id for p in trend.points}
    marks = tuple(
        Mark(
            places[p.release],
            y(p.cost.ratio),
            None if p.cost.low is None else y(p.cost.low),
            None if p.cost.high is None else y(p.cost.high),
            newest[p.release] == p.run_id,
            _label(p),
        )
        for p in trend.points
    )
    through = [mark for mark in marks if mark.newest]
    what = "instructions" if trend.cost_unit == "instructions" else "time"
    named = min(len(releases), NAMED)
    shown = {releases[round(n * (len(releases) - 1) / max(named - 1, 1))] for n in range(named)}
    return DrawnTrend(
        trend.group,
        f"{trend.kind}: {what}, as a share of base's",
        PLOT_PX + AXIS_PX,
        tuple((y(tick), axis.label(tick)) for tick in axis.ticks),
        tuple(Tick(places[r], r if r in shown else "") for r in releases),
        marks,
        tuple(itertools.pairwise(through)),
        "; ".join(_label(p) for p in trend.points if newest[p.release] == p.run_id) + ".",
    )


def _label(point: Point) -> str:
    cost = point.cost
    bounds = "" if cost.low is None else f" (95 %: {cost.low:.3f} to {cost.high:.3f})"
    return f"v{point.release}: {cost.ratio:.3f}{bounds}"
