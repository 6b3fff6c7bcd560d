# SPDX-License-Identifier: GPL-2.0-only
"""A case survives being printed as an argument, and a wrong argument is one line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.workloads.zone_device.replay.cases import (
    START_PFN,
    Case,
    corners,
    parse_case,
    random_cases,
)


@given(st.integers(0, 1 << 30))
def test_every_case_is_the_same_again(seed: int) -> None:
    for case in (*corners(), *random_cases(5, seed, traceable=True)):
        assert parse_case(case.argument) == case


def test_an_argument_has_only_what_is_not_the_default() -> None:
    case = Case("generic", 9, START_PFN, 1024, nid=1)
    assert case.argument == "generic,shift=9,start=0x100000,nr=1024,nid=1"
    assert parse_case("generic,nr=1024,shift=9,start=1048576,nid=1") == case


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no type ''"),
        ("dax,shift=0,start=0,nr=1", "no type 'dax'"),
        ("generic", "lacks shift, start, nr"),
        ("generic,shift=0,start=0", "lacks nr"),
        ("generic,shift=0,start=0,nr=0", "nr is 0; expected 1 to"),
        ("generic,shift=0,start=0,nr=99999999999", "nr is 99999999999"),
        ("generic,shift=19,start=0,nr=1", "shift is 19; expected 0 to 18"),
        ("generic,shift=0,start=0xfffffffffff,nr=1", "start is 0xfffffffffff"),
        ("generic,shift=0,start=0,nr=1,nr=2", "'nr=2': expected each key once"),
        ("generic,shift=0,start=0,nr=1,colour=2", "'colour=2': expected each key once"),
        ("generic,shift=0,start=0,nr=-1", "'nr=-1' is not a number"),
        ("generic,shift=0,start=0,nr=1e3", "is not a number"),
        ("generic,shift=0,start=0,nr=٣", "is not a number"),
        ("generic,shift=0,start=0,nr", "'nr' is not a number"),
        ("generic,shift=0,start=0,nr=1,early=2", "expected early=0 or early=1"),
        ("generic,shift=0,start=0,nr=4,altmap=1,reserve=3,free=1", "the altmap takes all pages"),
    ],
)
def test_a_wrong_argument_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=r"expected|number") as caught:
        parse_case(text)
    assert said in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@given(st.text(max_size=60))
def test_any_text_is_a_case_or_one_line(text: str) -> None:
    try:
        parse_case(text)
    except ValueError as error:
        assert len(str(error).splitlines()) == 1
