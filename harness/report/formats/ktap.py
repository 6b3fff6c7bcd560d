# SPDX-License-Identifier: GPL-2.0-only
"""A conclusion in KTAP, version 1: a subtest a group, numbers as diagnostics.

Documentation/dev-tools/ktap.rst is the format, tools/testing/kunit/kunit_parser.py (v7.2) what
reads it. That parser takes some diagnostics for more than that, and stops reading at a few phrases
wherever they stand in a line: no text of ours or of others may look like one.
"""

import itertools
import re
from collections.abc import Sequence

from harness.judge.conclude import Conclusion
from harness.report import phrases
from harness.report.escaping import one_line
from harness.report.row import Number, ReportRow
from harness.report.rows import results

#: Lines of a splat that are shown; the whole of it is in the boot's log.
MAX_LOG_LINES = 40
_NO_NAME = re.compile(r"[^A-Za-z0-9_.-]+")
#: Where a blank keeps the parser from finding its KTAP_END, and losing all that follows.
_ENDS = re.compile(
    r"(?<=List of all partitions)(?=:)|(?<=not syncing)(?=: VFS:)|(?<=reboot)(?=: System halted)"
)


def ktap(conclusion: Conclusion) -> str:
    """Return the report, for `kunit.py parse` and whatever else reads KTAP."""
    record = conclusion.record
    groups = [
        (_name(name), list(members))
        for name, members in itertools.groupby(results(conclusion), lambda result: result.group)
    ]
    told = [phrases.subject(record), phrases.setting(record), phrases.evidence(record)]
    told += [f"{noise.where}: {noise.text}" for noise in conclusion.noise]
    lines = ["KTAP version 1", f"1..{len(groups)}", *map(_diagnostic, told)]
    for number, (name, members) in enumerate(groups, 1):
        lines += [f"  {line}" for line in _subtest(name, members, record.evidence)]
        lines.append(_summary(number, name, members))
    return "\n".join(lines) + "\n"


def _subtest(name: str, members: Sequence[ReportRow], evidence: str) -> list[str]:
    lines = ["KTAP version 1", f"# Subtest: {name}", f"1..{len(members)}"]
    for position, result in enumerate(members, 1):
        lines += [_measured(number, evidence) for number in result.numbers]
        log = result.log.splitlines()
        lines += [_diagnostic(f"| {line}") for line in log[:MAX_LOG_LINES]]
        if len(log) > MAX_LOG_LINES:
            lines.append(_diagnostic(f"| … {len(log) - MAX_LOG_LINES} more lines in the log"))
        lines += _result(position, result, name)
    return lines


def _result(number: int, result: ReportRow, group: str) -> list[str]:
    """Return a result's lines. A plain result has its text before it alone.

    Behind the hash sign it could begin with what is a directive.
    """
    name = _name(result.name)
    if name == group:
        name += "_"  # or the parser would take it for the end of the group
    match result.status:
        case "skip":
            return [f"ok {number} {name} # SKIP {_text(result.text)}"]
        case "error" | "miss":
            line = f"not ok {number} {name} # ERROR {_text(result.text)}"
        case "pass" | "done":
            line = f"ok {number} {name}"
        case "fail":
            line = f"not ok {number} {name}"
    return [_diagnostic(result.text), line]


def _summary(number: int, name: str, members: Sequence[ReportRow]) -> str:
    """Return a group's own line: it fails with any of its results, and is skipped with all."""
    statuses = {result.status for result in members}
    if statuses == {"skip"}:
        return f"ok {number} {name} # SKIP nothing of it could be tested"
    return f"{'ok' if statuses <= {'pass', 'skip', 'done'} else 'not ok'} {number} {name}"


def _measured(number: Number, evidence: str) -> str:
    of = f"{number.build} " if number.build else ""
    by = evidence if number.measured else "claimed"
    return _diagnostic(f"{of}{number.name} ({by}): {number.value:.3f} {number.unit}".rstrip())


def _diagnostic(text: str) -> str:
    return f"# {_text(text)}"


def _text(text: str) -> str:
    """Return a text that no parser takes for a directive, a subtest's header or an end."""
    line = one_line(text).replace("#", "no. ").replace("Subtest:", "Subtest :")
    return _ENDS.sub(" ", line)


def _name(text: str) -> str:
    return _NO_NAME.sub("_", text).strip("_") or "unnamed"
