# SPDX-License-Identifier: GPL-2.0-only
"""Exit codes of the commands that conclude something from a run. Pure: values in, numbers out."""

from harness.errors import EXIT_VERDICT, DoesNotBuild
from harness.judge.conclude import Conclusion
from harness.judge.runs.null_runs import NullSeen
from harness.record.record import BootRun


def reproduce_exit_code(found: Conclusion, *, require_verdict: bool = False) -> int:
    """Return 0 unless a patch does not build (3), or does not hold, or a claim or rule fails (1).

    An untested claim fails only with `require_verdict`.
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
        and (not require_verdict or words == {"reproduced"})
    )
    return 0 if ok else EXIT_VERDICT


def judge_exit_code(found: Conclusion, *, require_verdict: bool = False) -> int:
    """Return 0 if every rule holds; without rules, if every claim is reproduced and patch holds.

    With `require_verdict` both must be so. A run that answers to no claim has reproduced none.
    """
    by_rules = all(rule.ok for rule in found.rules)
    words = {verdict.verdict for verdict in found.verdicts}
    by_claims = words == {"reproduced"} and all(prefix.holds for prefix in found.prefixes)
    ok = by_rules and (by_claims or (bool(found.rules) and not require_verdict))
    return 0 if ok else EXIT_VERDICT


def null_exit_code(seen: NullSeen | None) -> int:
    """Return 0 if a null run is long enough to say that noise alone makes no difference."""
    return 0 if seen is not None and not seen.finds else EXIT_VERDICT
