# SPDX-License-Identifier: GPL-2.0-only
"""A whole conclusion in one word, and in one sentence; pure."""

from collections import Counter

import msgspec

from harness.judge.conclude import Conclusion
from harness.judge.ratios.prefixes import PrefixResult
from harness.judge.runs import null_runs
from harness.judge.verdict import Verdict
from harness.record.record import RunRecord
from harness.report import identity, lines, phrases
from harness.report.lines import TONE, Tone


class Answer(msgspec.Struct, frozen=True):
    """`word` is never better than the worst part; `because` is empty where the claims say it."""

    word: str
    tone: Tone
    because: str


def headline(conclusion: Conclusion) -> str:
    """Return the conclusion in one sentence, never better than its worst part."""
    record = conclusion.record
    for line in lines.memmaps(conclusion):
        if line.tone == "bad":
            return f"{line.name}: {line.text}"
    if record.outcome != "lost" and (prefix := lines.failed_prefix(conclusion)) is not None:
        return lines.fault(prefix)
    if record.outcome != "complete":
        return phrases.outcome(record)
    for rule in conclusion.rules:
        if not rule.ok:
            return f"rule {rule.rule} fails: {rule.reason}"
    parts = [_ruling(conclusion, verdict) for verdict in conclusion.verdicts] or ["no claims"]
    if not phrases.decides(record):
        may = phrases.unfit_to_decide(record) or phrases.EVIDENCE[record.evidence].may
        parts.append(f"{record.evidence} {may}")
    return "; ".join(parts)


def _ruling(conclusion: Conclusion, verdict: Verdict) -> str:
    by = " by replay" if verdict.evidence != conclusion.record.evidence else ""
    return f"{phrases.about(verdict)} {verdict.verdict}{by}"


def answer(conclusion: Conclusion) -> Answer:
    """Return the answer to whether the series does what its cover letter says."""
    record = conclusion.record
    because = f"{_capital(headline(conclusion))}."
    compared = [one for part in conclusion.parts for one in identity.memmaps(part)]
    if failed := [one for one in compared if one.failed]:
        if any(one.at_fault for one in failed):
            return Answer("Struct pages differ", "bad", because)
        return Answer("Struct pages not comparable", "doubt", because)
    if record.outcome != "lost" and (prefix := lines.failed_prefix(conclusion)) is not None:
        return _of_prefix(prefix, because)
    if record.outcome != "complete":
        word = "interrupted" if record.outcome == "lost" else record.outcome.replace("_", " ")
        return Answer(f"Run {word}", "doubt", because)
    if any(not rule.ok for rule in conclusion.rules):
        return Answer("Rule failed", "bad", because)
    if record.is_null:
        return _of_null(record)
    counted = Counter(verdict.verdict for verdict in conclusion.verdicts)
    if not counted:
        return Answer("No claim", "open", "No claim is about what was measured.")
    if len(counted) == 1:
        (word,) = counted
        return Answer(_capital(word), TONE[word], _capital(phrases.unfit_to_decide(record)))
    words = ", ".join(f"{counted[word]} {word}" for word in TONE if word in counted)
    tones = {TONE[word] for word in counted}
    tone = next(tone for tone in ("bad", "doubt", "open", "good") if tone in tones)
    return Answer(_capital(words), tone, "")


def _of_prefix(prefix: PrefixResult, because: str) -> Answer:
    name = _capital(lines.prefix_name(prefix))
    if not prefix.builds:
        return Answer(f"{name} does not build", "bad", because)
    if prefix.why:
        return Answer(f"{name} fails", "doubt", because)
    return Answer(f"{name} adds warnings", "bad", because)


def _of_null(record: RunRecord) -> Answer:
    seen = null_runs.read(record)
    if seen is None:
        return Answer("Too few samples", "doubt", "At least one ratio has no interval.")
    if seen.finds:
        return Answer("Base differs from itself", "doubt", f"{_capital(seen.finds)}.")
    return Answer("No difference", "good", "Noise causes no difference on this machine.")


def _capital(text: str) -> str:
    return (text[:1].upper() + text[1:]).rstrip(".")
