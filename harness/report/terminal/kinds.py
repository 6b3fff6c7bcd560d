# SPDX-License-Identifier: GPL-2.0-only
"""Compares the runs of one series for a terminal; pure."""

from collections.abc import Iterator, Sequence

from harness.judge.runs.kinds import Disagreement, Saving
from harness.report import tables
from harness.report.tables import Table


def table(savings: Sequence[Saving]) -> Table:
    """Return one row per driver and run: evidence, CPU, reduction and its interval."""
    headings = ("driver", "evidence", "CPU", "base", "reduction", "95 %")
    return Table(headings, [(s.metric, _evidence(s), *_numbers(s)) for s in savings], 4)


def sentences(savings: Sequence[Saving], apart: Sequence[Disagreement]) -> Iterator[str]:
    """Yield why a row is not usable, and the pairs of rows whose intervals do not overlap."""
    for saving in savings:
        if saving.why_not:
            yield f"{saving.metric}, {_evidence(saving)}: not usable: {saving.why_not}"
    for pair in apart:
        one, other = (f"{_evidence(s)} on {s.cpu} {_interval(s)}" for s in (pair.one, pair.other))
        yield f"{pair.one.metric}: intervals do not overlap: {one}; {other}"
    usable = {saving.run_id for saving in savings if not saving.why_not}
    if len(usable) > 1 and not apart:
        yield "no disagreement between runs"


def _evidence(saving: Saving) -> str:
    is_proxy = saving.kind != saving.metric
    return f"{saving.evidence} ({saving.kind})" if is_proxy else saving.evidence


def _numbers(saving: Saving) -> tuple[str, str, str, str]:
    interval = _interval(saving) if saving.reduction is not None else "-"
    return saving.cpu, f"v{saving.release}", tables.percent(saving.percent), interval


def _interval(saving: Saving) -> str:
    assert saving.reduction is not None  # noqa: S101 (callers know it)
    return f"{saving.reduction.low:.1f} to {saving.reduction.high:.1f}"
