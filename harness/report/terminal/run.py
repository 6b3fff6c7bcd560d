# SPDX-License-Identifier: GPL-2.0-only
"""A conclusion for a terminal: verdicts, one table, exceptions; with `verbose` everything."""

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table as Grid
from rich.text import Text

from harness.host import units
from harness.judge.conclude import Conclusion
from harness.record.record import Evidence, ReplayRun
from harness.report import claims, identity, lines, phrases, tables
from harness.report.escaping import one_line
from harness.report.lines import Line
from harness.report.tables import Table
from harness.report.terminal.exceptions import SHOWN, exceptions

_COLOURS = {"good": "green", "bad": "red", "doubt": "yellow", "open": "yellow", "": ""}
_NO_TITLES: Mapping[str, str] = {}
#: From this width tables have more columns and wider gaps.
WIDE = 100
#: What was measured, after the setting.
_BRIEF: dict[Evidence, str] = {
    "boot-kvm": "",
    "metal": "",
    "boot-tcg": "; emulated: nothing is concluded about speed",
    "boot-icount": "; instructions counted: nothing is concluded about speed",
    "reported": ", in logs of a machine that is not ours",
    "replay": " of the function in user space, on this CPU",
}


class _Report:
    """A conclusion that rich can print, laid out for the width of the terminal."""

    def __init__(self, conclusion: Conclusion, titles: Mapping[str, str], *, verbose: bool) -> None:
        self.conclusion = conclusion
        self.titles = titles
        self.verbose = verbose

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from _head(self.conclusion)
        if not self.verbose:
            yield from map(text, _faults(self.conclusion))
        for table in (claims.claims(self.conclusion), *self._tables(options.max_width >= WIDE)):
            if table.rows:
                yield Text()
                yield grid(table, options.max_width)
        yield Text()
        found = _all(self.conclusion, self.titles) if self.verbose else _brief(self.conclusion)
        yield from map(text, found)

    def _tables(self, wide: bool) -> Iterator[Table]:  # noqa: FBT001 (one argument)
        """Yield one table per run."""
        if self.verbose:
            yield from tables.measured(self.conclusion)
            yield from map(tables.effects, self.conclusion.parts)
            return
        for part in self.conclusion.parts:
            if not isinstance(part.record, ReplayRun):
                yield tables.booted(part)
            elif any(row.kinds for row in part.rows):
                yield tables.by_build(part, wide=wide)
            else:
                yield tables.traffic(part) if part.record.traffic else tables.effects(part)


def terminal(
    conclusion: Conclusion, titles: Mapping[str, str] = _NO_TITLES, *, verbose: bool = False
) -> RenderableType:
    """Return the report as something rich can print; `titles` are those of a replay's builds."""
    return _Report(conclusion, titles, verbose=verbose)


def _head(conclusion: Conclusion) -> Iterator[Text]:
    yield Text(one_line(phrases.subject(conclusion.record)), "bold")
    for part in conclusion.parts:
        record = part.record
        setting = f"{record.evidence}: {phrases.setting(record)}{_BRIEF[record.evidence]}"
        yield Text(one_line(setting))


def _faults(conclusion: Conclusion) -> Iterator[Line]:
    """Yield what makes the result void, which is said first."""
    yield from _few("fault", [one for one in exceptions(conclusion) if one.tone == "bad"])
    for prefix in conclusion.prefixes:
        for line in prefix.detail.splitlines()[:SHOWN]:
            yield Line(lines.prefix_name(prefix), line)


def _brief(conclusion: Conclusion) -> Iterator[Line]:
    yield from claims.reasons(conclusion)
    yield from _same(conclusion)
    yield from lines.clocks(conclusion)
    yield from lines.traffic(conclusion)
    yield from lines.rules(conclusion)
    yield from lines.unvouched(conclusion)
    yield from lines.own(conclusion)
    yield from _few("commit", list(lines.commits(conclusion)))
    yield from _few("exception", [one for one in exceptions(conclusion) if one.tone != "bad"])


def _same(conclusion: Conclusion) -> Iterator[Line]:
    """Yield what is equal, as it must be: struct pages and what else was compared, patches."""
    same = next(filter(None, map(identity.summary, conclusion.parts)), "")
    pages = [line for line in lines.memmaps(conclusion) if line.tone == "good"]
    for line in pages:
        yield line._replace(text="; ".join(filter(None, (line.text, same))), tone="")
    if same and not pages:
        yield Line("compared", same)
    yield from (line for line in lines.patches(conclusion) if line.tone == "good")


def _few(what: str, found: Sequence[Line]) -> Iterator[Line]:
    """Yield the first lines; the last says how many more there are."""
    *first, last = found[:SHOWN] or [Line("", "")]
    yield from first
    if len(found) > SHOWN:
        left = units.count(len(found) - SHOWN, f"more {what}")
        last = last._replace(text=f"{last.text} ({left}: `harness report -v`)")
    if found:
        yield last


def _all(conclusion: Conclusion, titles: Mapping[str, str]) -> Iterator[Line]:
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
    yield from lines.clocks(conclusion)
    yield from lines.null(conclusion)
    yield from lines.sameness(conclusion, identity.SHOWN)
    yield from lines.unvouched(conclusion)
    for part in conclusion.parts:
        if part.fillings:
            rates = ", ".join(f"{f.how} {f.gb_per_s:.1f}" for f in part.fillings)
            text = f"{rates} GB/s; `limit` is the share of the fastest non-temporal store"
            yield Line("memory bandwidth", text)
        if any(row.kinds for row in part.rows):
            text = "calls on the whole namespace; the first one faults its memory in"
            yield Line("ms, first", text)
        yield Line("evidence", phrases.evidence(part.record))
    yield Line(
        "machine",
        f"{host.cpu}, {host.cpus} CPUs; {host.accelerator}: {host.accelerator_proof}; "
        f"kernels built with {phrases.compilers(record)}",
    )


def grid(table: Table, width: int = 80) -> Grid:
    """Return a table as something rich can print in that width."""
    gap = 2 if _width(table) + 2 * len(table.headings) <= width else 1
    made = Grid(box=None, padding=(0, gap, 0, 0), pad_edge=False, header_style="bold")
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
