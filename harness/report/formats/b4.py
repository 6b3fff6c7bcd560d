# SPDX-License-Identifier: GPL-2.0-only
"""A conclusion as a `b4 review` check; pure.

One entry, since b4 shows one per tool: its status is that of the worst row, its details list the
rows. An undecided result is a warning.
"""

import json

from harness.judge.conclude import Conclusion
from harness.report import phrases
from harness.report.escaping import one_line
from harness.report.row import ReportRow, Status, worst
from harness.report.rows import results
from harness.report.verdict_line import headline

_STATUS: dict[Status, str] = {
    "pass": "pass",
    "fail": "fail",
    "error": "warn",
    "miss": "warn",
    "skip": "warn",
    "done": "pass",
    "doubt": "warn",
}


def b4(conclusion: Conclusion) -> str:
    """Return the JSON array that `b4 review` reads from a check command."""
    record = conclusion.record
    rows = list(results(conclusion))
    status, summary = _STATUS[worst(rows)], headline(conclusion)
    if not phrases.is_posted(record):
        # The check is shown beside the posted mails, and those were not tested.
        status = "warn" if status == "pass" else status
        summary = f"tested {record.subject.source}, not the posted patches: {summary}"
    lines = [
        f"{phrases.subject(record)}; {phrases.setting(record)}",
        *(phrases.evidence(part.record) for part in conclusion.parts),
        *(f"{row.group} {row.name}: {row.text}" for row in rows if _is_listed(row)),
        *(phrases.noise(one) for part in conclusion.parts for one in part.noise),
        f"run {record.run_id}, started {record.started}",
    ]
    entry = {
        "tool": "memmap-harness",
        "status": status,
        "summary": one_line(summary),
        "details": "\n".join(one_line(line) for line in lines),
    }
    return json.dumps([entry], indent=2) + "\n"


def _is_listed(row: ReportRow) -> bool:
    return row.status not in ("pass", "done") or row.name.startswith("claim")
