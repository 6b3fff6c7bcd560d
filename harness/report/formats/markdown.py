# SPDX-License-Identifier: GPL-2.0-only
"""A conclusion in GitHub's Markdown: verdicts and table first, the rest folded away.

Made for a job's summary, which GitHub drops as a whole once a step's are over 1024 KiB.
"""

import re
from collections.abc import Iterator

from harness.judge.conclude import Conclusion
from harness.report import identity as alike
from harness.report import phrases, tables
from harness.report.escaping import one_line, printable
from harness.report.row import ReportRow
from harness.report.rows import results
from harness.report.summary_line import headline
from harness.report.tables import Table
from harness.report.terminal import per_patch

#: What a step may upload as its summary, in bytes.
MAX_BYTES = 1024 << 10
LEFT_OUT = "The rest is left out here: it would not fit into {limit} bytes.\n"
#: Each becomes an ordinary character.
_ESCAPED = {c: f"\\{c}" for c in "\\`*_{}[]#|~$!"} | {c: f"&#{ord(c)};" for c in "<>&@"}
#: Where GitHub looks, behind Markdown's back, for links, emoji and commands to its runner.
_COLON = re.compile(r":(?=[:/\w+-])")
_FENCE = re.compile(r"`+")


def markdown(conclusion: Conclusion, limit: int = MAX_BYTES) -> str:
    """Return the report in at most `limit` bytes of UTF-8.

    What does not fit is left out from the end, and a sentence says so; verdicts and table stand in
    front. A limit below a few KiB can cut these too, never in the middle of a block.
    """
    told = LEFT_OUT.format(limit=limit)
    room = limit - len(told.encode())
    text = ""
    if room < 0:
        return text
    for block in (*_head(conclusion), *_folded(conclusion)):
        room -= len(block.encode()) + 2
        if room < 0:
            return text + told
        text += f"{block}\n\n"
    return text


def _head(conclusion: Conclusion) -> Iterator[str]:
    record = conclusion.record
    yield f"## {_text(phrases.subject(record))}"
    yield f"**{_text(headline(conclusion))}**"
    bound = per_patch.table(conclusion) if conclusion.rungs else tables.bindings(conclusion)
    for table in (bound, tables.passes(conclusion)):
        if table.rows:
            yield _table(table)
    lines = [f"- **{_text(one.name)}**: {_text(one.text)}" for one in per_patch.lines(conclusion)]
    lines += [
        f"- **{_text(phrases.about(verdict))}** {_text(phrases.ruling(verdict))}: "
        f"{_text(verdict.reason)}"
        for verdict in conclusion.verdicts
    ]
    lines.append(f"- **evidence** {_text(phrases.evidence(record))}")
    lines.append(f"- **setting** {_text(phrases.setting(record))}")
    lines += [
        f"- **noise** {_text(noise.where)}: {_text(noise.text)} (hint: {_text(noise.remedy)})"
        for noise in conclusion.noise
    ]
    lines += [f"- **struct pages** {_text(told)}" for told in alike.unlike(conclusion)]
    yield "\n".join(lines)


def _folded(conclusion: Conclusion) -> Iterator[str]:
    """Give what is folded away, the shortest first."""
    if (table := tables.effects(conclusion)).rows:
        yield _details("What each build costs of base", _table(table))
    for identity in conclusion.identity:
        body = "\n".join(f"- {_text(line)}" for line in alike.sameness(identity))
        title = (
            f"Whether {phrases.build(conclusion.record, identity.build)} may be compared with base"
        )
        yield _details(title, body)
    rows = phrases.environment(conclusion.record)
    yield _details("Environment", _table(Table(("", ""), rows, 2)))
    found = results(conclusion)
    listed = [(result.group, result.name, result.status, result.text) for result in found]
    headings = ("group", "result", "status", "")
    yield _details("All results", _table(Table(headings, listed, 4)))
    yield from (_splat(result) for result in found if result.log)


def _splat(result: ReportRow) -> str:
    # `::` at a line's beginning or `##[` anywhere would be a command to GitHub's runner.
    lines = [f"| {printable(line).replace('##[', '# #[')}" for line in result.log.splitlines()]
    longest = max((len(run) for line in lines for run in _FENCE.findall(line)), default=0)
    fence = "`" * max(3, longest + 1)
    body = "\n".join([f"{fence}text", *lines, fence])
    what = "Compiler on" if result.group == "builds" else "Console of"
    return _details(f"{what} {result.name}", body)


def _details(title: str, body: str) -> str:
    return f"<details><summary>{_text(title)}</summary>\n\n{body}\n\n</details>"


def _table(table: Table) -> str:
    align = ["---"] * table.texts + ["--:"] * (len(table.headings) - table.texts)
    rows = [[_text(heading) for heading in table.headings], align]
    rows += [[_text(cell) for cell in row] for row in table.rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _text(text: str) -> str:
    return _COLON.sub("&#58;", "".join(_ESCAPED.get(c, c) for c in one_line(text)))
