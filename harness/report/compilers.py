# SPDX-License-Identifier: GPL-2.0-only
"""Compares the tables of several compilers: one table and sentences; pure, not escaped."""

from collections.abc import Iterator, Sequence

from harness.judge.runs.compilers import ByCompiler
from harness.judge.stats.ratio import Ratio
from harness.report.lines import Line
from harness.report.tables import Table, interval


def table(found: Sequence[ByCompiler]) -> Table:
    """Return each build's ratio to base by compiler, and its time beside the first compiler's.

    `found` is not empty.
    """
    first, *others = found[0].compilers
    # None, if base alone was timed.
    compared = found[0].compilers if any(one.ratios for one in found) else ()
    headings = (
        *("build", "kind"),
        *(f"{compiler}:\nto its base" for compiler in compared),
        *(f"{other}\nto {first}" for other in others),
    )
    rows = [
        (
            *(one.build, one.kind),
            *(_ratio(one.ratios.get(compiler)) for compiler in compared),
            *(_ratio(one.beside_first.get(other)) for other in others),
        )
        for one in found
    ]
    return Table(headings, rows, 2)


def lines(found: Sequence[ByCompiler]) -> Iterator[Line]:
    """Yield each gain that some compilers lack, or that all compilers have all gains."""
    compared = [one for one in found if one.ratios]
    for one in compared:
        if one.disagree:
            with_gain = [c for c, gain in one.gains.items() if gain == "faster"]
            without = [c for c, gain in one.gains.items() if gain != "faster"]
            alone = " only" if len(with_gain) == 1 else ""
            text = f"faster than base with {_each(one, with_gain)}{alone}; with "
            words = {"open": "the interval holds 1", "slower": "slower"}
            text += " and ".join(f"{_each(one, [c])} {words[one.gains[c]]}" for c in without)
            yield Line(f"{one.build}, {one.kind}", text, "doubt")
    if compared and not any(one.disagree for one in compared):
        yield Line("compilers", "each gain exists with all of them", "good")


def _each(one: ByCompiler, compilers: Sequence[str]) -> str:
    return " and ".join(f"{compiler} ({_ratio(one.ratios[compiler])})" for compiler in compilers)


def _ratio(ratio: Ratio | None) -> str:
    if ratio is None:
        return ""
    return f"{ratio.value:.3f} {interval(ratio.low, ratio.high)}".rstrip()
