# SPDX-License-Identifier: GPL-2.0-only
"""Waterfalls laid out for SVG: one bar per patch, from the cost before it to that with it; pure."""

from collections.abc import Iterator, Sequence

import msgspec

from harness.judge.ratios.per_patch import CostSteps, PrefixCost
from harness.report.page import NOTHING
from harness.report.page.scale import AXIS_PX, Scale, Tick, scale

STEP_PX = 40


class Bar(msgspec.Struct, frozen=True):
    """One prefix: a bar from the cost before it to the cost with it, and its texts."""

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
    tooltip: str
    claim_tooltip: str
    share: str
    interval: str
    change: str
    claimed: str


class DrawnWaterfall(msgspec.Struct, frozen=True):
    """A waterfall; `description` is the same as text, for screen readers."""

    kind: str
    title: str
    height: float
    base: float
    ticks: tuple[Tick, ...]
    bars: tuple[Bar, ...]
    description: str


def draw_waterfall(costs: CostSteps, subjects: Sequence[str] = ()) -> DrawnWaterfall:
    """Return a waterfall laid out for SVG; `subjects` are those of the patches, in order."""
    named = dict(enumerate(subjects, 1))
    axis = scale([v * 100 for step in costs.steps for v in _values(step)], zero=True)
    before = 0
    bars = []
    for number, step in enumerate(costs.steps):
        bars.append(_bar(step, axis, before, named.get(step.prefix, ""), number * STEP_PX))
        before = step.prefix
    what = "instructions" if costs.cost_unit == "instructions" else "time"
    return DrawnWaterfall(
        costs.kind,
        f"{costs.kind}: {what}, percent of base's",
        len(bars) * STEP_PX + AXIS_PX,
        axis.at(100),
        axis.marks,
        tuple(bars),
        " ".join(f"{bar.tooltip}." for bar in bars),
    )


def _values(step: PrefixCost) -> Iterator[float]:
    for value in (step.share, step.before, step.low, step.high, step.claimed):
        if value is not None:
            yield value


def _bar(step: PrefixCost, axis: Scale, before: int, subject: str, y: float) -> Bar:
    start, end = axis.at(step.before * 100), axis.at(step.share * 100)
    first = before + 1
    label = f"patch {first}" if first == step.prefix else f"patches {first} to {step.prefix}"
    known = step.low is not None and step.high is not None
    interval = NOTHING
    if step.low is not None and step.high is not None:
        interval = f"{step.low * 100:.1f} to {step.high * 100:.1f} %"
    share, change = f"{step.share * 100:.1f} %", f"{step.change * 100:+.1f} points"
    claimed = NOTHING if step.claimed is None else f"{step.claimed * 100:.1f} %"
    tooltip = f"{label}: {change}, to {share}" + (f" (95 %: {interval})" if known else "")
    return Bar(
        prefix=step.prefix,
        subject=subject,
        y=y,
        x=min(start, end),
        # A patch that changes nothing is still visible.
        width=max(round(abs(end - start), 2), 0.4),
        end=end,
        low=axis.at(step.low * 100) if known and step.low is not None else None,
        high=axis.at(step.high * 100) if known and step.high is not None else None,
        claim=None if step.claimed is None else axis.at(step.claimed * 100),
        style="same" if step.unclear else "saves" if step.change < 0 else "costs",
        label=label,
        figure=f"{share} ({change})",
        tooltip=tooltip,
        claim_tooltip=f"claimed after {label}: {claimed}",
        share=share,
        interval=interval,
        change=change,
        claimed=claimed,
    )
