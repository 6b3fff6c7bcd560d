# SPDX-License-Identifier: GPL-2.0-only
"""A conclusion as a table in the form of Arm's fastpath, which mm reviewers know; pure.

One line per benchmark, one column per build: `fastpath result show --relative` prints the first
kernel's value, and the change that each of the others makes. Ours adds the interval.
"""

import io
import textwrap
from collections.abc import Iterable, Iterator, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.judge.conclude import Conclusion
from harness.judge.ratios.ratios import Effect
from harness.report import phrases
from harness.report.escaping import one_line
from harness.report.verdict_line import headline

#: Builds per table: three leave it narrow enough for a mail.
COLUMNS = 3
_TOO_FEW = "too few"
_LEGEND = (
    "Change of the median cost relative to base ({evidence}), with its 95 % interval: >0 is "
    "{better}, <0 is {worse}. (I) improvement, (R) regression: the interval excludes 0."
)


def fastpath(conclusion: Conclusion) -> str:
    """Return the report: what was measured, the tables, and what limits their use."""
    head = [phrases.subject(conclusion.record)]
    for part in conclusion.parts:
        record = part.record
        head += [
            f"{phrases.setting(record)}; {record.machine.cpu}; run {record.run_id}",
            phrases.evidence(record),
        ]
    blocks = [_sentences([*head, headline(conclusion)])]
    for part in conclusion.parts:
        blocks += _of_part(part)
    if found := [one for part in conclusion.parts for one in part.noise]:
        blocks.append(_sentences(f"{phrases.noise(one)}; hint: {one.remedy}" for one in found))
    return "\n\n".join(blocks) + "\n"


def _of_part(conclusion: Conclusion) -> list[str]:
    """Return the tables of a run and what their signs mean; nothing without an effect."""
    record = conclusion.record
    # An interval of emulated time would look like a finding.
    effects = [] if record.evidence == "boot-tcg" else conclusion.effects
    names = [build.name for build in record.builds[1:]]
    columns = (names[start : start + COLUMNS] for start in range(0, len(names), COLUMNS))
    tables = (list(_rows(conclusion, effects, builds)) for builds in columns)
    blocks = [_table(rows) for rows in tables if rows]
    if blocks:
        timed = any(effect.cost_unit == "ns" for effect in effects)
        better, worse = ("faster", "slower") if timed else ("fewer instructions", "more")
        legend = _LEGEND.format(evidence=record.evidence, better=better, worse=worse)
        blocks.append(_sentences([legend]))
    return blocks


def _sentences(texts: Iterable[str]) -> str:
    """Return each text on lines of its own, as wide as those of a mail."""
    return "\n".join(textwrap.fill(one_line(text), 78) for text in texts)


def _rows(
    conclusion: Conclusion, effects: Sequence[Effect], builds: Sequence[str]
) -> Iterator[tuple[str, ...]]:
    """Yield the headings, then a row per benchmark; nothing if there is no effect on the builds."""
    record = conclusion.record
    found = {(e.kind, e.op, e.cost_unit, e.build): e for e in effects if e.build in builds}
    asked = dict.fromkeys(key[:3] for key in found)
    if asked:
        base = f"{record.subject.release} (base)"
        yield ("Benchmark", "Result Class", base, *(phrases.build(record, b) for b in builds))
    for kind, op, cost_unit in asked:
        cells = [found.get((kind, op, cost_unit, build)) for build in builds]
        of_base = next(e.base_cost for e in cells if e is not None)
        if cost_unit == "ns":
            name, value = f"{op} (ms)", f"{of_base / 1e6:.2f}"
        else:
            name, value = f"{op} (instructions/page)", f"{of_base:.3f}"
        yield (f"{record.evidence}/{kind}", name, value, *map(_change, cells))


def _change(effect: Effect | None) -> str:
    """Return `(I) 59.36% [59.10, 59.61]`, or a dash for a build without the measurement."""
    if effect is None:
        return "-"
    change = f"{effect.gain_percent:.2f}%"
    if effect.low is None or effect.high is None:
        return f"{change} [{_TOO_FEW}]"
    mark = ""
    if effect.differs:
        mark = "(I) " if effect.high < 1 else "(R) "
    # The cost's upper bound is the lower bound of what is saved.
    low, high = ((1 - bound) * 100 for bound in (effect.high, effect.low))
    return f"{mark}{change} [{low:.2f}, {high:.2f}]"


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    head, *body = rows
    table = Table(box=box.ASCII_DOUBLE_HEAD)
    for number, heading in enumerate(head):
        table.add_column(Text(one_line(heading)), justify="left" if number < 2 else "right")
    before = ""
    for benchmark, *cells in body:
        if before and benchmark != before:
            table.add_section()
        shown = benchmark if benchmark != before else ""
        table.add_row(*(Text(one_line(cell)) for cell in (shown, *cells)))
        before = benchmark
    out = io.StringIO()
    Console(file=out, width=500, color_system=None, highlight=False).print(table)
    return out.getvalue().rstrip()
