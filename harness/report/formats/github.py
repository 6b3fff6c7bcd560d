# SPDX-License-Identifier: GPL-2.0-only
"""A conclusion as GitHub's annotations: workflow commands on standard output.

GitHub shows ten of a kind from one step, so the last says how many more there are.
"""

from collections.abc import Sequence

from harness.judge.conclude import Conclusion
from harness.report import phrases
from harness.report.escaping import one_line
from harness.report.row import ReportRow, Status
from harness.report.rows import results

#: What GitHub shows of a kind from one step.
MAX_OF_A_KIND = 10
_KIND: dict[Status, str] = {
    "fail": "error",
    "error": "warning",
    "miss": "warning",
    "skip": "warning",
}


def annotations(conclusion: Conclusion) -> str:
    """Return `::error` for what is at fault and `::warning` for what did not decide anything."""
    record = conclusion.record
    told: dict[str, list[str]] = {"error": [], "warning": []}
    for result in results(conclusion):
        if result.status in _KIND:
            told[_KIND[result.status]].append(_said(result, record.evidence))
    told["warning"] += [f"{noise.where}: {noise.text}" for noise in conclusion.noise]
    title = phrases.subject(record)
    return "".join(_command(kind, title, line) for kind in told for line in _few(told[kind]))


def _said(result: ReportRow, evidence: str) -> str:
    return f"{result.group} {result.name} ({evidence}): {result.text}"


def _few(lines: Sequence[str]) -> Sequence[str]:
    if len(lines) <= MAX_OF_A_KIND:
        return lines
    kept = MAX_OF_A_KIND - 1
    return [*lines[:kept], f"and {len(lines) - kept} more, which the summary lists"]


def _command(kind: str, title: str, message: str) -> str:
    return f"::{kind} title={_property(title)}::{_data(message)}\n"


def _data(text: str) -> str:
    return one_line(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
