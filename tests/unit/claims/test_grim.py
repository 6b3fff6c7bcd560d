# SPDX-License-Identifier: GPL-2.0-only
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.claims.grim import can_be_cut_mean, can_be_mean, fitting_counts, nearest_means
from harness.project.claim import PostedNumber, decimal_text

COUNTS = st.integers(1, 40)
STEPS = st.sampled_from([1, 2, 4, 10])
DECIMALS = st.integers(0, 3)


def posted(text: str) -> PostedNumber:
    return PostedNumber(Fraction(text), len(text.partition(".")[2]))


def sums_that_round_to(mean: PostedNumber, n: int, step: int) -> list[int]:
    """Return every total of n samples whose mean rounds to `mean`, by trying all."""
    unit = Fraction(1, 10**mean.decimals)
    most = int((mean.value + 1) * n) + step
    return [
        total
        for total in range(step, most, step)
        if abs(Fraction(total, n) - mean.value) * 2 <= unit
    ]


@settings(max_examples=50)
@given(st.integers(1, 1500), COUNTS, STEPS, DECIMALS)
def test_it_agrees_with_trying_every_sum(scaled: int, n: int, step: int, decimals: int) -> None:
    mean = PostedNumber(Fraction(scaled, 10**decimals), decimals)
    assert can_be_mean(mean, n, step) == bool(sums_that_round_to(mean, n, step))


@settings(max_examples=50)
@given(st.lists(st.integers(1, 2000), min_size=1, max_size=60), STEPS, DECIMALS)
def test_the_mean_of_real_samples_is_never_refused(
    ticks: list[int], step: int, decimals: int
) -> None:
    exact = Fraction(sum(ticks) * step, len(ticks))
    rounded = PostedNumber(Fraction(decimal_text(exact, decimals)), decimals)
    assert can_be_mean(rounded, len(ticks), step)
    cut = PostedNumber(Fraction(int(exact * 10**decimals), 10**decimals), decimals)
    assert can_be_cut_mean(cut, len(ticks), step)


@settings(max_examples=50)
@given(st.integers(1, 1500), COUNTS, STEPS, DECIMALS)
def test_a_cut_mean_agrees_with_trying_every_sum(
    scaled: int, n: int, step: int, decimals: int
) -> None:
    mean = PostedNumber(Fraction(scaled, 10**decimals), decimals)
    most = int((mean.value + 1) * n) + step
    found = any(
        int(Fraction(total, n) * 10**decimals) == scaled for total in range(step, most, step)
    )
    assert can_be_cut_mean(mean, n, step) == found


@settings(max_examples=50)
@given(st.integers(1, 50_000), COUNTS, st.integers(0, 2))
def test_fitting_counts_are_the_nearest(scaled: int, n: int, decimals: int) -> None:
    mean = PostedNumber(Fraction(scaled, 10**decimals), decimals)
    found = fitting_counts(mean, n)
    assert all(can_be_mean(mean, k) for k in found)
    if found:
        low, high = found[0], found[-1]
        between = range(low + 1 if low <= n else 1, high if high >= n else n)
        assert not any(can_be_mean(mean, k) for k in between if k not in found)


@pytest.mark.parametrize(
    ("mean", "fitting"),
    [
        # The posted figures, over 29, 30 and 31 samples, computed by hand.
        ("273.52", [29, 31]),
        ("313.45", [29, 31]),
        ("110.24", [29]),
        ("111.08", []),
        ("119.04", []),
        ("256.56", []),
        ("229.12", []),
        ("180.00", [29, 30, 31]),
        ("245.73", [30]),
        ("240.42", [31]),
        ("104.59", [29]),
        ("244.28", [29]),
    ],
)
def test_posted_means(mean: str, fitting: list[int]) -> None:
    assert [n for n in (29, 30, 31) if can_be_mean(posted(mean), n)] == fitting


def test_explanations_of_an_impossible_mean() -> None:
    assert nearest_means(posted("111.08"), 29) == ("111.07", "111.10")
    assert fitting_counts(posted("111.08"), 29) == (26, 36)
    assert can_be_cut_mean(posted("256.56"), 30)
    assert not can_be_mean(posted("256.56"), 30)


def test_a_tie_may_have_been_rounded_either_way() -> None:
    # 1/8 is 0.125.
    assert can_be_mean(posted("0.12"), 8)
    assert can_be_mean(posted("0.13"), 8)
    assert not can_be_mean(posted("0.14"), 8)


def test_a_mean_below_every_sample_is_impossible() -> None:
    assert not can_be_mean(posted("0.01"), 29)


def test_a_coarser_clock_has_fewer_means() -> None:
    assert can_be_mean(posted("100.03"), 29)
    assert not can_be_mean(posted("100.03"), 29, 4)
    assert can_be_mean(posted("100.14"), 29, 4)


@given(st.decimals(-(10**6), 10**6, places=4).map(float))
def test_a_float_is_the_decimal_that_was_written(value: float) -> None:
    found = PostedNumber.of(value)
    assert float(found.value) == value
    assert Fraction(decimal_text(found.value, found.decimals)) == found.value


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [(180.0, 2, "180.00"), (180.0, None, "180"), (273.52, None, "273.52"), (1500.0, -2, "1500")],
)
def test_posted_numbers_print_as_posted(value: float, decimals: int | None, text: str) -> None:
    assert str(PostedNumber.of(value, decimals)) == text
