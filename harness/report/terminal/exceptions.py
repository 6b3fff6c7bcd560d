# SPDX-License-Identifier: GPL-2.0-only
"""What spoils or limits a result, the gravest first, with what to do about it. Pure."""

from collections.abc import Iterator

from harness.judge.conclude import Conclusion
from harness.judge.conditions.noise import Noise
from harness.report import identity, lines, phrases
from harness.report.lines import Line

#: Lines that a terminal shows before the rest is only counted.
SHOWN = 3


def exceptions(conclusion: Conclusion) -> Iterator[Line]:
    """Yield a line per exception; findings of noise of one kind are one line."""
    record = conclusion.record
    if record.outcome != "complete" and not conclusion.verdicts:
        yield Line("outcome", phrases.outcome(record), "doubt")
    yield from (line for line in lines.memmaps(conclusion) if line.tone == "bad")
    yield from (line for line in lines.patches(conclusion) if line.tone == "bad")
    yield from _unlike(conclusion)
    yield from (line for line in lines.null(conclusion) if line.tone == "bad")
    yield from lines.disagreements(conclusion)
    yield from lines.replay(conclusion)
    found = [one for part in conclusion.parts for one in part.noise]
    for kind in dict.fromkeys(one.kind for one in found):
        yield _noise([one for one in found if one.kind == kind])


def _unlike(conclusion: Conclusion) -> Iterator[Line]:
    for part in conclusion.parts:
        for found in part.identity:
            for text in identity.unequal_pins(found):
                name = phrases.build(part.record, found.build)
                yield Line(name, f"not comparable with base: {text}", "bad")


def _noise(found: list[Noise]) -> Line:
    first, *others = found
    more = f" (and {len(others)} more)" if others else ""
    return Line("noise", f"{phrases.noise(first)}{more}; hint: {first.remedy}", "doubt")
