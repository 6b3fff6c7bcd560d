# SPDX-License-Identifier: GPL-2.0-only
"""The ratio's interval holds the truth as often as it says, on the noise of shared machines."""

import math
import random

import pytest
from hypothesis import settings
from scipy import stats

from harness.judge.stats.ratio import Ratio, rank_test, ratio, unpaired, widened

#: 100 of each with the profile `fast`.
TRIES = 4 * settings().max_examples


def costs(rng: random.Random, rounds: int, truth: float) -> list[float]:
    """Return costs with a few percent of noise and occasional bursts of other load."""
    return [
        truth * math.exp(abs(rng.gauss(0, 0.03))) * (1.6 if rng.random() < 0.15 else 1.0)
        for _ in range(rounds)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("rounds", [5, 6, 10])
@pytest.mark.parametrize("truth", [1.0, 0.75])
def test_the_interval_holds_the_truth_in_95_of_100(rounds: int, truth: float) -> None:
    rng = random.Random(f"{rounds} {truth}")
    held = 0
    for _ in range(TRIES):
        found = ratio(costs(rng, rounds, 80.0), costs(rng, rounds, 80.0 * truth))
        assert found.low is not None and found.high is not None
        held += found.low <= truth <= found.high
    assert held >= 0.94 * TRIES


def test_one_spoiled_pair_of_six_hardly_widens_the_interval() -> None:
    base = [80.0, 80.4, 80.1, 80.2, 80.3, 80.1]
    build = [60.0, 60.2, 60.3, 60.1, 60.2, 180.0]
    found = ratio(base, build)
    assert found.value == pytest.approx(0.75, rel=0.01)
    assert found.low is not None and found.high is not None
    assert found.high - found.low < 0.02


def test_known_costs_have_known_intervals() -> None:
    base = [80.0, 80.4, 80.1, 80.2, 80.3, 80.1]
    build = [60.0, 60.2, 60.3, 60.1, 60.2, 180.0]
    known = [
        (ratio(base, build), (0.7504673065, 0.7462885132, 0.7546694986)),
        (ratio(base[:3], build[:3]), (0.7505198227, 0.7437896824, 0.7573108603)),
        (unpaired(base, build[:5]), (0.7504419128, 0.7479813334, 0.7529105865)),
        (unpaired([80.0, 81.0, 82.0], build), (0.7432471266, 0.7148521585, 0.7727699842)),
    ]
    for found, expected in known:
        assert (found.value, found.low, found.high) == pytest.approx(expected, rel=1e-8)


@pytest.mark.filterwarnings("error")
def test_a_drift_that_both_share_cancels() -> None:
    found = ratio([80.0, 90.0, 100.0, 110.0, 120.0], [40.0, 45.0, 50.0, 55.0, 60.0])
    assert (found.value, found.low, found.high) == pytest.approx((0.5, 0.5, 0.5))


def test_two_pairs_have_no_interval() -> None:
    found = ratio([80.0, 82.0], [60.0, 61.0])
    assert (found.low, found.high) == (None, None)
    assert found.value == pytest.approx(0.747, abs=0.001)


@pytest.mark.parametrize(("base", "build"), [([], []), ([1.0], [1.0, 2.0]), ([0.0], [1.0])])
def test_costs_that_do_not_form_pairs_are_refused(base: list[float], build: list[float]) -> None:
    with pytest.raises(ValueError, match=r"pairs|positive"):
        ratio(base, build)


@pytest.mark.slow
def test_the_unpaired_interval_holds_the_truth_as_often() -> None:
    rng = random.Random("unpaired")
    held = 0
    for _ in range(TRIES):
        base = [80.0 * math.exp(rng.gauss(0, 0.02)) for _ in range(5)]
        build = [60.0 * math.exp(rng.gauss(0, 0.04)) for _ in range(7)]
        found = unpaired(base, build)
        assert found.low is not None and found.high is not None
        held += found.low <= 0.75 <= found.high
    assert held >= 0.93 * TRIES


def test_too_few_unpaired_costs_have_no_interval() -> None:
    assert unpaired([1.0, 1.1], [2.0, 2.0, 2.1]).low is None
    exact = unpaired([2.0] * 3, [1.0] * 4)
    assert (exact.value, exact.low, exact.high) == pytest.approx((0.5, 0.5, 0.5))
    for base, build in (([], [1.0]), ([1.0], []), ([1.0], [-1.0])):
        with pytest.raises(ValueError, match=r"no ratio|positive"):
            unpaired(base, build)


def test_a_clocks_step_widens_and_never_narrows() -> None:
    sure, unsure = Ratio(0.5, 0.5, 0.5), Ratio(0.5, 0.1, 0.9)
    wide = widened(sure, 0.01, 0.02)
    assert (wide.low, wide.high) == pytest.approx((0.5 * 0.98 / 1.01, 0.5 * 1.02 / 0.99))
    assert widened(unsure, 0.01, 0.02) == unsure
    assert widened(Ratio(0.5, None, None), 0.5, 0.5) == Ratio(0.5, None, None)
    useless = widened(sure, 1.0, 2.0)
    assert useless.low == 0 and useless.high is not None and useless.high > 1000


@pytest.mark.parametrize(("base", "build"), [(3, 3), (2, 7), (0, 9), (1, 30), (4, 3)])
def test_a_rank_test_that_cannot_reach_the_threshold_is_not_made(base: int, build: int) -> None:
    found, why = rank_test(list(range(base)), list(range(100, 100 + build)))
    reachable = math.comb(base + build, base) >= 40
    assert (found is not None) == reachable
    assert reachable or f"{base} and {build} values" in why


def test_the_rank_test_equals_scipys_without_ties() -> None:
    rng = random.Random("ranks")
    for _ in range(20):
        base = [rng.random() for _ in range(5)]
        build = [rng.random() + 0.3 for _ in range(6)]
        theirs = stats.mannwhitneyu(base, build, method="exact").pvalue
        assert rank_test(base, build)[0] == pytest.approx(theirs)


def test_ties_only_increase_the_p_value() -> None:
    assert rank_test([1, 2, 3, 4], [5, 6, 7, 8])[0] == pytest.approx(2 / 70)
    tied, _ = rank_test([1, 2, 3, 5], [5, 6, 7, 8])
    assert tied is not None and tied > 2 / 70
    assert rank_test([1] * 4, [1] * 4)[0] == 1
    assert rank_test([1] * 10, [1] * 10)[0] == 1
    many, how = rank_test([1, 2] * 10, [3, 4] * 10)
    assert many is not None and many < 1e-6 and "normal" in how
