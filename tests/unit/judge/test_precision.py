# SPDX-License-Identifier: GPL-2.0-only
"""How many boots a verdict needed, and how many more make an interval narrow."""

import random
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.judge.conclude import conclude
from harness.judge.ratios.precision import MOST_BOOTS, expected_width, more_boots, relative_width
from harness.judge.ratios.ratios import effects
from harness.judge.stats.ratio import CONFIDENCE, of_look, ratio
from harness.judge.tabulate import tabulate
from harness.record.record import BootRun, Sample
from tests.unit.builders import claims, record

replace = msgspec.structs.replace


def run(base_ms: Sequence[int], tip_ms: Sequence[int], step_ns: int = 1000) -> BootRun:
    """Return a run whose clock is fine enough not to widen an interval."""

    def fine(s: Sample) -> Sample:
        return replace(s, resolution_ns=step_ns)

    rec = record(base_ms=base_ms, tip_ms=tip_ms)
    boots = tuple(replace(b, samples=tuple(map(fine, b.samples))) for b in rec.boots)
    return replace(rec, boots=boots)


STEADY = run([270, 271, 269, 270, 272] * 2, [110, 110, 111, 110, 109] * 2)
LOOSE = run([270, 300, 250, 280, 320], [110, 111, 108, 110, 112])


def test_a_clear_verdict_needed_fewer_boots() -> None:
    found = conclude(STEADY, claims(50.0)).verdicts[0]
    assert found.verdict == "reproduced"
    assert found.precision is not None
    assert found.precision.boots == 10
    assert found.precision.sufficient == 3
    assert found.precision.rebinds == 1, "the builders' rebinds of a boot do not vary"
    assert found.precision.doubled < found.precision.width


def test_a_verdict_near_the_claim_would_need_more() -> None:
    found = conclude(LOOSE, claims(65.0)).verdicts[0]
    assert found.verdict == "inconclusive"
    assert found.precision is not None
    assert found.precision.sufficient is None or found.precision.sufficient > 5


@pytest.mark.parametrize(
    "rec",
    [
        run([270, 271], [110, 111]),
        replace(STEADY, evidence="boot-tcg"),
        replace(STEADY, boots=STEADY.boots[1:]),
    ],
)
def test_without_a_verdict_there_is_nothing_to_say(rec: BootRun) -> None:
    assert conclude(rec, claims()).verdicts[0].precision is None


@given(st.floats(0.001, 1), st.integers(3, 50), st.integers(3, 50))
def test_more_boots_make_it_narrower(width: float, boots: int, wanted: int) -> None:
    found = expected_width(width, boots, wanted)
    if wanted == boots:
        assert found == pytest.approx(width)
    else:
        assert (found < width) == (wanted > boots)


def test_boots_are_added_until_the_interval_is_narrow() -> None:
    width = max(relative_width(e) or 0 for e in effects(tabulate(LOOSE)) if e.op == "rebind")
    assert more_boots(LOOSE, width * 1.01) == 0
    assert 1 <= more_boots(LOOSE, width * 0.99) <= 5
    assert more_boots(LOOSE, 0.001) == 5, "the spread of five boots is not well known"


def test_no_boots_are_added_where_they_would_not_help() -> None:
    coarse = run([60, 62, 60, 61, 60], [30, 31, 30, 33, 30], 4_000_000)
    assert more_boots(coarse, 0.02) == 0, "the clock's step is wider"
    assert more_boots(run([60], [30]), 0.02) == 0, "one boot has no interval"
    most = run([270, 300] * (MOST_BOOTS // 2), [110, 111] * (MOST_BOOTS // 2))
    assert more_boots(most, 0.001) == 0


def test_a_look_costs_confidence_and_all_together_cost_that_of_one() -> None:
    assert of_look(0) == CONFIDENCE
    errors = [1 - of_look(look) for look in range(1, 100)]
    assert errors == sorted(errors, reverse=True)
    assert sum(errors) <= 1 - CONFIDENCE


def test_a_ratio_after_two_looks_is_wider_and_says_so() -> None:
    once, twice = (
        effects(tabulate(replace(STEADY, setup=replace(STEADY.setup, until=0.01, looks=looks))))[0]
        for looks in (0, 2)
    )
    assert (relative_width(twice) or 0) > (relative_width(once) or 0)
    assert twice.method.endswith("corrected for 2 look(s) at it")


def test_looking_until_it_is_narrow_does_not_find_what_is_not_there() -> None:
    """Base and build are equal: an interval that excludes 1 after any look is an error."""
    chance = random.Random(7)
    wrong, trials = 0, 300
    for _ in range(trials):
        base: list[float] = []
        build: list[float] = []
        for look in range(1, 4):
            for _boot in range(4):
                base.append(chance.gauss(100, 2))
                build.append(chance.gauss(100, 2))
            found = ratio(base, build, of_look(look))
            assert found.low is not None and found.high is not None
            if not found.low <= 1 <= found.high:
                wrong += 1
                break
    assert wrong / trials <= 0.06
