# SPDX-License-Identifier: GPL-2.0-only
import re

from hypothesis import given
from hypothesis import strategies as st

from harness.git.range_diff import Pair
from harness.judge.runs.versions import became, moved, renames, vouched, words
from harness.project.claim import Claim, Figures
from harness.series.mails.trailers import Trailer

SAME = Pair(1, 1, "=", "mm: one")
DROPPED = Pair(3, None, "<", "mm: three")
NEW = Pair(None, 3, ">", "mm: four")
B = "B <b@example.org>"


def changed(*lines: str, before: int = 2, after: int = 2) -> Pair:
    return Pair(before, after, "!", "mm: two", "\n".join(["@@ mm/x.c: f()", *lines]))


def vocabulary(*pairs: Pair) -> tuple[frozenset[str], frozenset[str]]:
    lines = [line for pair in pairs for line in pair.code_lines]
    return (
        words(line for line in lines if line[0] == "-"),
        words(line for line in lines if line[0] == "+"),
    )


def test_a_name_that_changed_everywhere_is_a_rename() -> None:
    pair = changed(
        "-+\tmemcpy_streaming(page, template, sizeof(*page));",
        "-+\tmemcpy_streaming_drain();",
        "++\tmemcpy_nt(page, template, sizeof(*page));",
        "++\tmemcpy_nt_drain();",
    )
    found = renames([pair], *vocabulary(pair))
    assert [(r.old, r.new, r.lines) for r in found] == [
        ("memcpy_streaming", "memcpy_nt", 1),
        ("memcpy_streaming_drain", "memcpy_nt_drain", 1),
    ]
    (one,) = became([pair], found)
    assert one.change == "renamed"
    assert "memcpy_streaming is now memcpy_nt" in one.reason


def test_a_name_that_both_versions_have_was_not_renamed() -> None:
    pair = changed("-+\tset_a(page);", "++\tset_b(page);", "++\tset_a(other);")
    assert renames([pair], *vocabulary(pair)) == ()
    assert became([pair], ())[0].change == "changed"


def test_a_rename_and_a_change_are_a_change() -> None:
    pair = changed("-+\told_name(a);", "++\tnew_name(a);", "++\tmore();")
    found = renames([pair], *vocabulary(pair))
    assert [(r.old, r.new) for r in found] == [("old_name", "new_name")]
    assert became([pair], found)[0].change == "changed"


def test_other_line_breaks_are_not_a_change_of_code() -> None:
    pair = changed("-+\tf(a, b);", "++\tf(a,", "++\t  b);")
    assert became([pair], ())[0].change == "spacing"


def test_what_a_patch_takes_away_counts_as_much_as_what_it_adds() -> None:
    pair = changed("--\tline;", "++\tline;")
    assert became([pair], ())[0].change == "changed"


def test_a_change_of_message_or_context_leaves_the_code_the_same() -> None:
    message = Pair(
        2, 2, "!", "s", "@@ Commit message\n     Text.\n-    It was 3 %.\n+    It is 4 %."
    )
    assert became([message], ())[0].change == "message"
    around = changed("- \tline 1;", "+ \tline 2;", " +\tours;")
    assert became([around], ())[0].change == "context"
    both = Pair(2, 2, "!", "s", message.text + "\n  ## mm/x.c ##\n- \tline 1;\n+ \tline 2;")
    assert became([both], ())[0].change == "context"


def test_trailers_count_while_the_patch_keeps_its_code() -> None:
    pairs = [SAME, changed("-+\ta;", "++\tb + 1;"), DROPPED, NEW]
    old = [Trailer("Tested-by", B, n) for n in (1, 2, 3, 0, 9)]
    new = [Trailer("Tested-by", B, 1), Trailer("Tested-by", B, 2)]
    found = vouched(became(pairs, ()), old, new)
    assert [(v.counts, v.is_given, v.advice) for v in found] == [
        (True, True, "keep"),
        (False, True, "to be dropped"),
        (False, False, "gone"),
        (False, False, "gone"),
        (False, False, "gone"),
    ]
    assert found[1].reason == "its code changed: 2 lines differ"
    assert found[3].reason.startswith("patch 2: ")


def test_a_trailer_for_the_series_counts_while_no_code_changed() -> None:
    (found,) = vouched(became([SAME], ()), [Trailer("Acked-by", B, 0)], [])
    assert (found.counts, found.advice) == (True, "may be added")


def claim(version: int, percent: float | None = None, **more: object) -> Claim:
    values = {"metric": "nd_pmem", "guest": "g", "rebinds": 30, **more}
    return Claim(version=version, reduction_percent=percent, **values)  # type: ignore[arg-type]


def test_figures_are_compared_per_build_and_follow_their_patch() -> None:
    old = [
        claim(4, 60.4, base=Figures(244.0, 1456.0), tip=Figures(96.0)),
        claim(4, 21.4, after_patch=2),
    ]
    new = [
        claim(5, 59.0, base=Figures(244.0), tip=Figures(100.0)),
        claim(5, 20.0, after_patch=3),
        claim(5, base=Figures(100.0), tip=Figures(50.0), metric="dax_pmem"),
    ]
    pairs = became([SAME, changed("-+a", "++b", before=2, after=3)], ())
    rows = {(m.metric, m.what): (m.old, m.new) for m in moved(old, new, pairs)}
    assert rows["nd_pmem", "reduction (%)"] == (60.4, 59.0)
    assert rows["nd_pmem", "series mean (ms)"] == (96.0, 100.0)
    assert rows["nd_pmem", "base first (ms)"] == (1456.0, None)
    assert rows["nd_pmem", "reduction (%) after patch 3"] == (21.4, 20.0)
    assert rows["dax_pmem", "reduction (%)"] == (None, 50.0)


NAMES = st.from_regex(r"[a-z]{3,8}", fullmatch=True)


@given(
    st.lists(NAMES, min_size=2, max_size=6, unique=True),
    st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=4), min_size=1, max_size=6),
)
def test_any_renaming_of_a_patch_is_recognised(names: list[str], calls: list[list[int]]) -> None:
    """Each line calls some functions; the new version has other names for all of them."""
    lines = ["\t" + " ".join(f"{names[n % len(names)]}(1);" for n in call) for call in calls]
    new = [re.sub(r"[a-z]+", lambda m: f"{m[0]}_nt", line) for line in lines]
    pair = changed(*(f"-+{line}" for line in lines), *(f"++{line}" for line in new))
    found = renames([pair], *vocabulary(pair))
    used = {names[n % len(names)] for call in calls for n in call}
    assert {(r.old, r.new) for r in found} == {(name, f"{name}_nt") for name in used}
    assert became([pair], found)[0].change == "renamed"
