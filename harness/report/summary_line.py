# SPDX-License-Identifier: GPL-2.0-only
"""All of a conclusion in one sentence."""

from harness.judge.conclude import Conclusion
from harness.report import phrases
from harness.report.identity import unlike
from harness.report.terminal import per_patch


def headline(conclusion: Conclusion) -> str:
    """Return the whole of it in one sentence, never better than its worst part."""
    record = conclusion.record
    if told := unlike(conclusion):
        return told[0]
    if record.outcome != "lost" and (rung := per_patch.broken(conclusion)) is not None:
        return per_patch.fault(rung)
    if record.outcome != "complete":
        return phrases.outcome(record)
    if failed := [gate for gate in conclusion.gates if not gate.ok]:
        return f"gate {failed[0].rule} fails: {failed[0].reason}"
    told = [
        f"{phrases.about(verdict)} {phrases.ruling(verdict)}" for verdict in conclusion.verdicts
    ]
    if not told:
        told.append("nothing is claimed")
    undecided = {verdict.verdict for verdict in conclusion.verdicts} <= {"untested"}
    if undecided and not phrases.decides(record):
        told.append(f"{record.evidence} {phrases.EVIDENCE[record.evidence].may}")
    return "; ".join(told)
