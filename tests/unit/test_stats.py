# SPDX-License-Identifier: GPL-2.0-only
"""The ratio's interval holds the truth as often as it says, on the noise of shared machines."""

import math
import random

import pytest

from harness.analysis.stats import ratio


def costs(lot: random.Random, rounds: int, truth: float) -> list[float]:
    """Costs as they come: a few percent of noise, and a burst of somebody else's work at times."""
    return [
        truth * math.exp(abs(lot.gauss(0, 0.03))) * (1.6 if lot.random() < 0.15 else 1.0)
        for _ in range(rounds)
    ]


@pytest.mark.parametrize("rounds", [5, 6, 10])
@pytest.mark.parametrize("truth", [1.0, 0.75])
def test_the_interval_holds_the_truth_in_95_of_100(rounds: int, truth: float) -> None:
    lot = random.Random(f"{rounds} {truth}")
    held = 0
    for _ in range(1000):
        found = ratio(costs(lot, rounds, 80.0), costs(lot, rounds, 80.0 * truth))
        assert found.low is not None and found.high is not None
        held += found.low <= truth <= found.high
    assert held >= 940


def test_one_spoiled_pair_of_six_hardly_widens_the_interval() -> None:
    base = [80.0, 80.4, 80.1, 80.2, 80.3, 80.1]
    side = [60.0, 60.2, 60.3, 60.1, 60.2, 180.0]
    found = ratio(base, side)
    assert found.value == pytest.approx(0.75, rel=0.01)
    assert found.low is not None and found.high is not None
    assert found.high - found.low < 0.02


def test_a_drift_that_both_share_cancels() -> None:
    found = ratio([80.0, 90.0, 100.0, 110.0, 120.0], [40.0, 45.0, 50.0, 55.0, 60.0])
    assert (found.value, found.low, found.high) == pytest.approx((0.5, 0.5, 0.5))


def test_two_pairs_say_nothing_of_how_far_off_they_are() -> None:
    found = ratio([80.0, 82.0], [60.0, 61.0])
    assert (found.low, found.high) == (None, None)
    assert found.value == pytest.approx(0.747, abs=0.001)


@pytest.mark.parametrize(("base", "side"), [([], []), ([1.0], [1.0, 2.0]), ([0.0], [1.0])])
def test_what_is_no_pair_of_costs_is_refused(base: list[float], side: list[float]) -> None:
    with pytest.raises(ValueError, match=r"pairs|positive"):
        ratio(base, side)
