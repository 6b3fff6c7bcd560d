# SPDX-License-Identifier: GPL-2.0-only
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.git.conflict import Region, hunk_of, regions
from harness.git.diff import Hunk


def marked(ours: list[str], base: list[str], theirs: list[str]) -> list[str]:
    return [
        "<<<<<<< HEAD",
        *ours,
        "||||||| parent of 0123456 (mm: x)",
        *base,
        "=======",
        *theirs,
        ">>>>>>> 0123456 (mm: x)",
    ]


def joined(*parts: list[str]) -> str:
    return "".join(f"{line}\n" for part in parts for line in part)


def test_a_region_has_three_versions_and_its_lines_in_our_file() -> None:
    before = [f"line {n}" for n in range(1, 10)]
    # The merge inserted a line above it, which our file lacks.
    text = joined(["merged in"], before, marked(["ours"], ["base"], ["a", "b"]), ["end"])
    (region,) = regions(text, joined(before, ["ours"], ["end"]))
    assert region == Region(10, 10, ("ours",), ("base",), ("a", "b"))


def test_a_file_with_crlf_has_markers_with_crlf() -> None:
    before = ["one", "two"]
    text = joined(before, marked(["ours"], ["base"], ["theirs"]), ["three"])
    ours = joined(before, ["ours"], ["three"])
    (region,) = regions(text.replace("\n", "\r\n"), ours.replace("\n", "\r\n"))
    assert region == Region(3, 3, ("ours\r",), ("base\r",), ("theirs\r",))


def test_a_region_without_a_line_of_ours_lies_between_two() -> None:
    before = ["one", "two"]
    text = joined(before, marked([], ["base"], ["theirs"]), ["three"])
    (region,) = regions(text, joined(before, ["three"]))
    assert (region.first, region.last, region.ours) == (2, 3, ())


def test_a_region_at_the_very_end_stays_within_the_file() -> None:
    text = joined(["one"], marked([], ["base"], ["theirs"]))
    (region,) = regions(text, joined(["one"]))
    assert (region.first, region.last) == (1, 1)


def test_several_regions_come_in_their_order() -> None:
    text = joined(["a"], marked(["b"], ["x"], ["y"]), ["c"], marked(["d", "e"], [], ["z"]), ["f"])
    found = regions(text, joined(list("abcdef")))
    assert [(r.first, r.last) for r in found] == [(2, 2), (4, 5)]


@pytest.mark.parametrize(
    "lines",
    [
        ["<<<<<<< HEAD", "a"],
        ["<<<<<<< HEAD", "a", "=======", "b", ">>>>>>> x"],
        ["<<<<<<< HEAD", "a", "||||||| base", "b", ">>>>>>> x"],
    ],
)
def test_markers_that_do_not_follow_each_other_are_an_error(lines: list[str]) -> None:
    with pytest.raises(ValueError, match="line 1 has no end"):
        regions(joined(lines), "")


def test_an_error_names_the_line_of_the_region_that_has_no_end() -> None:
    text = joined(["a"], marked(["b"], ["x"], ["y"]), ["c", "<<<<<<< HEAD", "d", "======="])
    with pytest.raises(ValueError, match="line 10 has no end"):
        regions(text, "")


def test_a_region_may_end_the_file_without_a_newline() -> None:
    text = joined(["a"], marked(["b"], ["x"], ["y"])).removesuffix("\n")
    (region,) = regions(text, joined(["a", "b"]))
    assert (region.first, region.last, region.theirs) == (2, 2, ("y",))


def test_many_markers_without_an_end_take_linear_time() -> None:
    with pytest.raises(ValueError, match="line 1 has no end"):
        regions("<<<<<<< x\n||||||| x\n=======\n" * 200_000, "")


def test_equal_signs_of_the_text_are_not_a_marker() -> None:
    assert regions(joined(["Title", "=======", "text"]), joined(["Title"])) == ()


PLAIN = st.lists(st.text("ab", max_size=2), max_size=6)


@given(st.lists(st.tuples(PLAIN, PLAIN, PLAIN, PLAIN), max_size=3))
def test_any_three_versions_are_read_back(
    parts: list[tuple[list[str], list[str], list[str], list[str]]],
) -> None:
    text = joined(*([*b, *marked(o, m, t)] for b, o, m, t in parts))
    ours = joined(*([*b, *o] for b, o, _, _ in parts))
    found = regions(text, ours)
    assert [(r.ours, r.base, r.theirs) for r in found] == [
        (tuple(o), tuple(m), tuple(t)) for _, o, m, t in parts
    ]
    end = max(1, ours.count("\n"))
    assert all(r.first >= 1 and r.last <= end for r in found)


def test_the_hunk_is_the_one_that_shares_most() -> None:
    hunks = [
        Hunk("a.c", 1, "@@ -1,2 +1,2 @@\n a\n-b\n+c", "a.c"),
        Hunk("a.c", 9, "@@ -9,2 +9,2 @@\n x\n-y\n+z", "a.c"),
        Hunk("b.c", 9, "@@ -9,2 +9,2 @@\n y\n-z\n+w", "b.c"),
    ]
    region = Region(9, 9, ("q",), ("y",), ("z",))
    assert hunk_of(region, "a.c", hunks) == hunks[1]
    assert hunk_of(Region(1, 1, ("q",), ("?",), ()), "a.c", hunks) is None
