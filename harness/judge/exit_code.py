# SPDX-License-Identifier: GPL-2.0-only
"""Exit codes of the commands that conclude something from a run. Pure: values in, numbers out."""

from typing import Literal

from harness.errors import EXIT_VERDICT, DoesNotBuild
from harness.judge.conclude import Conclusion
from harness.judge.runs.null_runs import NullSeen
from harness.judge.verdict import Word
from harness.record.record import BootRun

#: What a user may require of every claim, and the verdicts that meet it.
Required = Literal["reproduced", "supported"]
_MEETS: dict[Required, set[Word]] = {
    "reproduced": {"reproduced"},
    "supported": {"reproduced", "supported"},
}


def reproduce_exit_code(found: Conclusion, require: Required | None = None) -> int:
    """Return 0 unless a patch does not build (3), or does not hold, or a claim or rule fails (1).

    A claim that no boot decided fails only if more is required.
    """
    record = found.record
    if isinstance(record, BootRun) and record.unbuilt:
        return DoesNotBuild.exit_code
    words = {verdict.verdict for verdict in found.verdicts}
    ok = (
        record.outcome == "complete"
        and not words & {"contradicted", "inconclusive"}
        and all(prefix.holds for prefix in found.prefixes)
        and all(rule.ok for rule in found.rules)
        and not any(one.compared and not one.ok for part in found.parts for one in part.memmaps)
        and (require is None or _met(found, require))
    )
    return 0 if ok else EXIT_VERDICT


def judge_exit_code(found: Conclusion, require: Required | None = None) -> int:
    """Return 0 if every rule holds; without rules, if every claim is reproduced and patch holds.

    With `require`, claims must meet it as well. A run that no claim is about does not meet it.
    """
    by_rules = all(rule.ok for rule in found.rules)
    by_claims = _met(found, require or "reproduced")
    by_claims = by_claims and all(prefix.holds for prefix in found.prefixes)
    ok = by_rules and (by_claims or (bool(found.rules) and require is None))
    return 0 if ok else EXIT_VERDICT


def _met(found: Conclusion, require: Required) -> bool:
    """Return whether all claims meet it; only claims that boots were about can be reproduced."""
    verdicts = found.booted if require == "reproduced" else found.verdicts
    words = {verdict.verdict for verdict in verdicts}
    return bool(words) and words <= _MEETS[require]


def null_exit_code(seen: NullSeen | None) -> int:
    """Return 0 if a null run is long enough to say that noise alone makes no difference."""
    return 0 if seen is not None and not seen.finds else EXIT_VERDICT
