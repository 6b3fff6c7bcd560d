# SPDX-License-Identifier: GPL-2.0-only
"""The page's pictures as files, for a mail or a talk: SVG and PNG, the same bytes each time."""

import io
import re
from collections.abc import Iterator
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.analysis.conclude import Conclusion
from harness.analysis.ladder import Ladder, Step, ladders
from harness.report import words
from harness.report.figures import Strip, strips
from harness.report.text import one_line

BASE, TIP, SAVES, COSTS, CLAIM = "#66707c", "#0b62c4", "#0d7a4b", "#b3420b", "#8a3ffc"
WIDTH_INCHES = 7.0
LANE_INCHES, ROW_INCHES, AROUND_INCHES = 0.06, 0.25, 1.1
DPI = 150
#: Text stays text, to be found and read; ids and dates would differ from run to run.
_STYLE: Any = {
    "svg.hashsalt": "memmap-harness",
    "svg.fonttype": "none",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    # What looks like a formula in a name is none.
    "text.parse_math": False,
}


def draw(conclusion: Conclusion) -> Iterator[tuple[str, bytes]]:
    """Give file name and content of every picture."""
    with mpl.rc_context():
        # Not the user's own style: it is the same picture everywhere.
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        for strip in strips(conclusion):
            name = f"samples-{strip.kind}-{strip.op}"
            yield from _files(name, _strip(strip), conclusion)
        for ladder in ladders(conclusion):
            yield from _files(f"gain-{ladder.kind}-{ladder.metric}", _ladder(ladder), conclusion)


def _files(name: str, figure: Figure, conclusion: Conclusion) -> Iterator[tuple[str, bytes]]:
    record = conclusion.record
    told = f"{words.subject(record)}, {record.machine.cpu}, {record.evidence}, {record.run_id}"
    figure.supxlabel(one_line(told, 120), fontsize=6, color=BASE, x=0.01, ha="left")
    plain = re.sub(r"[^A-Za-z0-9_-]", "-", name)
    for kind, metadata in (("svg", {"Date": None, "Creator": None}), ("png", {"Software": None})):
        out = io.BytesIO()
        figure.savefig(out, format=kind, dpi=DPI, metadata=metadata)
        yield f"{plain}.{kind}", out.getvalue()


def _figure(height_inches: float, title: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(WIDTH_INCHES, height_inches + AROUND_INCHES), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(one_line(title, 80), loc="left", fontsize=10)
    axes.invert_yaxis()
    axes.grid(axis="x", color="#cdd4db", linewidth=0.6)
    axes.set_axisbelow(True)
    return figure, axes


def _strip(strip: Strip) -> Figure:
    """Every sample: a row a side, a line of dots a boot; a dot's area says how many it is."""
    row_inches = strip.lanes * LANE_INCHES + ROW_INCHES
    figure, axes = _figure(len(strip.rows) * row_inches, strip.title)
    for y, row in enumerate(strip.rows):
        for counts in (True, False):
            dots = [dot for dot in row.dots if dot.counts == counts]
            axes.scatter(
                [dot.ms for dot in dots],
                [y + ((dot.lane + 0.5) / strip.lanes - 0.5) * 0.7 for dot in dots],
                s=[10 * min(dot.count, 8) for dot in dots],
                color=(BASE if y == 0 else TIP) if counts else "none",
                edgecolors="none" if counts else COSTS,
                alpha=0.55,
            )
        if row.middle_ms is not None:
            axes.plot([row.middle_ms] * 2, [y - 0.4, y + 0.4], color="black", linewidth=1.5)
    axes.set_yticks(range(len(strip.rows)), [one_line(row.side, 20) for row in strip.rows])
    axes.set_xlabel(f"ms; a line of dots is a {strip.unit}")
    return figure


def _ladder(ladder: Ladder) -> Figure:
    """A bar from the cost before a patch to the cost with it, its interval, and what is claimed."""
    what = "instructions" if ladder.metric == "instructions" else "time"
    figure, axes = _figure(len(ladder.steps) * ROW_INCHES, f"{ladder.kind}: {what}")
    for y, step in enumerate(ladder.steps):
        colour = BASE if step.unclear else SAVES if step.change < 0 else COSTS
        axes.barh(y, step.change * 100, left=step.before * 100, height=0.5, color=colour)
        if step.low is not None and step.high is not None:
            axes.plot([step.low * 100, step.high * 100], [y, y], color="black", linewidth=1)
        if step.claimed is not None:
            axes.plot(step.claimed * 100, y, "D", color=CLAIM, markersize=6)
    axes.axvline(100, color=BASE, linestyle=":", linewidth=1)
    axes.set_xlim(left=0)
    axes.set_yticks(range(len(ladder.steps)), [_name(step) for step in ladder.steps])
    axes.set_xlabel("percent of base's cost; line: 95 % interval; diamond: claimed")
    return figure


def _name(step: Step) -> str:
    return one_line(f"{step.side}: {step.share * 100:.1f} %", 30)
