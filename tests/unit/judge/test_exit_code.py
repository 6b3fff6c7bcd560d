# SPDX-License-Identifier: GPL-2.0-only
import msgspec
import pytest

from harness.judge.conclude import Conclusion, conclude
from harness.judge.exit_code import judge_exit_code, null_exit_code, reproduce_exit_code
from harness.judge.rule_syntax import parse_rule
from harness.judge.runs.null_runs import NullSeen
from tests.unit.builders import claims, record
from tests.unit.conclusions import named

MADE = named()
REPRODUCED, FAILS, HOLDS = record(), "nd_pmem.rebind.ratio<0.1", "nd_pmem.rebind.ratio<0.6"


def by(*rules: str, percent: float = 59.4) -> Conclusion:
    return conclude(REPRODUCED, claims(percent), rules=[parse_rule(rule) for rule in rules])


@pytest.mark.parametrize(
    ("found", "plain", "required"),
    [
        (MADE["reproduced"], 0, 0),
        (MADE["tcg"], 0, 1),
        (MADE["replay"], 0, 1),
        (MADE["contradicted"], 1, 1),
        (MADE["inconclusive"], 1, 1),
        (MADE["failed"], 1, 1),
        (MADE["lost"], 1, 1),
        (MADE["memmaps-differ"], 1, 1),
        (MADE["prefixes-broken"], 3, 3),
        (by(HOLDS), 0, 0),
        (by(FAILS), 1, 1),
        (conclude(REPRODUCED, ()), 0, 1),
    ],
)
def test_reproduce(found: Conclusion, plain: int, required: int) -> None:
    assert reproduce_exit_code(found) == plain
    assert reproduce_exit_code(found, "reproduced") == required


def test_reproduce_fails_for_a_patch_that_builds_and_does_not_hold() -> None:
    found = MADE["prefixes"]
    assert reproduce_exit_code(found) == 0
    *good, last = found.prefixes
    for bad in ({"why": "boot 1 shows warn"}, {"new_warnings": ("unused",)}):
        prefixes = (*good, msgspec.structs.replace(last, **bad))
        assert reproduce_exit_code(msgspec.structs.replace(found, prefixes=prefixes)) == 1
        assert judge_exit_code(msgspec.structs.replace(found, prefixes=prefixes)) == 1


@pytest.mark.parametrize(
    ("found", "plain", "required"),
    [
        (MADE["reproduced"], 0, 0),
        (MADE["tcg"], 1, 1),
        (MADE["contradicted"], 1, 1),
        (MADE["prefixes-broken"], 1, 1),
        (conclude(REPRODUCED, ()), 1, 1),
        (by(HOLDS), 0, 0),
        (by(HOLDS, FAILS), 1, 1),
        (by(HOLDS, percent=99.0), 0, 1),
        (by(FAILS, percent=99.0), 1, 1),
    ],
)
def test_judge_by_rules_alone_where_there_are_some(
    found: Conclusion, plain: int, required: int
) -> None:
    assert judge_exit_code(found) == plain
    assert judge_exit_code(found, "reproduced") == required


@pytest.mark.parametrize(
    ("words", "supported"),
    [
        ("reproduced supported", 0),
        ("supported supported", 0),
        ("supported doubted", 1),
        ("supported open", 1),
        ("supported untested", 1),
        ("", 1),
    ],
)
def test_what_is_required_of_the_claims(words: str, supported: int) -> None:
    one = MADE["replay"].verdicts[0]
    verdicts = tuple(msgspec.structs.replace(one, verdict=word) for word in words.split())
    found = msgspec.structs.replace(MADE["replay"], verdicts=verdicts)
    for code in (reproduce_exit_code, judge_exit_code):
        assert code(found, "supported") == supported
        assert code(found, "reproduced") == 1
    assert reproduce_exit_code(found) == 0
    assert judge_exit_code(found) == 1


def test_null() -> None:
    assert null_exit_code(None) == 1
    assert null_exit_code(NullSeen("x", "nd_pmem differs", ("nd_pmem",))) == 1
    assert null_exit_code(NullSeen("x", "")) == 0
