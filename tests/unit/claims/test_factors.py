# SPDX-License-Identifier: GPL-2.0-only
"""Factors in cover letters: `2.4x faster`, `3.2 times less`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.claims.claims import Posting, UserAnswers, read_posting
from tests.unit.claims.test_letters import HEADERS, PROCEDURE


def read(text: str) -> Posting:
    return read_posting(f"{HEADERS}\n{PROCEDURE}{text}\n".encode(), UserAnswers())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The average rebind of nd_pmem is 2.4x faster.", (2.4, None)),
        ("The average rebind of nd_pmem is 2.4 times faster with this series.", (2.4, None)),
        ("With this series the average rebind of nd_pmem is 3.0 times shorter.", (3.0, None)),
        ("Average rebinds of nd_pmem are 2x\nfaster.", (2.0, None)),
        ("The average rebind of nd_pmem falls from 250 ms to 100 ms, 2.5x less.", (2.5, 250.0)),
    ],
)
def test_a_factor_is_read(text: str, expected: tuple[float, float | None]) -> None:
    (claim,) = read(text).claims
    assert (claim.times, claim.base and claim.base.mean_ms) == expected
    assert claim.reduction_percent is None
    assert claim.quotes


@pytest.mark.parametrize(
    "text",
    [
        "The average rebind of nd_pmem is up to 2.4x faster.",
        "The average rebind of nd_pmem is more than 2.4 times faster.",
        "The average rebind of nd_pmem is 1.5x to 2x faster.",
        "The average rebind of nd_pmem is 1.5-2x faster.",
        "The average rebind of nd_pmem is 0.5x less.",
        "The average rebind of nd_pmem is 2,4x faster.",
        "The average rebind of nd_pmem is 2.4x slower.",
        "The average rebind of nd_pmem on a 2x faster machine.",
        "The first binding of nd_pmem is 2.4x faster.",
        "The rebind of nd_pmem is 2.4x faster.",
        "The average rebind is 2.4x faster.",
        "The median rebind of nd_pmem is 2.4x faster.",
        "The average rebind of nd_pmem was rebound 30 times.",
    ],
)
def test_what_may_be_another_factor_is_left_open(text: str) -> None:
    assert not read(text).claims


def test_a_percentage_beside_a_factor_counts() -> None:
    found = read("The average rebind of nd_pmem falls by 60%, 2.5x less.")
    assert [(c.reduction_percent, c.times) for c in found.claims] == [(60, None)]
    assert "2.5 times is left out: line 8 has a percentage" in [p.what for p in found.problems]


def test_factors_that_contradict_each_other_are_fatal() -> None:
    found = read(
        "The average rebind of nd_pmem is 2.4x faster.\n\n"
        "The average rebind of nd_pmem is 3.4x faster."
    )
    assert found.fatal is not None and "two factors of one build" in found.fatal.what


@given(st.decimals("1.01", 999, places=2))
def test_a_factor_keeps_its_digits(times: object) -> None:
    (claim,) = read(f"The average rebind of nd_pmem is {times}x faster.").claims
    assert claim.stated == f"{times} times"
