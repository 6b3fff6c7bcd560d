# SPDX-License-Identifier: GPL-2.0-only
"""Patches of any edits apply to the base that is reconstructed from them."""

import difflib
import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.git.diff import Hunk, parse_diff, preimages
from harness.series.bases.implied import HunkConflict, implied_base

LINES = st.lists(st.sampled_from(["a", "b", "", "\tif (x)", "}"]), max_size=30)


def hunks(old: Sequence[str], new: Sequence[str], file: str = "mm/x.c") -> tuple[Hunk, ...]:
    body = list(difflib.unified_diff(old, new, f"a/{file}", f"b/{file}", lineterm=""))
    return parse_diff([f"diff --git a/{file} b/{file}", *body]) if body else ()


def applied(lines: list[str], patch: Sequence[Hunk]) -> list[str]:
    """Apply hunks at exactly the lines they name."""
    shift = 0
    for hunk in patch:
        old = [line[1:] for line in hunk.lines if not line.startswith("+")]
        new = [line[1:] for line in hunk.lines if not line.startswith("-")]
        at = hunk.old_start + shift - (1 if old else 0)
        assert lines[at : at + len(old)] == old
        lines = [*lines[:at], *new, *lines[at + len(old) :]]
        shift += len(new) - len(old)
    return lines


@given(st.lists(LINES, min_size=2, max_size=5))
def test_every_patch_applies_to_the_base_that_all_imply(versions: list[list[str]]) -> None:
    patches = [hunks(old, new) for old, new in itertools.pairwise(versions)]
    base = implied_base(patches)
    lines = base.get("mm/x.c", "").split("\n")[:-1]
    # Shown lines are at their places.
    assert len(lines) <= len(versions[0])
    for shown, real in zip(lines, versions[0], strict=False):
        assert shown == real or shown.startswith("/* ")
    for patch in patches:
        lines = applied(lines, patch)


@given(LINES, LINES)
def test_a_file_of_which_all_is_shown_is_itself(old: list[str], new: list[str]) -> None:
    whole = [*old, "the end"]
    body = difflib.unified_diff(whole, [*new, "another"], "a/f", "b/f", lineterm="", n=100)
    patch = parse_diff(["diff --git a/f b/f", *body])
    assert implied_base([patch]) == {"f": "".join(f"{line}\n" for line in whole)}


def test_a_hunks_heading_stands_above_it_unless_it_is_known_better() -> None:
    text = "@@ -10,2 +10,2 @@ int f(void)\n \tx;\n-\ty;\n+\tz;"
    assert implied_base([[Hunk("f.c", 10, text, "f.c")]])["f.c"].split("\n")[8:11] == [
        "int f(void)",
        "\tx;",
        "\ty;",
    ]
    earlier = Hunk("f.c", 9, "@@ -9,1 +9,1 @@\n {", "f.c")
    lines = implied_base([[earlier], [Hunk("f.c", 10, text, "f.c")]])["f.c"].split("\n")
    assert lines[8] == "{"


def test_files_that_the_series_creates_or_renames_are_followed() -> None:
    made = Hunk("new.c", 0, "@@ -0,0 +1,2 @@\n+one\n+two", "")
    later = Hunk("new.c", 1, "@@ -1,2 +1,1 @@\n one\n-two", "new.c")
    assert implied_base([[made], [later]]) == {}
    moved = Hunk("b.c", 1, "@@ -1,1 +1,1 @@\n-x\n+y", "a.c")
    after = Hunk("b.c", 1, "@@ -1,1 +1,1 @@\n-y\n+z", "b.c")
    assert implied_base([[moved], [after]]) == {"a.c": "x\n"}


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (Hunk("f", 1, "@@ -1,1 +1,1 @@\n-a\n+c", "f"), r"f:1: differs from what earlier"),
        (Hunk("n", 5, "@@ -5,1 +5,1 @@\n-a\n+c", "n"), r"n:5: lies past the end"),
        (Hunk("x", 1, "@@ -1,1 +1,1 @@\n-a\n+c", "old"), r"old:1: was renamed before"),
    ],
)
def test_patches_that_contradict_each_other_are_named(second: Hunk, message: str) -> None:
    first = [
        Hunk("f", 1, "@@ -1,1 +1,1 @@\n-a\n+b", "f"),
        Hunk("n", 0, "@@ -0,0 +1,1 @@\n+a", ""),
        Hunk("new", 1, "@@ -1,1 +1,1 @@\n-a\n+b", "old"),
    ]
    with pytest.raises(HunkConflict, match=message) as caught:
        implied_base([first, [second]])
    assert caught.value.patch == 2


def test_the_blobs_a_patch_was_made_from_are_those_of_its_index_lines() -> None:
    lines = [
        "some words: index 1234567..89abcde",
        "diff --git a/x.c b/y.c",
        "similarity index 90%",
        "index 0123456789ab..cdef01234567 100644",
        "diff --git a/new.c b/new.c",
        "new file mode 100644",
        "index 000000000..cdef01234",
        "diff --git a/mode b/mode",
        "old mode 100644",
        "index 7654321..1234567",
    ]
    assert preimages(lines) == {
        "x.c": "0123456789ab",
        "new.c": "000000000",
        "mode": "7654321",
    }
