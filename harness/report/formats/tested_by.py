# SPDX-License-Identifier: GPL-2.0-only
"""Whether a run justifies a Tested-by (Documentation/process/submitting-patches.rst); pure."""

from typing import NamedTuple

from harness.judge.conclude import Conclusion
from harness.report import phrases


class Person(NamedTuple):
    """The user: name and address as configured in git."""

    name: str
    address: str


def withheld(conclusion: Conclusion, person: Person | None) -> str:
    """Return the reason why the run justifies no Tested-by, or "" if it does."""
    record = conclusion.record
    reasons = (
        (record.outcome != "complete", phrases.outcome(record)),
        (not phrases.decides(record), f"{record.evidence} cannot decide a claim"),
        (not phrases.is_posted(record), f"{record.subject.source} is not the posted series"),
        (not phrases.is_whole(record), "only part of the series was tested"),
        (not conclusion.booted, "there are no claims"),
        (
            any(verdict.verdict != "reproduced" for verdict in conclusion.booted),
            "not every claim is reproduced",
        ),
        (any(not prefix.holds for prefix in conclusion.prefixes), "a prefix of the series fails"),
        (not conclusion.memmaps, "the struct pages were not compared"),
        (
            any(not found.ok for part in conclusion.parts for found in part.memmaps),
            "the struct pages are not identical",
        ),
        (any(not rule.ok for rule in conclusion.rules), "a rule fails"),
        (any(not one.ok for one in conclusion.identity), "base and series are not comparable"),
        (conclusion.null is not None and conclusion.null.finds != "", "base differs from itself"),
        (person is None, "git config has no user.name or no user.email"),
    )
    return next((reason for applies, reason in reasons if applies), "")
