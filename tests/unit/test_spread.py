# SPDX-License-Identifier: GPL-2.0-only
"""What is worked out here rather than by scipy, beside what scipy says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness.analysis import stats as ours
from harness.analysis.spread import kendall, trend

VALUES = st.lists(
    st.one_of(st.integers(0, 6), st.integers(0, 10_000)).map(float), min_size=2, max_size=45
).filter(lambda values: len(set(values)) > 1)


@given(VALUES)
def test_kendall_is_scipys(values: list[float]) -> None:
    expected = stats.kendalltau(range(len(values)), values).pvalue
    assert kendall(values) == pytest.approx(expected, rel=1e-9, abs=1e-15)


@given(st.permutations(range(12)))
def test_kendall_is_scipys_where_it_is_exact(values: list[int]) -> None:
    expected = stats.kendalltau(range(12), values).pvalue
    assert kendall([float(v) for v in values]) == pytest.approx(expected, rel=1e-9)


@given(VALUES)
def test_a_trends_size_is_theils_and_sens(values: list[float]) -> None:
    found = trend(values, 2.0)
    middle = float(np.median(values))
    if len(values) < 5 or middle == 0:
        assert found is None
        return
    slope = stats.theilslopes(values, range(len(values))).slope
    if slope == 0:
        assert found is None
        return
    assert found == pytest.approx(slope * (len(values) - 1) / middle, rel=1e-9, abs=1e-12)


@given(VALUES)
def test_ranks_are_scipys(values: list[float]) -> None:
    assert np.array_equal(ours._ranks(values), stats.rankdata(values))


@given(st.floats(1, 1e5), st.floats(0.5, 0.99))
def test_students_t_is_scipys(freedom: float, confidence: float) -> None:
    theirs = stats.t.ppf((1 + confidence) / 2, freedom)
    assert ours.student(freedom, confidence) == pytest.approx(theirs, rel=1e-5)
