# SPDX-License-Identifier: GPL-2.0-only
"""What a bisection asks of each commit, and how a replay answers it.

Without a series a commit's own function is held against the good commit's; with one, the whole
series on a commit against that commit. A commit that cannot be asked is skipped, with the reason.
"""

from typing import Protocol

import msgspec

from harness.errors import InputError
from harness.jobs.bisect.outcome import Word
from harness.judge.passes import by_slice, paired
from harness.judge.rule_syntax import Rule
from harness.judge.stats.ratio import CONFIDENCE
from harness.record.record import BASE, Pass
from harness.replay import compare, counting
from harness.replay.cases import Case
from harness.replay.program.link import Program
from harness.replay.runner.runner import Runner
from harness.replay.timing import rounds
from harness.replay.timing.schedule import KINDS, Schedule

SIDE = "build"
#: How often a ratio that lies on both sides of a rule is measured anew before it stays undecided.
MOST_TURNS = 4
#: Each of those intervals is a chance to be wrong, and each pools all rounds before it. So that all
#: of them together are wrong as rarely as a single one of CONFIDENCE, each gets an equal share of
#: what may be wrong (Bonferroni): at the bound itself 3 % in all, where four intervals of
#: CONFIDENCE make 8 %.
LOOK_CONFIDENCE = 1 - (1 - CONFIDENCE) / MOST_TURNS


class CommitAnswer(msgspec.Struct, frozen=True):
    """What a commit is, and the evidence in a line."""

    word: Word
    detail: str


class Question(Protocol):
    """Asks two programs; `base` is what the other is held against."""

    def __call__(self, base: Program, build: Program) -> CommitAnswer:
        """Answer. Raises MachineError where that is nobody's fault but ours."""


class Differs:
    """Do the two leave other memmaps?"""

    def __init__(self, drive: Runner, cases: list[Case]) -> None:
        self._drive = drive
        self._cases = cases

    def __call__(self, base: Program, build: Program) -> CommitAnswer:
        """Compare on all cases."""
        ours, theirs = (self._drive(program, []).facts for program in (base, build))
        if ours != theirs:
            return CommitAnswer("bad", f"the layout differs: {theirs}, not {ours}")
        programs = {BASE: base, SIDE: build}
        found = compare.compare(self._drive, programs, self._cases)
        for unequal in found.unequal:
            return CommitAnswer("bad", f"{unequal.case}: {unequal.what}")
        return CommitAnswer("good", f"{found.cases} cases equal")


class Slower:
    """Does the ratio of the two break a rule? Measured in turn, until its interval says so."""

    def __init__(self, drive: Runner, rule: Rule, schedule: Schedule) -> None:
        self._drive = drive
        self._rule = rule
        self._schedule = msgspec.structs.replace(schedule, kinds=(rule.kind,))

    def __call__(self, base: Program, build: Program) -> CommitAnswer:
        """Measure both, interleaved, so that what disturbs one disturbs the other."""
        programs = {BASE: base, SIDE: build}
        passes: list[Pass] = []
        said = ""
        for turn in range(MOST_TURNS):
            schedule = msgspec.structs.replace(self._schedule, seed=self._schedule.seed + turn)
            more = rounds.measure(self._drive, programs, schedule, lambda _: None)
            before = turn * schedule.rounds
            passes += [msgspec.structs.replace(p, round=p.round + before) for p in more.passes]
            word, said = self._judged(passes)
            if word is not None:
                return CommitAnswer(word, said)
        return CommitAnswer(
            "skip", f"{said}: undecided after {MOST_TURNS * self._schedule.rounds} rounds"
        )

    def _judged(self, passes: list[Pass]) -> tuple[Word | None, str]:
        times = {s: by_slice([p for p in passes if p.build == s]) for s in (BASE, SIDE)}
        found = paired(times[BASE], times[SIDE], LOOK_CONFIDENCE)
        said = f"{self._rule.kind} ratio {found.value:.3f}"
        if found.low is None or found.high is None:
            return None, f"{said}, too few rounds to tell"
        said += f" ({found.low:.3f} to {found.high:.3f})"
        held = {self._rule.holds(found.low), self._rule.holds(found.high)}
        if len(held) == 2:
            return None, said
        return "good" if held == {True} else "bad", said


class Busier:
    """Does the ratio of instructions executed break a rule? Exact, and blind to the memory."""

    def __init__(self, drive: Runner, rule: Rule) -> None:
        self._drive = drive
        self._rule = rule

    def __call__(self, base: Program, build: Program) -> CommitAnswer:
        """Count both."""
        counted = counting.count(self._drive, {BASE: base, SIDE: build})
        ours, theirs = (one.per_page[self._rule.kind] for one in counted)
        said = f"{self._rule.kind}: {theirs:.3f} instructions a page, {ours:.3f} before"
        return CommitAnswer("good" if self._rule.holds(theirs / ours) else "bad", said)


def require_askable(rule: Rule) -> None:
    """Raise InputError for a rule that two objects cannot be held to."""
    known = rule.metric in ("ratio", "instructions_ratio") and rule.kind in KINDS
    if not known or rule.build or rule.op != "rebind":
        raise InputError(
            f"{rule.text} cannot be bisected by",
            where="--gate",
            expected="a rule like order0.ratio<1.05 or order9.instructions_ratio<1.01",
        )


def by_rule(drive: Runner, rule: Rule, schedule: Schedule) -> Question:
    """Return the question that a rule puts. Raises InputError for one that two objects cannot."""
    require_askable(rule)
    return Slower(drive, rule, schedule) if rule.metric == "ratio" else Busier(drive, rule)
