# SPDX-License-Identifier: GPL-2.0-only
"""Judges a commit by a replay: good, bad or, if that cannot be decided, skip.

Without a series, a commit's function is compared with the good commit's; with one, the series on a
commit with that commit.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from harness.errors import InputError
from harness.git.bisect import Word
from harness.judge.ratios.passes import by_slice, paired
from harness.judge.rule_syntax import Rule
from harness.judge.stats.ratio import CONFIDENCE
from harness.record.record import BASE, Pass
from harness.replay import compare, counting
from harness.replay.program.link import Program
from harness.replay.runner.runner import Runner
from harness.replay.timing import rounds
from harness.replay.timing.schedule import Schedule
from harness.workloads.replay import Case

TESTED = "build"
#: How often a ratio whose interval contains the threshold is measured before it is undecided.
MAX_LOOKS = 4
#: Each look at the pooled rounds is a chance to be wrong. With an equal share of the error per look
#: (Bonferroni), all looks together are wrong no more often than one interval of CONFIDENCE: 3 % at
#: the threshold itself, where four intervals of CONFIDENCE would be wrong in 8 %.
LOOK_CONFIDENCE = 1 - (1 - CONFIDENCE) / MAX_LOOKS


class CommitAnswer(msgspec.Struct, frozen=True):
    """Whether a commit is good, bad or skipped, and why, in one line."""

    word: Word
    detail: str


class Question(Protocol):
    """Judges the program of a commit by comparing it with `base`."""

    def __call__(self, base: Program, build: Program) -> CommitAnswer:
        """Return the answer. Raises MachineError if the replay itself fails."""


class Differs:
    """Bad if the two programs leave different struct pages."""

    def __init__(self, runner: Runner, cases: list[Case]) -> None:
        self._runner = runner
        self._cases = cases

    def __call__(self, base: Program, build: Program) -> CommitAnswer:
        """Compare the struct pages on all cases."""
        ours, theirs = (self._runner(program, []).facts for program in (base, build))
        if ours != theirs:
            return CommitAnswer("bad", f"the layout differs: {theirs}, not {ours}")
        programs = {BASE: base, TESTED: build}
        found = compare.compare(self._runner, programs, self._cases)
        for unequal in found.unequal:
            return CommitAnswer("bad", f"{unequal.case}: {unequal.what}")
        return CommitAnswer("good", f"{found.cases} cases equal")


class Slower:
    """Bad if the ratio of the times breaks a rule; measured until its interval decides that."""

    def __init__(self, runner: Runner, rule: Rule, schedule: Schedule) -> None:
        self._runner = runner
        self._rule = rule
        self._schedule = msgspec.structs.replace(schedule, kinds=(rule.kind,))

    def __call__(self, base: Program, build: Program) -> CommitAnswer:
        """Measure both, interleaved, so that noise affects both alike."""
        programs = {BASE: base, TESTED: build}
        passes: list[Pass] = []
        text = ""
        for look in range(MAX_LOOKS):
            schedule = msgspec.structs.replace(self._schedule, seed=self._schedule.seed + look)
            more = rounds.measure(self._runner, programs, schedule, lambda _: None)
            before = look * schedule.rounds
            passes += [msgspec.structs.replace(p, round=p.round + before) for p in more.passes]
            word, text = self._judged(passes)
            if word is not None:
                return CommitAnswer(word, text)
        return CommitAnswer(
            "skip", f"{text}: undecided after {MAX_LOOKS * self._schedule.rounds} rounds"
        )

    def _judged(self, passes: list[Pass]) -> tuple[Word | None, str]:
        times = {s: by_slice([p for p in passes if p.build == s]) for s in (BASE, TESTED)}
        found = paired(times[BASE], times[TESTED], LOOK_CONFIDENCE)
        text = f"{self._rule.kind} ratio {found.value:.3f}"
        if found.low is None or found.high is None:
            return None, f"{text}, too few rounds"
        text += f" ({found.low:.3f} to {found.high:.3f})"
        held = {self._rule.holds(found.low), self._rule.holds(found.high)}
        if len(held) == 2:
            return None, text
        return "good" if held == {True} else "bad", text


class Busier:
    """Bad if the ratio of executed instructions breaks a rule; exact, but blind to memory."""

    def __init__(self, runner: Runner, rule: Rule) -> None:
        self._runner = runner
        self._rule = rule

    def __call__(self, base: Program, build: Program) -> CommitAnswer:
        """Count the instructions of both."""
        counted = counting.count(self._runner, {BASE: base, TESTED: build})
        ours, theirs = (one.per_page[self._rule.kind] for one in counted)
        text = f"{self._rule.kind}: {theirs:.3f} instructions per page, {ours:.3f} before"
        return CommitAnswer("good" if self._rule.holds(theirs / ours) else "bad", text)


def require_decidable(rule: Rule, kinds: Sequence[str]) -> None:
    """Raise InputError for a rule that two objects cannot decide; `kinds` are of their function."""
    known = rule.metric in ("ratio", "instructions_ratio") and rule.kind in kinds
    if not known or rule.build or rule.op != "rebind":
        raise InputError(
            f"{rule.text} cannot be bisected by",
            where="--gate",
            expected=f"a rule like {kinds[0]}.ratio<1.05 or {kinds[-1]}.instructions_ratio<1.01",
        )


def by_rule(runner: Runner, rule: Rule, schedule: Schedule) -> Question:
    """Return the question for a rule. Raises InputError for one that two objects cannot decide."""
    require_decidable(rule, runner.replay.kinds)
    return Slower(runner, rule, schedule) if rule.metric == "ratio" else Busier(runner, rule)
