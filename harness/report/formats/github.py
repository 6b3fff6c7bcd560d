# SPDX-License-Identifier: GPL-2.0-only
"""A conclusion as GitHub's annotations: workflow commands on standard output; pure.

GitHub shows ten of a kind per step, so the last one says how many more there are.
"""

from collections.abc import Sequence

from harness.judge.conclude import Conclusion
from harness.report import phrases
from harness.report.escaping import one_line
from harness.report.rows import results

#: Annotations of one kind that GitHub shows per step.
MAX_OF_A_KIND = 10


def annotations(conclusion: Conclusion) -> str:
    """Return `::error` for each failed row, `::warning` for each undecided one and for noise."""
    record = conclusion.record
    found: dict[str, list[str]] = {"error": [], "warning": []}
    for row in results(conclusion):
        if row.status not in ("pass", "done"):
            text = f"{row.group} {row.name} ({row.evidence}): {row.text}"
            found["error" if row.status == "fail" else "warning"].append(text)
    found["warning"] += [phrases.noise(one) for part in conclusion.parts for one in part.noise]
    title = _data(phrases.subject(record)).replace(":", "%3A").replace(",", "%2C")
    return "".join(
        f"::{kind} title={title}::{_data(text)}\n"
        for kind, texts in found.items()
        for text in _limited(texts)
    )


def _limited(texts: Sequence[str]) -> Sequence[str]:
    if len(texts) <= MAX_OF_A_KIND:
        return texts
    shown = MAX_OF_A_KIND - 1
    return [*texts[:shown], f"{len(texts) - shown} more are listed in the summary"]


def _data(text: str) -> str:
    return one_line(text).replace("%", "%25")
