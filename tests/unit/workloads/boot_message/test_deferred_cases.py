# SPDX-License-Identifier: GPL-2.0-only
"""A case of the deferred initialization survives being printed; a wrong one is one line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.workloads.boot_message.deferred_init import seen_differs
from harness.workloads.boot_message.deferred_init.cases import (
    Case,
    corners,
    of_size,
    parse_case,
    random_cases,
)


@given(st.integers(0, 1 << 30))
def test_every_case_is_the_same_again(seed: int) -> None:
    for case in (*corners(), *random_cases(5, seed, traceable=True)):
        assert parse_case(case.argument) == case


def test_equal_seeds_give_equal_cases() -> None:
    first, second = (random_cases(20, 3, traceable=False) for _ in range(2))
    assert first == second != random_cases(20, 4, traceable=False)


def test_a_size_is_a_zone_of_as_much_memory() -> None:
    assert of_size("deferred", 8 << 30).nr == 1 << 21


@pytest.mark.parametrize(
    "text",
    [
        "",
        "start=0",
        "nr=1",
        "start=0,nr=0",
        "start=0,nr=1,nr=2",
        "start=0,nr=1,colour=2",
        "start=0,nr=-1",
        "start=0,nr=1e3",
        "start=0,nr=٣",
        "start=0,nr=99999999999",
        "start=0xfffffffffff,nr=1",
        "start=0,nr=1,page_ref=2",
        "generic,start=0,nr=1",
    ],
)
def test_a_wrong_argument_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected") as caught:
        parse_case(text)
    assert len(str(caught.value).splitlines()) == 1


@given(st.text(max_size=60))
def test_any_text_is_a_case_or_one_line(text: str) -> None:
    try:
        assert isinstance(parse_case(text), Case)
    except ValueError as error:
        assert len(str(error).splitlines()) == 1


SEEN = {"pageblocks": [[0, 512, 1, 0]], "freed": [[0, 1024, 10, 0]], "events": 0, "digest": "0"}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, ""),
        ({"pageblocks": []}, "pageblocks initialized: [], 0 ranges; base: [[0, 512, 1, 0]]"),
        ({"freed": [[0, 512, 9, 0]]}, "pages freed: [[0, 512, 9, 0]], 1 ranges; base"),
        ({"events": 7}, "page_ref_set: 7 events; base gives 0"),
        ({"digest": "1"}, "page_ref_set: as many events"),
    ],
)
def test_another_call_to_the_rest_of_the_kernel_is_named(
    changed: dict[str, object], said: str
) -> None:
    found = seen_differs(SEEN, SEEN | changed)
    assert found.startswith(said) if said else found == ""
