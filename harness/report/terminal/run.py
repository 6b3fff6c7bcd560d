# SPDX-License-Identifier: GPL-2.0-only
"""A conclusion for a terminal, 80 columns wide: tables, verdicts, noise, circumstances."""

from collections.abc import Iterator, Mapping

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table as Grid
from rich.text import Text

from harness.judge.conclude import Conclusion
from harness.report import identity, lines, phrases, tables
from harness.report.escaping import one_line
from harness.report.lines import Line
from harness.report.tables import Table

_COLOURS = {"good": "green", "bad": "red", "doubt": "yellow", "open": "yellow", "": ""}
_NO_TITLES: Mapping[str, str] = {}
WIDTH = 80


def terminal(conclusion: Conclusion, titles: Mapping[str, str] = _NO_TITLES) -> RenderableType:
    """Return the report as something rich can print; `titles` are those of a replay's builds."""
    record = conclusion.record
    title = f"{one_line(phrases.subject(record))}\n{one_line(phrases.setting(record))}"
    effects = tables.effects(conclusion)
    shown = [*tables.measured(conclusion), *([effects] if effects.rows else [])]
    return Group(Text(title, "bold"), *map(grid, shown), *map(text, _lines(conclusion, titles)))


def _lines(conclusion: Conclusion, titles: Mapping[str, str]) -> Iterator[Line]:
    record, host = conclusion.record, conclusion.record.machine
    yield from (Line(name, text) for name, text in titles.items())
    yield from lines.patches(conclusion)
    for prefix in conclusion.prefixes:
        yield from (Line(lines.prefix_name(prefix), text) for text in prefix.detail.splitlines())
    if not conclusion.verdicts or record.outcome != "complete":
        yield Line("outcome", phrases.outcome(record), "doubt")
    yield from lines.verdicts(conclusion)
    yield from lines.replay(conclusion)
    yield from lines.traffic(conclusion)
    yield from lines.rules(conclusion)
    yield from lines.memmaps(conclusion)
    yield from lines.precision(conclusion)
    yield from lines.noise(conclusion)
    yield from lines.null(conclusion)
    yield from lines.sameness(conclusion, identity.SHOWN)
    if conclusion.fillings:
        rates = ", ".join(f"{f.how} {f.gb_per_s:.1f}" for f in conclusion.fillings)
        text = f"{rates} GB/s; `limit` is the share of the fastest non-temporal store"
        yield Line("memory bandwidth", text)
    if any(row.kinds for row in conclusion.rows):
        yield Line("ms, first", "calls on the whole namespace; the first one faults its memory in")
    yield Line("evidence", phrases.evidence(record))
    yield Line(
        "machine",
        f"{host.cpu}, {host.cpus} CPUs; {host.accelerator}: {host.accelerator_proof}; "
        f"kernels built with {phrases.compilers(record)}",
    )


def grid(table: Table) -> Grid:
    """Return a table as something rich can print."""
    gap = 1 if _width(table) + 2 * len(table.headings) <= WIDTH else 0
    made = Grid(box=box.SIMPLE_HEAD, padding=(0, gap, 0, 0), pad_edge=False)
    for number, heading in enumerate(table.headings):
        justify = "left" if number < table.texts else "right"
        made.add_column(Text(heading), justify=justify, no_wrap=True)  # type: ignore[arg-type]
    for row in table.rows:
        made.add_row(*(Text(one_line(cell), _COLOURS[tables.TONES.get(cell, "")]) for cell in row))
    return made


def _width(table: Table) -> int:
    """Return the width of the cells of a table, without the gaps between them."""
    headings = [max(map(len, heading.split("\n"))) for heading in table.headings]
    return sum(
        max(heading, *(len(row[n]) for row in table.rows)) for n, heading in enumerate(headings)
    )


def text(line: Line) -> Text:
    """Return `name: text`, with the text coloured up to its first colon."""
    said = one_line(line.text)
    word, colon, rest = said.partition(":") if line.tone else ("", "", said)
    return Text.assemble(
        (one_line(line.name), "bold"), ": ", (word, _COLOURS[line.tone]), colon + rest
    )
