# SPDX-License-Identifier: GPL-2.0-only
"""A conclusion in KTAP version 1: one subtest per group, numbers as diagnostics; pure.

The format is Documentation/dev-tools/ktap.rst, its reader tools/testing/kunit/kunit_parser.py
(v7.2). That parser gives some diagnostics a meaning and stops at a few phrases anywhere in a line,
so no text may look like one.
"""

import re
from collections.abc import Sequence

from harness.judge.conclude import Conclusion
from harness.report import phrases
from harness.report.escaping import one_line
from harness.report.row import Number, ReportRow
from harness.report.rows import groups

#: Lines of a splat that are shown; the log of the boot has all of it.
MAX_LOG_LINES = 40
_NO_NAME = re.compile(r"[^A-Za-z0-9_.-]+")
#: A blank here keeps the parser from finding its KTAP_END, which would discard the rest.
_ENDS = re.compile(
    r"(?<=List of all partitions)(?=:)|(?<=not syncing)(?=: VFS:)|(?<=reboot)(?=: System halted)"
)


def ktap(conclusion: Conclusion) -> str:
    """Return the report, as `kunit.py parse` and other readers of KTAP expect it."""
    found = groups(conclusion)
    head = [phrases.subject(conclusion.record)]
    for part in conclusion.parts:
        head += [phrases.setting(part.record), phrases.evidence(part.record)]
        head += map(phrases.noise, part.noise)
    lines = ["KTAP version 1", f"1..{len(found)}", *map(_diagnostic, head)]
    for number, (group, rows) in enumerate(found.items(), 1):
        lines += [f"  {line}" for line in _subtest(_name(group), rows)]
        lines.append(_summary(number, _name(group), rows))
    return "\n".join(lines) + "\n"


def _subtest(name: str, rows: Sequence[ReportRow]) -> list[str]:
    lines = ["KTAP version 1", f"# Subtest: {name}", f"1..{len(rows)}"]
    for position, row in enumerate(rows, 1):
        lines += [_measured(number) for number in row.numbers]
        log = row.log.splitlines()
        lines += [_diagnostic(f"| {line}") for line in log[:MAX_LOG_LINES]]
        if len(log) > MAX_LOG_LINES:
            lines.append(_diagnostic(f"| … {len(log) - MAX_LOG_LINES} more lines in the log"))
        lines += _result(position, row, name)
    return lines


def _result(number: int, row: ReportRow, group: str) -> list[str]:
    """Return the lines of a row. Its text is a diagnostic above it.

    After the result's own hash sign it could be read as a directive.
    """
    name = _name(row.name)
    if name == group:
        name += "_"  # the parser would take it for the end of the group
    match row.status:
        case "skip" | "doubt":
            return [f"ok {number} {name} # SKIP {_text(row.text)}"]
        case "error" | "miss":
            line = f"not ok {number} {name} # ERROR {_text(row.text)}"
        case "pass" | "done":
            line = f"ok {number} {name}"
        case "fail":
            line = f"not ok {number} {name}"
    return [_diagnostic(row.text), line]


def _summary(number: int, name: str, rows: Sequence[ReportRow]) -> str:
    """Return the line of a group: failed if any row failed, skipped if all rows are skipped."""
    statuses = {row.status for row in rows}
    if statuses <= {"skip", "doubt"}:
        return f"ok {number} {name} # SKIP all of its results are skipped"
    return f"{'not ok' if statuses & {'fail', 'error', 'miss'} else 'ok'} {number} {name}"


def _measured(number: Number) -> str:
    of = f"{number.build} " if number.build else ""
    text = f"{of}{number.name} ({number.origin}): {number.value:.3f} {number.unit}"
    return _diagnostic(text.rstrip())


def _diagnostic(text: str) -> str:
    return f"# {_text(text)}"


def _text(text: str) -> str:
    """Return a text that no parser takes for a directive, the header of a subtest or an end."""
    line = one_line(text).replace("#", "no. ").replace("Subtest:", "Subtest :")
    return _ENDS.sub(" ", line)


def _name(text: str) -> str:
    return _NO_NAME.sub("_", text).strip("_") or "unnamed"
