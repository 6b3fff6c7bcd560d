# SPDX-License-Identifier: GPL-2.0-only
"""A conclusion in GitHub's Markdown: verdicts and tables first, the rest folded; pure.

Made for a job's summary: GitHub discards the summary of a step if it is over 1024 KiB.
"""

import re
from collections.abc import Iterator

from harness.judge.conclude import Conclusion
from harness.report import identity, lines, phrases, tables
from harness.report.escaping import one_line, printable
from harness.report.lines import Line
from harness.report.row import ReportRow
from harness.report.rows import results
from harness.report.tables import Table
from harness.report.verdict_line import headline

#: The most that GitHub takes as the summary of a step.
MAX_BYTES = 1024 << 10
#: Each becomes an ordinary character.
_ESCAPED = {c: f"\\{c}" for c in "\\`*_{}[]#|~$!"} | {c: f"&#{ord(c)};" for c in "<>&@"}
#: GitHub finds links, emoji and commands to its runner by these, even where Markdown escapes them.
_COLON = re.compile(r":(?=[:/\w+-])")
_FENCE = re.compile(r"`+")


def markdown(conclusion: Conclusion, limit: int = MAX_BYTES) -> str:
    """Return the report in at most `limit` bytes of UTF-8.

    Blocks that do not fit are omitted from the end, and a sentence says so.
    """
    omitted = f"The rest is omitted: this report is limited to {limit} bytes.\n"
    room = limit - len(omitted.encode())
    text = ""
    if room < 0:
        return text
    for block in (*_head(conclusion), *_folded(conclusion)):
        room -= len(block.encode()) + 2
        if room < 0:
            return text + omitted
        text += f"{block}\n\n"
    return text


def _head(conclusion: Conclusion) -> Iterator[str]:
    record = conclusion.record
    yield f"## {_text(phrases.subject(record))}"
    yield f"**{_text(headline(conclusion))}**"
    yield from map(_table, tables.measured(conclusion))
    shown = [
        *lines.patches(conclusion),
        *lines.verdicts(conclusion),
        *lines.traffic(conclusion),
        *lines.replay(conclusion),
        *(
            line
            for part in conclusion.parts
            for line in (
                Line("evidence", phrases.evidence(part.record)),
                Line("setting", phrases.setting(part.record)),
            )
        ),
        *lines.precision(conclusion),
        *lines.noise(conclusion),
        *lines.memmaps(conclusion),
        *lines.unvouched(conclusion),
    ]
    yield "\n".join(f"- **{_text(line.name)}**: {_text(line.text)}" for line in shown)


def _folded(conclusion: Conclusion) -> Iterator[str]:
    """Yield the folded blocks, the shortest first."""
    for part in conclusion.parts:
        if (table := tables.effects(part)).rows:
            of = ", replay" if part is not conclusion else ""
            yield _details(f"Cost of each build relative to base{of}", _table(table))
    for part in conclusion.parts:
        for found in part.identity:
            build = phrases.build(part.record, found.build)
            build += ", replay," if part is not conclusion else ""
            body = "\n".join(f"- {_text(text)}" for text in identity.sameness(found))
            yield _details(f"Comparability of {build} with base", body)
    environment = Table(("", ""), phrases.environment(conclusion.record), 2)
    yield _details("Environment", _table(environment))
    rows = list(results(conclusion))
    listed = [(row.group, row.name, row.status, row.text) for row in rows]
    yield _details("All results", _table(Table(("group", "result", "status", ""), listed, 4)))
    yield from (_splat(row) for row in rows if row.log)


def _splat(row: ReportRow) -> str:
    # `::` at the start of a line or `##[` anywhere would be a command to GitHub's runner.
    shown = [f"| {printable(line).replace('##[', '# #[')}" for line in row.log.splitlines()]
    longest = max((len(run) for line in shown for run in _FENCE.findall(line)), default=0)
    fence = "`" * max(3, longest + 1)
    what = "Compiler output of" if row.group == "builds" else "Console of"
    return _details(f"{what} {row.name}", "\n".join([f"{fence}text", *shown, fence]))


def _details(title: str, body: str) -> str:
    return f"<details><summary>{_text(title)}</summary>\n\n{body}\n\n</details>"


def _table(table: Table) -> str:
    align = ["---"] * table.texts + ["--:"] * (len(table.headings) - table.texts)
    rows = [[_text(heading) for heading in table.headings], align]
    rows += [[_text(cell) for cell in row] for row in table.rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _text(text: str) -> str:
    return _COLON.sub("&#58;", "".join(_ESCAPED.get(c, c) for c in one_line(text)))
