# SPDX-License-Identifier: GPL-2.0-only
"""The answer in one word, for the top of a page and a row of the history."""

from collections import Counter

import msgspec

from harness.judge.conclude import Conclusion
from harness.judge.prefixes import PrefixResult
from harness.judge.runs import null_runs
from harness.judge.verdict import Word
from harness.record.record import RunRecord
from harness.report import identity
from harness.report.summary_line import headline
from harness.report.terminal import per_patch

#: How a word is to be taken: bad is certain, doubt is ours to hint, open says nothing.
TONE: dict[Word, str] = {
    "reproduced": "good",
    "contradicted": "bad",
    "inconclusive": "doubt",
    "untested": "open",
}
_ORDER = tuple(TONE)


class Answer(msgspec.Struct, frozen=True):
    """`word` says it, never better than the worst part; `because` is what goes before the claims.

    `tone` is good, bad, doubt or open.
    """

    word: str
    tone: str
    because: str


def answer(conclusion: Conclusion) -> Answer:
    """Return the answer to whether the series does what its cover letter says."""
    record = conclusion.record
    because = f"{_capital(headline(conclusion))}."
    if unlike := [left for left in identity.memmaps(conclusion) if left.unlike]:
        if any(left.at_fault for left in unlike):
            return Answer("Struct pages differ", "bad", because)
        return Answer("Struct pages unknown", "doubt", because)
    if record.outcome != "lost" and (rung := per_patch.broken(conclusion)) is not None:
        return _of_rung(rung, because)
    if record.outcome != "complete":
        return Answer(f"Run {record.outcome.replace('_', ' ')}", "doubt", because)
    if any(not gate.ok for gate in conclusion.gates):
        return Answer("Gate failed", "bad", because)
    if record.is_null:
        return _of_null(record)
    counted = Counter(verdict.verdict for verdict in conclusion.verdicts)
    if not counted:
        return Answer("No claim", "open", "Nothing that is claimed answers to what was measured.")
    if len(counted) == 1:
        (word,) = counted
        return Answer(_capital(word), TONE[word], "")
    told = ", ".join(f"{counted[word]} {word}" for word in _ORDER if word in counted)
    tones = {TONE[word] for word in counted}
    tone = next(tone for tone in ("bad", "doubt", "open", "good") if tone in tones)
    return Answer(_capital(told), tone, "")


def _of_rung(rung: PrefixResult, because: str) -> Answer:
    """What the first prefix that does not hold makes of a ladder."""
    name = _capital(per_patch.name(rung))
    if not rung.builds:
        return Answer(f"{name} does not build", "bad", because)
    if rung.why:
        return Answer(f"{name} does not hold", "doubt", because)
    return Answer(f"{name} adds warnings", "bad", because)


def _of_null(record: RunRecord) -> Answer:
    seen = null_runs.read(record)
    if seen is None:
        return Answer("Too short to tell", "doubt", "There is no interval of every kind.")
    if seen.finds:
        return Answer("Noise looks like a difference", "doubt", f"{_capital(seen.finds)}.")
    return Answer("No difference", "good", "Noise alone looks like none on this machine.")


def _capital(text: str) -> str:
    return (text[:1].upper() + text[1:]).rstrip(".")
