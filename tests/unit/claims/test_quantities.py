# SPDX-License-Identifier: GPL-2.0-only
import itertools
import time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.claims.quantities import quantities


@pytest.mark.parametrize(
    ("text", "value", "decimals"),
    [
        ("took 273.52 ms", "273.52", 2),
        ("took 180.00ms.", "180.00", 2),
        ("average=1486 msec", "1486", 0),
        ("driver:1486 milliseconds", "1486", 0),
        ("(about 59.4% less)", "59.4", 1),
        ("~10 percent", "10", 0),
        ("64.8 per cent", "64.8", 1),
        ("1.486 s", "1486", 0),
        ("0.27352 seconds", "273.52", 2),
        ("1.5 s", "1500", -2),
        ("273520 us", "273.520", 3),
        ("273520 µs", "273.520", 3),
        ("96790000 ns", "96.790000", 6),
        ("rebinds - 273.52 ms", "273.52", 2),
        ("1 of 2: 3 ms", "3", 0),
    ],
)
def test_plain_numbers_are_read_exactly(text: str, value: str, decimals: int) -> None:
    (found,) = quantities(text)
    assert (found.value, found.decimals, found.problem) == (Decimal(value), decimals, "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1,486 ms", "not a plain number"),
        ("1.486,52 ms", "not a plain number"),
        ("1'486 ms", "not a plain number"),
        ("1_486 ms", "not a plain number"),
        ("273.52.1 ms", "not a plain number"),
        ("273. ms", "not a plain number"),
        ("59,4%", "not a plain number"),
        ("\uff12\uff17\uff13 ms", "not a plain number"),
        ("\u0662\u0667\u0663 ms", "not a plain number"),
        ("9" * 400 + " ms", "not a plain number"),
        ("1 486 ms", "may begin before the space"),
        ("59-65%", "end of a range"),
        ("59%-65%", "end of a range"),
        ("-59.4 %", "has a sign"),
        ("\u221259.4 %", "has a sign"),
        ("+3 ms", "has a sign"),
        ("< 120 ms", "a bound"),
        ("\u2264120 ms", "a bound"),
        ("up to 65 %", "a bound"),
        ("more than 50%", "a bound"),
        ("at least about 50%", "a bound"),
        ("v1486 ms", "part of a longer word"),
        ("1/30 ms", "part of a longer word"),
        ("3 ms/GB", "a rate"),
        ("0 ms", "is zero"),
        ("123456789.1234567 ms", "over 15 digits"),
        ("part of 3\n273.52 ms", "may begin before"),
    ],
)
def test_ambiguous_numbers_are_not_read(text: str, said: str) -> None:
    problems = [found.problem for found in quantities(text) if found.problem]
    assert len(problems) == 1
    assert said in problems[0]


@pytest.mark.parametrize("text", ["1515 to 1422 ms", "1515 -> 1422 ms", "1515\u21921422ms"])
def test_two_numbers_may_share_a_unit(text: str) -> None:
    assert [found.value for found in quantities(text)] == [1515, 1422]


def test_two_numbers_with_units_of_their_own_are_two() -> None:
    found = quantities("from 1.515 s to 1422 ms")
    assert [(q.value, q.problem) for q in found] == [(1515, ""), (1422, "")]


@pytest.mark.parametrize("text", ["", "30 times", "v7.1-rc3", "page 3", "100 GB", "2 msx", "5%d"])
def test_what_has_no_such_unit_is_no_quantity(text: str) -> None:
    assert [q for q in quantities(text) if text != "5%d"] == []


@given(st.integers(1, 10**6), st.integers(0, 4), st.sampled_from(["ms", "%"]))
def test_any_number_comes_back(scaled: int, decimals: int, unit: str) -> None:
    text = f"{Decimal(scaled).scaleb(-decimals):f}"
    (found,) = quantities(f"is {text} {unit}.")
    assert (found.value, found.decimals) == (Decimal(text), decimals)


@given(st.text("0123456789.,'ms% ->to\u2192<+\u0662\n", max_size=200) | st.text(max_size=100))
def test_any_text_gives_quantities_in_order(text: str) -> None:
    found = quantities(text)
    assert all(a.start < b.start and a.end <= b.end for a, b in itertools.pairwise(found))
    assert all(q.problem or q.value > 0 for q in found)


def test_a_flood_of_digits_takes_no_time() -> None:
    began = time.process_time()
    assert quantities("9" * 1_000_000) == []
    assert len(quantities("1 " * 100_000 + "ms")) == 1
    assert time.process_time() - began < 2
