# SPDX-License-Identifier: GPL-2.0-only
"""A conclusion as b4's review checks: what a maintainer sees beside a series.

One entry, since b4 shows one a tool: the worst of all results is its status, and the details say
what it is made of. A warning is all that did not decide anything.
"""

import json

from harness.judge.conclude import Conclusion
from harness.report import phrases
from harness.report.escaping import one_line
from harness.report.row import ReportRow, Status, worst
from harness.report.rows import results
from harness.report.summary_line import headline

TOOL = "memmap-harness"
_STATUS: dict[Status, str] = {
    "pass": "pass",
    "fail": "fail",
    "error": "warn",
    "miss": "warn",
    "skip": "warn",
    "done": "pass",
}


def b4(conclusion: Conclusion) -> str:
    """Return the JSON array that `b4 review` reads from a check command."""
    record = conclusion.record
    found = results(conclusion)
    status, summary = _STATUS[worst(found)], headline(conclusion)
    if not phrases.is_posted(record):
        # Whoever reads this looks at the mails, and those were not on trial.
        status = "warn" if status == "pass" else status
        summary = f"of {record.subject.source}, not the posted patches: {summary}"
    lines = [
        f"{phrases.subject(record)}; {phrases.setting(record)}",
        phrases.evidence(record),
        *(f"{result.group} {result.name}: {result.text}" for result in found if _worth(result)),
        *(f"{noise.where}: {noise.text}" for noise in conclusion.noise),
        f"run {record.run_id}, begun {record.started}",
    ]
    entry = {
        "tool": TOOL,
        "status": status,
        "summary": one_line(summary),
        "details": "\n".join(one_line(line) for line in lines),
    }
    return json.dumps([entry], indent=2) + "\n"


def _worth(result: ReportRow) -> bool:
    """Whether a result is worth a maintainer's line: whatever did not pass, and every claim."""
    return result.status not in ("pass", "done") or result.name.startswith("claim")
