# SPDX-License-Identifier: GPL-2.0-only
"""A conclusion for a terminal, 80 columns wide: the table, the verdicts, what spoils them."""

from collections.abc import Iterator, Mapping

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table as Grid
from rich.text import Text

from harness.judge.conclude import Conclusion
from harness.report import identity as alike
from harness.report import phrases, tables
from harness.report.escaping import one_line
from harness.report.tables import Table
from harness.report.terminal import per_patch

_COLOUR = {
    **dict.fromkeys(("reproduced", "equal", "yes", "0 new", "good"), "green"),
    **dict.fromkeys(("contradicted", "differs", "no", "unbuilt", "bad"), "red"),
    "open": "yellow",
}
_NO_TITLES: Mapping[str, str] = {}
WIDTH = 80


def terminal(conclusion: Conclusion, titles: Mapping[str, str] = _NO_TITLES) -> RenderableType:
    """Return the report as something rich can print; `titles` says what a replay's builds are."""
    record = conclusion.record
    title = f"{one_line(phrases.subject(record))}\n{one_line(phrases.setting(record))}"
    grids = [
        _grid(table)
        for table in (
            per_patch.table(conclusion) if conclusion.rungs else tables.bindings(conclusion),
            tables.passes(conclusion),
            tables.effects(conclusion),
        )
        if table.rows
    ]
    lines = [
        *(_line(name, text) for name, text in titles.items()),
        *_patches(conclusion),
        *_findings(conclusion),
        *_circumstances(conclusion),
    ]
    return Group(Text(title, "bold"), *grids, *lines)


def _grid(table: Table) -> Grid:
    gap = 1 if _width(table) + 2 * len(table.headings) <= WIDTH else 0
    grid = Grid(box=box.SIMPLE_HEAD, padding=(0, gap, 0, 0), pad_edge=False)
    for number, heading in enumerate(table.headings):
        justify = "left" if number < table.texts else "right"
        grid.add_column(Text(heading), justify=justify, no_wrap=True)  # type: ignore[arg-type]
    for row in table.rows:
        grid.add_row(*(Text(one_line(cell), _COLOUR.get(cell, "")) for cell in row))
    return grid


def _width(table: Table) -> int:
    """Return how wide the cells of a table are, without what lies between them."""
    headings = [max(map(len, heading.split("\n"))) for heading in table.headings]
    return sum(
        max(heading, *(len(row[n]) for row in table.rows)) for n, heading in enumerate(headings)
    )


def _patches(conclusion: Conclusion) -> Iterator[Text]:
    """A ladder's patches, and what the compiler says of those that do not build."""
    for line in per_patch.lines(conclusion):
        # All of a sentence is the matter, not what stands before its first colon.
        yield Text.assemble(
            (one_line(line.name), "bold"), ": ", (one_line(line.text), _COLOUR.get(line.tone, ""))
        )
    for rung in conclusion.rungs:
        for text in rung.detail.splitlines():
            yield Text(one_line(f"{rung.prefix} | {text}"))


def _findings(conclusion: Conclusion) -> Iterator[Text]:
    """What follows, the verdicts first."""
    if not conclusion.verdicts or conclusion.record.outcome != "complete":
        yield _line("outcome", phrases.outcome(conclusion.record), "yellow")
    for verdict in conclusion.verdicts:
        text = f"{phrases.ruling(verdict)}: {verdict.reason}"
        yield _line(phrases.about(verdict), text, _COLOUR.get(verdict.verdict, "yellow"))
    for gate in conclusion.gates:
        word = "holds" if gate.ok else "fails"
        yield _line("gate", f"{gate.rule} {word}: {gate.reason}", "green" if gate.ok else "red")
    if told := alike.unlike(conclusion):
        yield from (_line("memmap", text, "red") for text in told)
    elif conclusion.memmaps:
        text = f"as base's, in all {len(conclusion.memmaps)} comparisons"
        yield _line("memmap", text, "green")
    for noise in conclusion.noise:
        yield _line("noise", f"{noise.where}: {noise.text}; hint: {noise.remedy}", "yellow")
    if (null := conclusion.null) is not None:
        found = null.finds or "makes no difference"
        text = f"base against base (run {null.run_id}): {found}"
        yield _line("null", text, "red" if null.finds else "green")


def _circumstances(conclusion: Conclusion) -> Iterator[Text]:
    record, host = conclusion.record, conclusion.record.machine
    for identity in conclusion.identity:
        for told in alike.sameness(identity, alike.SHOWN):
            yield _line(phrases.build(record, identity.build), told, "" if identity.ok else "red")
    if conclusion.fillings:
        rates = ", ".join(f"{f.how} {f.gb_per_s:.1f}" for f in conclusion.fillings)
        text = f"{rates} GB/s; the limit is the best non-temporal one"
        yield _line("this memory takes", text)
    if any(row.kinds for row in conclusion.rows):
        yield _line("ms, first", "calls on the whole namespace; the first faults its memory in")
    yield _line("evidence", phrases.evidence(record))
    built = ", ".join(dict.fromkeys(build.compiler for build in record.builds))
    yield _line(
        "machine",
        f"{host.cpu}, {host.cpus} cpus; {host.accelerator}: {host.accelerator_proof}; "
        f"kernels built with {built}",
    )


def _line(name: str, text: str, colour: str = "") -> Text:
    """Return `name: text`; colour goes to what stands before the text's first colon."""
    told = one_line(text)
    word, colon, rest = told.partition(":") if colour else ("", "", told)
    return Text.assemble((one_line(name), "bold"), ": ", (word, colour), colon + rest)
