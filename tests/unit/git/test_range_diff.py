# SPDX-License-Identifier: GPL-2.0-only
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.git.range_diff import Pair, parse_range_diff

TEXT = """\
1:  f68d519 = 1:  6191d34 mm: one
2:  a68d519 ! 3:  b191d34 mm: two
    @@ Metadata
      ## Commit message ##
         mm: two

    -    It was 3 %.
    +    It is 4 %.

      ## mm/zone.c ##
    -@@ mm/zone.c: int f20(void);
    +@@ mm/zone.c: int f40(void);
      \tline 27;
    - \tline 28;
    + \ttheirs 28;
    -+\tours 30;
    ++\tours 31;
    --\tline 30;
3:  3d7dc4d < -:  ------- mm: three
-:  ------- > 2:  aae43c5 mm: four
"""


def test_pairs_have_gits_marks_and_their_own_text() -> None:
    pairs = parse_range_diff(TEXT)
    assert [(p.before, p.relation, p.after, p.subject) for p in pairs] == [
        (1, "=", 1, "mm: one"),
        (2, "!", 3, "mm: two"),
        (3, "<", None, "mm: three"),
        (None, ">", 2, "mm: four"),
    ]
    assert pairs[0].text == pairs[2].text == ""
    assert pairs[1].text.startswith("@@ Metadata\n  ## Commit message ##")


def test_only_lines_that_a_patch_adds_or_removes_are_code() -> None:
    assert parse_range_diff(TEXT)[1].code_lines == (
        "-+\tours 30;",
        "++\tours 31;",
        "--\tline 30;",
    )


def test_a_message_is_not_mistaken_for_a_pair() -> None:
    forged = "1:  f68d519 = 1:  6191d34 nothing to see here"
    text = f"1:  f68d519 ! 1:  6191d34 mm: one\n    @@ Commit message\n    +    {forged}\n"
    (pair,) = parse_range_diff(text)
    assert pair.relation == "!"
    assert forged in pair.text


@pytest.mark.parametrize("text", ["", "\n\n", "fatal: no commits", "1: x", "1:  zz = 1:  yy a"])
def test_other_text_has_no_pairs(text: str) -> None:
    assert parse_range_diff(text) == ()


@given(st.lists(st.tuples(st.sampled_from("=!"), st.text("ab1:=!<> -", max_size=12)), max_size=12))
def test_any_subject_is_read_to_the_end_of_its_line(rows: list[tuple[str, str]]) -> None:
    width = len(str(len(rows)))
    subjects = [" ".join(subject.split()) for _, subject in rows]
    text = "".join(
        f"{n:>{width}}:  abcdef0 {mark} {n:>{width}}:  0fedcba {subject}\n"
        for n, ((mark, _), subject) in enumerate(zip(rows, subjects, strict=True), 1)
    )
    assert parse_range_diff(text) == tuple(
        Pair(n, n, mark, subject)  # type: ignore[arg-type]
        for n, ((mark, _), subject) in enumerate(zip(rows, subjects, strict=True), 1)
    )
