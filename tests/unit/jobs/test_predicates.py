# SPDX-License-Identifier: GPL-2.0-only
"""How a bisection judges a commit, and how rarely noise makes it wrong."""

import math
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast
from unittest.mock import Mock

import msgspec
import pytest

from harness.errors import InputError, MachineError
from harness.host.processes.process import Deadline
from harness.host.processes.sandbox import NO_SANDBOX, Sandbox
from harness.jobs.bisect import predicates
from harness.jobs.bisect.predicates import BASE, TESTED, Busier, CommitAnswer, Differs, Slower
from harness.judge.rule_syntax import parse_rule
from harness.judge.stats.ratio import CONFIDENCE
from harness.record.record import Pass
from harness.replay import compare, counting
from harness.replay.compare import CaseComparison, Unequal
from harness.replay.counting import Counted
from harness.replay.program.link import Program
from harness.replay.runner.runner import Answers, Facts, Runner
from harness.replay.timing import rounds
from harness.replay.timing.schedule import Schedule, Timed
from harness.workloads.zone_device.replay import REPLAY
from harness.workloads.zone_device.replay.cases import Case, corners

OURS, THEIRS = Program("ours", ()), Program("theirs", ())
FACTS = Facts(64, 1 << 15, 512, 64, traceable=False)
SCHEDULE = Schedule(128 << 20, rounds=14, passes=1, seed=1)
#: The ratio of round N of a question, counted over all its slices.
Noise = Callable[[int], float]


def runner(theirs: Facts = FACTS) -> Runner:
    """Return a runner that gives the facts of a program and runs nothing."""

    def answers(program: Program, _: object) -> Answers:
        return Answers(FACTS if program == OURS else theirs, ())

    return cast("Runner", Mock(side_effect=answers, replay=REPLAY))


class Measured:
    """In place of rounds: all costs of base are equal, the other's are what `noise` says."""

    def __init__(self, noise: Noise) -> None:
        self.noise = noise
        self.schedules: list[Schedule] = []

    def __call__(
        self, _: Runner, programs: Mapping[str, Program], schedule: Schedule, keep: object
    ) -> Timed:
        assert programs == {BASE: OURS, TESTED: THEIRS}
        self.schedules.append(schedule)
        before = schedule.rounds * (len(self.schedules) - 1)
        passes = [
            Pass(name, 0, number, 1, schedule.kinds[0], ns, ns, 1, 64, slice=0)
            for number in range(1, schedule.rounds + 1)
            for name, ns in (
                (BASE, 10**9),
                (TESTED, round(self.noise(before + number) * 10**9)),
            )
        ]
        return Timed(tuple(passes), ())


def asked(
    monkeypatch: pytest.MonkeyPatch, noise: Noise, rule: str = "order0.ratio<1.05", **changes: int
) -> tuple[CommitAnswer, Measured]:
    measured = Measured(noise)
    monkeypatch.setattr(rounds, "measure", measured)
    schedule = msgspec.structs.replace(SCHEDULE, **cast("dict[str, Any]", changes))
    question = predicates.by_rule(runner(), parse_rule(rule), schedule)
    assert isinstance(question, Slower)
    return question(OURS, THEIRS), measured


@pytest.mark.parametrize(
    ("ratio", "rule", "word"),
    [
        (1.0, "order0.ratio<1.05", "good"),
        (1.2, "order0.ratio<1.05", "bad"),
        (0.7, "order9.ratio<=0.8", "good"),
        (0.9, "order9.ratio<=0.8", "bad"),
        (1.2, "order0.ratio>1.05", "good"),
    ],
)
def test_a_clear_ratio_is_decided_at_once(
    monkeypatch: pytest.MonkeyPatch, ratio: float, rule: str, word: str
) -> None:
    found, measured = asked(monkeypatch, lambda n: ratio * (1 + 0.002 * (n % 3)), rule)
    assert found.word == word
    (schedule,) = measured.schedules
    assert (schedule.rounds, schedule.kinds) == (14, (rule.partition(".")[0],))


def test_an_interval_that_always_contains_the_threshold_is_skipped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found, measured = asked(monkeypatch, lambda n: 1.05 * (1.1 if n % 2 else 1 / 1.1))
    assert found.word == "skip"
    assert found.detail.endswith("undecided after 56 rounds")
    assert [s.seed for s in measured.schedules] == [1, 2, 3, 4], (
        "each slice has an order of its own"
    )


def test_later_rounds_are_pooled_with_the_earlier_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Too noisy for 14 rounds, clear by 28: a round of one number would hide the first."""

    def noise(number: int) -> float:
        return 1.05 if number % 2 else 1 / 1.05

    found, measured = asked(monkeypatch, noise)
    assert found.word == "good"
    assert len(measured.schedules) > 1


@pytest.mark.parametrize("count", [1, 2])
def test_rounds_without_an_interval_decide_nothing(
    monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    found, measured = asked(monkeypatch, lambda _: 2.0, rounds=count)
    # Four slices of one round have an interval from the third on, those of two from the second.
    assert len(measured.schedules) == {1: 3, 2: 2}[count]
    assert found.word == "bad"


def test_all_looks_together_may_be_wrong_as_often_as_one_interval() -> None:
    """The union bound: however the looks depend on each other, their errors add up at most."""
    each = 1 - predicates.LOOK_CONFIDENCE
    assert predicates.MAX_LOOKS * each == pytest.approx(1 - CONFIDENCE)


@pytest.mark.slow
def test_noise_decides_at_the_threshold_no_more_often_than_one_interval_would(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A ratio of exactly the bound: `good` or `bad` is noise. Four looks at 97 % give 8 %."""
    chance = random.Random(7)
    tries = 250
    words = []
    for _ in range(tries):
        found, _measured = asked(monkeypatch, lambda _: 1.05 * math.exp(chance.gauss(0, 0.02)))
        words.append(found.word)
    decided = tries - words.count("skip")
    assert 0 < decided <= (1 - CONFIDENCE) * tries


def differs(
    monkeypatch: pytest.MonkeyPatch, unequal: tuple[Unequal, ...], theirs: Facts = FACTS
) -> CommitAnswer:
    cases = list(corners())

    def answer(_: Runner, programs: Mapping[str, Program], given: list[Case]) -> CaseComparison:
        assert programs == {BASE: OURS, TESTED: THEIRS}
        assert given == cases
        return CaseComparison(len(given), unequal)

    monkeypatch.setattr(compare, "compare", answer)
    return Differs(runner(theirs), cases)(OURS, THEIRS)


def test_struct_pages_that_differ_are_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    case = next(corners())
    found = differs(monkeypatch, (Unequal(TESTED, case, "_refcount"),))
    assert found == CommitAnswer("bad", f"{case}: _refcount")
    counting = len(list(corners()))
    assert differs(monkeypatch, ()) == CommitAnswer("good", f"{counting} cases equal")


def test_struct_pages_of_another_size_are_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    larger = msgspec.structs.replace(FACTS, page_struct_size=80)
    found = differs(monkeypatch, (), larger)
    assert found.word == "bad"
    assert "page_struct_size=80" in found.detail


@pytest.mark.parametrize(("theirs", "word"), [(10.0, "good"), (10.11, "bad"), (10.1, "bad")])
def test_instructions_are_exact(monkeypatch: pytest.MonkeyPatch, theirs: float, word: str) -> None:
    def counted(_: Runner, programs: Mapping[str, Program]) -> tuple[Counted, ...]:
        per_page = {OURS: 10.0, THEIRS: theirs}
        return tuple(
            Counted(name, "valgrind", {"order0": 99.0, "order9": per_page[program]})
            for name, program in programs.items()
        )

    monkeypatch.setattr(counting, "count", counted)
    question = predicates.by_rule(runner(), parse_rule("order9.instructions_ratio<1.01"), SCHEDULE)
    assert isinstance(question, Busier)
    found = question(OURS, THEIRS)
    assert found == CommitAnswer(word, f"order9: {theirs:.3f} instructions per page, 10.000 before")


@pytest.mark.parametrize(
    "rule",
    [
        "nd_pmem.ratio<1.05",
        "order0@7.ratio<1.05",
        "order0@each.ratio<1.05",
        "order0.first.ratio<1.05",
        "order0.ratio_low<1.05",
        "order0.ms<100",
        "order9.instructions<60",
        "memmap.equal",
    ],
)
def test_a_rule_that_two_objects_cannot_decide_is_refused(rule: str) -> None:
    with pytest.raises(InputError, match="cannot be bisected by") as raised:
        predicates.by_rule(runner(), parse_rule(rule), SCHEDULE)
    assert raised.value.where == "--gate"


def test_a_failure_of_the_machine_is_no_answer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fails(*_: object) -> Timed:
        raise MachineError("no memory")

    monkeypatch.setattr(rounds, "measure", fails)
    drive = Runner(tmp_path / "log", Deadline(1), Sandbox(NO_SANDBOX), REPLAY)
    with pytest.raises(MachineError, match="no memory"):
        Slower(drive, parse_rule("order0.ratio<1.05"), SCHEDULE)(OURS, THEIRS)
