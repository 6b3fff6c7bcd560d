# SPDX-License-Identifier: GPL-2.0-only
"""Whether a run entitles its user to a Tested-by (Documentation/process/submitting-patches.rst)."""

from typing import NamedTuple

from harness.judge.conclude import Conclusion
from harness.report import phrases


class Person(NamedTuple):
    """Whose mail it is: name and address as the user's own git has them."""

    name: str
    address: str


def withheld(conclusion: Conclusion, person: Person | None) -> str:
    """Return why there is no Tested-by; "" where there is one."""
    record = conclusion.record
    reasons = (
        (record.outcome != "complete", f"the run is {record.outcome}"),
        (not phrases.decides(record), f"{record.evidence} decides no claim"),
        (not phrases.is_posted(record), f"{record.subject.source} is not what was posted"),
        (not phrases.is_whole(record), "not the whole series was on trial"),
        (not conclusion.verdicts, "nothing is claimed"),
        (
            any(verdict.verdict != "reproduced" for verdict in conclusion.verdicts),
            "not every claim is borne out",
        ),
        (any(not rung.holds for rung in conclusion.rungs), "not every patch holds"),
        (not conclusion.memmaps, "the struct pages were not compared"),
        (any(not found.ok for found in conclusion.memmaps), "the struct pages are not equal"),
        (any(not gate.ok for gate in conclusion.gates), "a gate fails"),
        (any(not one.ok for one in conclusion.identity), "base and series are not comparable"),
        (conclusion.null is not None and conclusion.null.finds != "", "noise alone differs"),
        (person is None, "git knows no name and address of yours (user.name, user.email)"),
    )
    return next((reason for holds, reason in reasons if holds), "")
