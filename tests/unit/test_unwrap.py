# SPDX-License-Identifier: GPL-2.0-only
import random
import time
from pathlib import Path

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from harness.inputs import Project
from harness.parse.diff import parse_diff
from harness.parse.unwrap import WrapError, unwrap

DATA = Path(__file__).parent.parent / "data" / "mail"
HEAD = [
    "diff --git a/mm/a.c b/mm/a.c",
    "index 1111111..2222222 100644",
    "--- a/mm/a.c",
    "+++ b/mm/a.c",
]
LONG = "the words of a line that is so long that no archive would leave it as it was "


def wrapped(line: str, columns: int) -> list[str]:
    """Break a line as archives do: behind the last space that lets the piece fit."""
    pieces = []
    while len(line) > columns:
        at = line.rfind(" ", 0, columns) + 1 or line.find(" ") + 1
        if at in (0, len(line)):
            break
        pieces.append(line[:at])
        line = line[at:]
    return [*pieces, line]


def archived(lines: list[str], columns: int = 72, *, strips: bool = False) -> list[str]:
    told = [piece for line in lines for piece in wrapped(line, columns)]
    return ["" if strips and line == " " else line for line in told]


def patch(body: list[str], section: str = "") -> list[str]:
    old = sum(line[0] in " -" for line in body)
    new = sum(line[0] in " +" for line in body)
    return [*HEAD, f"@@ -3,{old} +3,{new} @@{section}", *body]


def test_lines_come_together_again() -> None:
    body = [" a", f"+{LONG}once", f"-{LONG}{LONG}twice", " ", f" {LONG}"]
    lines = [*patch(body, f" static int {LONG}x"), "-- ", "2.20.1"]
    found = unwrap(archived(lines))
    assert list(found.lines) == lines
    assert [archived(lines)[n - 1].strip() for n in found.joined][-1] in LONG
    assert len(found.joined) == len(archived(lines)) - len(lines)


def test_what_was_not_wrapped_stays() -> None:
    for port in sorted(Project.find().series_folder.glob("*/ports/*/*.patch")):
        lines = port.read_text().split("\n")
        found = unwrap(lines)
        assert (list(found.lines), found.joined, found.tabs) == (lines, (), "kept")


def test_our_own_ports_come_back_from_an_archive_that_keeps_tabs() -> None:
    joined = 0
    for port in sorted(Project.find().series_folder.glob("*/ports/*/*.patch")):
        lines = port.read_text().split("\n")
        start = next(i for i, line in enumerate(lines) if line.startswith("diff --git"))
        # Where the last line goes on, only the signature tells that it is the last.
        mailed = [*lines[start:-1], "-- ", "2.39.5"]
        found = unwrap(archived(mailed))
        assert list(found.lines) == mailed
        joined += len(found.joined)
    assert joined > 10


def test_an_archives_page_is_unwrapped_but_its_tabs_are_not_sure() -> None:
    lines = (DATA / "archive-page.txt").read_text().split("\n")
    found = unwrap(lines)
    assert [lines[n - 1] for n in found.joined] == ["page *page)"]
    assert found.tabs == "unsure"
    assert len(parse_diff(list(found.lines))) == 1


def test_a_header_is_unwrapped_where_it_names_two_paths() -> None:
    path = "Documentation/" + "a/" * 30 + "x.rst"
    lines = [f"diff --git a/{path} b/{path}", *patch(["+a"])[1:]]
    assert len(wrapped(lines[0], 72)) == 3
    assert list(unwrap(archived(lines)).lines) == lines


def test_numbers_are_those_of_the_text() -> None:
    lines = ["text", *archived(patch([f" {LONG}end", "+b"]))]
    found = unwrap(lines)
    assert [lines[n - 1] for n in found.numbers][-1] == "+b"
    assert found.numbers[-1] == len(lines)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([*HEAD, "@@ -1 +1,2 @@", " a", "no space before", "+b"], "counts do not tell"),
        ([*HEAD, "@@ -1,2 +1,2 @@", " a"], "cut short"),
        ([*HEAD, "@@ -1,2 +1,", "2 @@"], "header is cut"),
        ([*HEAD, "@@ -1,9999999 +1 @@"], "over 100000"),
        (["diff --git a/x", "b/x"], "header is cut"),
        ([*HEAD[:2], "rename from a very long name with ", "spaces"], "file's header"),
        (patch(["+ * by A <[email\u00a0protected]>"]), "hid an address"),
        # After the last line: its rest, or words below the patch?
        ([*patch([f"+{LONG}"]), "and its end"], "several ways"),
        ([*patch([f"+{LONG}"]), "--"], "several ways"),
        ([*patch([f"+{LONG}"]), "and its end", "", "Reply"], "several ways"),
        # Either of two lines may be the one that was wrapped.
        ([*HEAD, "@@ -0,0 +1,3 @@", f"+{LONG}", "+b", f"+{LONG}", "+d", "-- "], "several ways"),
    ],
)
def test_what_is_not_proved_is_refused(lines: list[str], said: str) -> None:
    with pytest.raises(WrapError, match=said) as caught:
        unwrap(lines)
    assert 1 <= caught.value.line <= len(lines)


def test_tabs_that_cannot_have_been_are_told_from_those_that_may() -> None:
    assert unwrap(patch(["+\tx"])).tabs == "kept"
    assert unwrap(patch(["+       x"])).tabs == "unsure"
    assert unwrap(patch(["+abcdef x"])).tabs == "unsure"
    assert unwrap(patch(["+abcde xyzabc d"])).tabs == "none"


WORDS = st.lists(
    st.sampled_from(
        ["a", "the", "-", "+", "--", "@@", "-- ", "@@ -1 +1 @@", "diff --git a/x b/x", "\t", "  ",
         "struct", "page_of_a_rather_long_name(struct", "*/", "x" * 50, "y" * 90, "\\ No newline"]
    ),
    max_size=14,
).map(" ".join)  # fmt: skip
BODY = st.lists(st.tuples(st.sampled_from(" +-"), WORDS), min_size=1, max_size=12)


@settings(max_examples=60)
@given(
    BODY,
    WORDS,
    st.integers(72, 80),
    st.booleans(),
    st.booleans(),
    st.sampled_from([[], ["-- ", "2.20.1"], ["", "Reply via email"], ["Reply"]]),
)
def test_unwrapping_gives_the_patch_or_nothing(
    body: list[tuple[str, str]],
    section: str,
    columns: int,
    expands: bool,
    strips: bool,
    after: list[str],
) -> None:
    lines = [*patch([kind + text for kind, text in body], f" {section.strip()}"), *after]
    shown = [line.expandtabs() for line in lines] if expands else lines
    try:
        found = unwrap(archived(shown, columns, strips=strips))
    except WrapError:
        return
    if expands and found.tabs == "unsure":
        assert [line.expandtabs() for line in found.lines] == shown
    else:
        assert list(found.lines) == lines


@settings(max_examples=60)
@example(
    [
        *[(" ", "")] * 8,
        (" ", "a a a a a a @@ -1 +1 @@ page_of_a_rather_long_name(struct   "),
        (" ", ""),
        ("+", ""),
    ],
    825922,
)
@given(BODY, st.integers(0, 2**32))
def test_any_damage_gives_a_text_that_reads_or_an_error(
    body: list[tuple[str, str]], seed: int
) -> None:
    lines = patch([kind + text for kind, text in body])
    draw = random.Random(seed)
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(len(lines))
        cut = draw.randrange(len(lines[at]) + 1)
        lines[at : at + 1] = draw.choice([[lines[at][:cut], lines[at][cut:]], [], [lines[at]] * 2])
        assume(lines)
    try:
        found = unwrap(lines)
    except WrapError as error:
        assert 1 <= error.line <= len(lines)
    else:
        assert "".join(found.lines).replace(" ", "") == "".join(lines).replace(" ", "")


def test_hostile_hunks_take_no_time() -> None:
    began = time.process_time()
    many = [*HEAD, "@@ -1,50000 +1,50000 @@", *[f" {LONG}"] * 300]
    with pytest.raises(WrapError):
        unwrap(many)
    mixed = [*HEAD, "@@ -1,90000 +1,90000 @@", *[f"{'-+ '[n % 3]}{LONG}" for n in range(300)]]
    with pytest.raises(WrapError):
        unwrap(mixed)
    assert time.process_time() - began < 10
