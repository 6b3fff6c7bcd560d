# SPDX-License-Identifier: GPL-2.0-only
"""All of a conclusion in one sentence."""

from harness.judge.conclude import Conclusion
from harness.report import ladder, words
from harness.report.alike import unlike


def headline(conclusion: Conclusion) -> str:
    """Return the whole of it in one sentence, never better than its worst part."""
    record = conclusion.record
    if told := unlike(conclusion):
        return told[0]
    if record.outcome != "lost" and (rung := ladder.broken(conclusion)) is not None:
        return ladder.fault(rung)
    if record.outcome != "complete":
        return words.outcome(record)
    if failed := [gate for gate in conclusion.gates if not gate.ok]:
        return f"gate {failed[0].rule} fails: {failed[0].reason}"
    told = [f"{words.about(verdict)} {words.ruling(verdict)}" for verdict in conclusion.verdicts]
    if not told:
        told.append("nothing is claimed")
    undecided = {verdict.verdict for verdict in conclusion.verdicts} <= {"untested"}
    if undecided and not words.decides(record):
        told.append(f"{record.evidence} {words.EVIDENCE[record.evidence].may}")
    return "; ".join(told)
