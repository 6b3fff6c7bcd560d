# SPDX-License-Identifier: GPL-2.0-only
"""Series chosen from threads by real b4, offline, and the checks of its choice."""

import datetime
import email.utils
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.host.cache import Cache
from harness.series.mails import b4
from harness.series.mails.fixes import on_top
from harness.series.mails.mail import MailError
from harness.series.mails.messages import Mail
from harness.series.mails.select import select

DIFF = """\
diff --git a/mm/x{at}.c b/mm/x{at}.c
index 03d8983..58f46b3 100644
--- a/mm/x{at}.c
+++ b/mm/x{at}.c
@@ -4,1 +4,1 @@ int f(void)
-\tone({at});
+\ttwo({at});
"""
STAT = " mm/x.c | 2 +-\n 1 file changed, 1 insertion(+), 1 deletion(-)\n"


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    made = Cache(tmp_path / "cache")
    made.root.mkdir()
    return made


def mail(
    name: str,
    subject: str,
    *answers: str,
    diff: str | None = None,
    text: str = "Text.",
    sender: str = "A Developer <dev@example.org>",
    day: int = 1,
) -> bytes:
    """Return a mail with the message-id NAME@example.org, as an archive writes it."""
    date = datetime.datetime(2026, 6, day, 12, tzinfo=datetime.UTC)
    head = f"From: {sender}\nDate: {email.utils.format_datetime(date)}\nSubject: {subject}\n"
    head += f"Message-ID: <{name}@example.org>\n"
    if answers:
        head += f"In-Reply-To: <{answers[-1]}@example.org>\n"
        head += f"References: {' '.join(f'<{a}@example.org>' for a in answers)}\n"
    body = DIFF.format(at=len(name)) if diff is None else diff
    separator = "From mboxrd@z Thu Jan  1 00:00:00 1970\n"
    return f"{separator}{head}\n{text}\n\n---\n{STAT}\n{body}-- \n2.39.5\n\n".encode()


def cover(name: str, subject: str, *answers: str, day: int = 1) -> bytes:
    return mail(name, subject, *answers, diff="", day=day)


def series(tag: str, *, above: Sequence[str] = (), name: str = "p", day: int = 1) -> list[bytes]:
    """Return two patches, the second of which answers the first."""
    first = mail(f"{name}1", f"[{tag.format(1)}] mm: one", *above, day=day)
    second = mail(f"{name}2", f"[{tag.format(2)}] mm: two", *above, f"{name}1", day=day)
    return [first, second]


def names(mails: Sequence[Mail]) -> list[str]:
    return [(mail.message_id or "").removesuffix("@example.org") for mail in mails]


def chosen(
    cache: Cache, mails: Sequence[bytes], version: int | None = None
) -> tuple[list[str], list[str]]:
    """Return the names of the chosen patches and of the mails left out."""
    found = select(cache, b"".join(mails), version)
    patches = found.patches
    assert [patch.number for patch in patches] == list(range(1, len(patches) + 1))
    assert {patch.total for patch in patches} == {len(patches)}
    others = names([*found.fixes, *found.left_out])
    return [p.message_id.removesuffix("@example.org") for p in patches], others


@pytest.mark.parametrize(
    "tag",
    [
        "PATCH {}/2",
        "PATCH v2 {}/2",
        "patch V5 {}/2",
        "RFC v2 {}/2",
        "RFC PATCH {}/2",
        "PATCHv2 {}/2",
        "PATCH v6,{}/2",
        "PATCH v6, {}/2",
        "PATCH,v6,{}/2",
        "PATCH net-next v3 0{}/02",
        "PATCH 6.1.y {}/2",
        "PATCH RESEND v4 {}/2",
    ],
)
def test_a_series_is_chosen_in_order_with_any_tags(cache: Cache, tag: str) -> None:
    assert chosen(cache, series(tag)[::-1]) == (["p1", "p2"], [])


@pytest.mark.parametrize("tag", ["PATCH", "PATCH 5.10/5.15", "PATCH v2", "RFC", "PATCH 1/1"])
def test_a_single_patch_is_chosen(cache: Cache, tag: str) -> None:
    assert chosen(cache, [mail("one", f"[{tag}] mm: one")]) == (["one"], [])


def test_a_single_patch_may_answer_its_cover_letter_or_a_question(cache: Cache) -> None:
    patch = mail("one", "[PATCH v2 1/1] mm: one", "top")
    assert chosen(cache, [cover("top", "[PATCH v2 0/1] mm: top"), patch]) == (["one"], [])
    question = mail("top", "mm: it is slow", diff="")
    assert chosen(cache, [question, mail("one", "[PATCH] mm: one", "top")]) == (["one"], [])


def test_a_mail_that_came_twice_is_one_mail(cache: Cache) -> None:
    one, two = series("PATCH {}/2")
    footer = one.replace(b"2.39.5\n", b"2.39.5\n_____\nlist mailing list\n")
    for mails in ([one, two, one], [one, footer, two], [two, one, footer, two]):
        assert chosen(cache, mails) == (["p1", "p2"], [])


LATE = [
    "[PATCH] fixup! mm: two",
    "[PATCH] mm: one",
    "[PATCH] mm-one-fix",
    "[PATCH 1/1] mm: three",
    "[RFC] mm: three",
    "mm-one-fix.patch",
]


SELF, OTHER = "A Developer <dev@example.org>", "B <b@example.org>"


@pytest.mark.parametrize("subject", LATE)
@pytest.mark.parametrize(
    ("answers", "sender", "day", "tag"),
    [
        (("top",), SELF, 2, "PATCH v5 {}/2"),
        (("top", "p1"), OTHER, 1, "PATCH {}/2"),
        (("top", "p2"), SELF, 2, "PATCH {}/2"),
    ],
)
def test_a_late_fix_is_left_out_and_named(
    cache: Cache, subject: str, answers: tuple[str, ...], sender: str, day: int, tag: str
) -> None:
    top = cover("top", f"[{tag.format(0)}] mm: top")
    late = mail("late", subject, *answers, sender=sender, day=day)
    mails = [top, *series(tag, above=["top"]), late]
    assert chosen(cache, mails) == (["p1", "p2"], ["late"])


@pytest.mark.parametrize("subject", LATE)
@pytest.mark.parametrize(
    ("root", "sender", "day"),
    [("[PATCH]", SELF, 2), ("[PATCH v3]", OTHER, 2), ("[PATCH 1/1]", SELF, 1)],
)
def test_a_late_fix_of_a_single_patch_is_left_out_and_named(
    cache: Cache, root: str, subject: str, sender: str, day: int
) -> None:
    late = mail("late", subject, "one", sender=sender, day=day)
    assert chosen(cache, [mail("one", f"{root} mm: one"), late]) == (["one"], ["late"])


def test_a_late_fix_that_came_first_is_left_out_and_named(cache: Cache) -> None:
    late = mail("late", "[PATCH] mm: fix", "p1")
    assert chosen(cache, [late, *series("PATCH {}/2")]) == (["p1", "p2"], ["late"])


def test_a_fix_within_a_reply_is_named(cache: Cache) -> None:
    reply = mail("reply", "Re: [PATCH 1/2] mm: one", "p1")
    assert chosen(cache, [*series("PATCH {}/2"), reply]) == (["p1", "p2"], ["reply"])


def test_several_late_fixes_are_all_left_out(cache: Cache) -> None:
    fixes = [mail(f"late{n}", f"[PATCH] mm: fix {n}", "p1", day=n) for n in range(1, 6)]
    found = chosen(cache, [*series("PATCH {}/2"), *fixes])
    assert found == (["p1", "p2"], [f"late{n}" for n in range(1, 6)])


QUILT = """\
--- a/mm/x.c~mm-one-fix
+++ a/mm/x.c
@@ -4,1 +4,1 @@ int f(void)
-\ttwo();
+\tthree();
_
"""


def fixes_of(cache: Cache, mails: Sequence[bytes], version: int | None = None) -> list[str]:
    """Return the names of the fixes that `on_top` puts on top of the chosen series."""
    found = select(cache, b"".join(mails), version)
    patches = on_top(found.patches, found.fixes)
    assert patches[: len(found.patches)] == tuple(
        msgspec.structs.replace(patch, total=len(patches)) for patch in found.patches
    )
    assert [patch.number for patch in patches] == list(range(1, len(patches) + 1))
    assert [patch.raw for patch in patches[len(found.patches) :]] == [m.raw for m in found.fixes]
    return names(found.fixes)


@pytest.mark.parametrize(
    ("subject", "text", "diff"),
    [
        *((subject, "Text.", None) for subject in LATE),
        ("Re: [PATCH v2 1/2] mm: one", "Andrew, please fold this in.", None),
        ("Re: [PATCH v2 1/2] mm: one", "I queued this.", QUILT),
        ("Re: mm-one-fix", "Text.", None),
        ("mm-one-fix-2", "Text.", QUILT),
    ],
)
def test_a_fix_that_answers_the_series_can_be_put_on_top(
    cache: Cache, subject: str, text: str, diff: str | None
) -> None:
    fix = mail("fix", subject, "top", "p1", text=text, diff=diff)
    top = cover("top", "[PATCH v2 0/2] mm: top")
    assert fixes_of(cache, [top, *series("PATCH v2 {}/2", above=["top"]), fix]) == ["fix"]


def test_fixes_are_put_on_top_in_the_order_they_were_sent(cache: Cache) -> None:
    fixes = [mail(f"fix{n}", f"[PATCH] mm: fix {n}", "p1", day=9 - n) for n in range(1, 4)]
    assert fixes_of(cache, [*fixes, *series("PATCH {}/2")]) == ["fix3", "fix2", "fix1"]


def test_a_fix_may_answer_a_reply_that_names_only_its_own_parent(cache: Cache) -> None:
    reply = mail("reply", "Re: [PATCH 1/2] mm: one", "p1", diff="")
    fix = mail("fix", "[PATCH] mm: fix", "reply")
    assert fixes_of(cache, [*series("PATCH {}/2"), reply, fix]) == ["fix"]


@pytest.mark.parametrize(
    ("subject", "text", "answers"),
    [
        ("Re: [PATCH 1/2] mm: one", "Does this help?", ("p1",)),
        ("Re: [PATCH 1/2] mm: one", "> please fold this in\nNo.", ("p1",)),
        ("[PATCH] mm: elsewhere", "Text.", ("elsewhere",)),
        ("Re: mm-x-fix", "Text.", ("elsewhere",)),
    ],
)
def test_a_proposal_or_a_fix_of_something_else_is_no_fix(
    cache: Cache, subject: str, text: str, answers: Sequence[str]
) -> None:
    other = mail("other", subject, *answers, text=text)
    found = select(cache, b"".join([*series("PATCH {}/2"), other]))
    assert (names(found.fixes), names(found.left_out)) == ([], ["other"])


def test_a_fix_belongs_to_the_version_that_it_answers(cache: Cache) -> None:
    mails = [
        cover("top", "[PATCH 0/2] mm: top"),
        *series("PATCH {}/2", above=["top"]),
        mail("fix1", "[PATCH] mm: fix of v1", "top", "p1"),
        cover("again", "[PATCH v2 0/2] mm: top", "top", day=2),
        *series("PATCH v2 {}/2", above=["top", "again"], name="q", day=2),
        mail("fix2", "[PATCH] mm: fix of v2", "top", "again", "q1", day=3),
    ]
    assert fixes_of(cache, mails, 2) == ["fix2"]
    assert fixes_of(cache, mails, 1) == ["fix1"]


def test_a_fix_of_a_later_single_patch_is_no_fix_of_the_series_above_it(cache: Cache) -> None:
    mails = [
        cover("top", "[PATCH 0/2] mm: top"),
        *series("PATCH {}/2", above=["top"]),
        mail("fix1", "[PATCH] fixup! mm: one", "top", "p1", day=2),
        mail("again", "[PATCH v2] mm: one", "top", day=3),
        mail("fix2", "[PATCH] fixup! mm: one", "top", "again", day=4),
    ]
    assert fixes_of(cache, mails, 1) == ["fix1"]
    assert fixes_of(cache, mails, 2) == ["fix2"]


@pytest.mark.parametrize("fixes", [("[PATCH] mm: one", "[PATCH] mm: two"), LATE])
def test_fixes_that_b4_numbers_as_the_series_version_do_not_replace_it(
    cache: Cache, fixes: Sequence[str]
) -> None:
    one, two = series("PATCH v3 {}/2")
    late = [mail(f"fix{n}", subject, "p2", day=n + 2) for n, subject in enumerate(fixes)]
    named = [f"fix{n}" for n in range(len(fixes))]
    assert chosen(cache, [two, *late, one], 3) == (["p1", "p2"], named)


def test_two_versions_of_a_fix_are_refused(cache: Cache) -> None:
    fixes = [mail(f"f{n}", f"[PATCH v{n}] mm: fix", "p1", day=n) for n in (1, 2)]
    found = select(cache, b"".join([*series("PATCH v3 {}/2"), *fixes]))
    assert names(found.fixes) == ["f1", "f2"]
    with pytest.raises(MailError, match="holds two versions of a fix: mm: fix"):
        on_top(found.patches, found.fixes)


def test_a_damaged_fix_is_refused(cache: Cache) -> None:
    fix = mail("fix", "[PATCH] mm: fix", "p1", diff=DIFF.format(at=1).replace("-4,1", "-4,9"))
    with pytest.raises(MailError, match=r"cut short|damaged"):
        fixes_of(cache, [*series("PATCH {}/2"), fix])


def test_b4_is_asked_once_about_the_same_mails(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    mails = b"".join(series("PATCH v4 {}/2"))
    found = select(cache, mails)
    monkeypatch.setattr(b4, "select", None)
    assert select(cache, mails) is found
    with pytest.raises(TypeError):
        select(cache, mails, 4)


def test_the_cover_letter_is_that_of_the_chosen_version(cache: Cache) -> None:
    mails = [
        cover("top", "[PATCH 0/2] mm: top"),
        *series("PATCH {}/2", above=["top"]),
        cover("again", "[PATCH v2 0/2] mm: top", "top", day=2),
        *series("PATCH v2 {}/2", above=["top", "again"], name="q", day=2),
    ]
    for version, name in ((None, "again"), (2, "again"), (1, "top")):
        found = select(cache, b"".join(mails), version).cover
        assert found is not None
        assert names([found]) == [name]
    assert select(cache, b"".join(series("PATCH {}/2"))).cover is None


@pytest.mark.parametrize("above", [(), ("p1",)])
def test_the_latest_version_is_chosen_and_any_other_can_be(
    cache: Cache, above: tuple[str, ...]
) -> None:
    mails = [*series("PATCH {}/2"), *series("PATCH v2 {}/2", above=above, name="q", day=2)]
    assert chosen(cache, mails) == (["q1", "q2"], ["p1", "p2"])
    assert chosen(cache, mails, 2) == (["q1", "q2"], ["p1", "p2"])
    assert chosen(cache, mails, 1) == (["p1", "p2"], ["q1", "q2"])
    with pytest.raises(MailError, match="holds no version 3"):
        chosen(cache, mails, 3)


def test_patches_have_their_cover_letters_version(cache: Cache) -> None:
    mails = [cover("top", "[PATCH v4 0/2] mm: top"), *series("PATCH {}/2", above=["top"])]
    patches = select(cache, b"".join(mails)).patches
    assert [patch.version for patch in patches] == [4, 4]


def test_a_version_with_an_older_date_than_the_one_before_is_not_passed_over(cache: Cache) -> None:
    mails = [*series("PATCH {}/2", day=2), *series("PATCH v2 {}/2", name="q", day=1)]
    with pytest.raises(MailError, match="holds a later version, v2, than b4 selects: v1"):
        chosen(cache, mails)
    assert chosen(cache, mails, 2)[0] == ["q1", "q2"]


@pytest.mark.parametrize(
    "later",
    [
        cover("top", "[PATCH v2 0/2] mm: top", day=3),
        cover("reply", "Re: [PATCH v2 1/2] mm: one", day=3),
        mail("reply", "Re: [PATCH v2] mm: one", day=3),
        mail("single", "[PATCH v2] mm: one", "p1", day=1),
    ],
)
def test_a_later_version_without_its_patches_is_not_passed_over(cache: Cache, later: bytes) -> None:
    mails = [*series("PATCH {}/2", day=2), later]
    with pytest.raises(MailError, match="holds a later version, v2, than b4 selects: v1"):
        chosen(cache, mails)
    assert chosen(cache, mails, 1)[0] == ["p1", "p2"]


@pytest.mark.parametrize("tag", ["PATCH", "PATCH v2", "PATCH 1/1"])
@pytest.mark.parametrize("name", ["fixup", "squash", "amend"])
def test_a_fix_alone_is_no_series(cache: Cache, tag: str, name: str) -> None:
    mails = [mail("reply", "Re: mm: one"), mail("fix", f"[{tag}] {name}! mm: one", "reply")]
    with pytest.raises(MailError, match=f"a fix without the patch that it fixes: {name}! mm: one"):
        chosen(cache, mails)


@pytest.mark.parametrize("subject", LATE)
def test_a_fix_of_a_patch_that_only_a_reply_names_is_no_series(cache: Cache, subject: str) -> None:
    mails = [mail("one", "Re: [PATCH v2] mm: one"), mail("fix", subject, "one")]
    with pytest.raises(MailError, match="lacks the patches that this answers: ") as caught:
        chosen(cache, mails)
    assert caught.value.line == 1 + mails[0].count(b"\n")


@pytest.mark.parametrize(
    ("above", "tag"),
    [
        ("Re: [PATCH] mm: one", "PATCH v2"),
        ("Re: it is slow", "PATCH"),
        ("Re: [PATCH 0/1]", "PATCH"),
    ],
)
def test_a_single_patch_may_answer_a_reply(cache: Cache, above: str, tag: str) -> None:
    mails = [mail("reply", above), mail("one", f"[{tag}] mm: one", "reply", day=2)]
    assert chosen(cache, mails) == (["one"], ["reply"])


ONE, TWO = series("PATCH {}/2")


@pytest.mark.parametrize(
    ("mails", "message"),
    [
        ([ONE], "lacks patch 2 of 2"),
        ([TWO], "lacks patch 1 of 2"),
        ([cover("top", "[PATCH 0/2] mm: top")], "holds no patch"),
        ([mail("a", "Re: [PATCH] mm: one", "b")], "holds no patch"),
        ([ONE, TWO, mail("r2", "[PATCH 2/2] mm: two again", "p2", day=2)], "takes patch|twice"),
        ([ONE, mail("p2", "[PATCH 2/3] mm: two", "p1")], "different lengths"),
        ([mail("a", "[PATCH] mm: one"), mail("b", "[PATCH] mm: two")], "takes patch|twice"),
        (
            [mail("a", "[PATCH] mm: a"), mail("b", "[PATCH] mm: b", day=2)],
            "another patch of v1: mm: a",
        ),
        ([*series("PATCH {}/2"), *series("PATCH {}/2", name="q")], "takes patch|twice"),
        (
            [
                mail("a", "[PATCH v2] mm: a"),
                mail("b", "[PATCH v3] mm: b", "a"),
                mail("c", "[PATCH v3] c"),
            ],
            "takes patch|another|twice",
        ),
        ([ONE, TWO, mail("v2", "[PATCH v2 2/2] mm: two", "p2", day=2)], "lacks patch 1 of 2"),
        ([mail("a", "[PATCH 3/2] mm: one")], "is patch 3 of 2|takes patch"),
        ([ONE, TWO.replace(b"@@ -4,1", b"@@ -4,3")], "cut short|damaged"),
        ([ONE, TWO.replace(b"a/mm/", b"a/../")], "outside a kernel tree"),
        ([ONE, TWO.replace(b"index 0", b"new file mode 120000\nindex 0")], "link"),
        ([ONE, TWO.replace(b"a/mm", b"mm").replace(b"b/mm", b"mm")], "lack a/ and b/"),
        ([ONE, TWO.replace(b"Date:", b"X-Date:")], "no valid Date"),
        ([ONE, TWO.replace(b"\nFrom: A", b"\nX-From: A")], "has no From"),
        ([ONE, TWO.replace(b"dev@example.org>\nD", b"[email protected]>\nD")], "hid the author"),
        ([ONE, TWO.replace(b"diff --git ", b"diff ").replace(b"--- a/", b"--- ")], "holds no diff"),
    ],
)
def test_what_is_no_whole_series_is_refused(cache: Cache, mails: list[bytes], message: str) -> None:
    with pytest.raises(MailError, match=message):
        chosen(cache, mails)


@pytest.mark.parametrize(
    "text",
    [
        "From 273.52 ms it falls.",
        "From here\nFrom there",
        ">From an archive",
        "From: B <b@example.org>\nSubject: mm: other words\n\nText.",
        "Subject: [a, b]",
    ],
)
def test_any_text_of_a_message_is_harmless(cache: Cache, text: str) -> None:
    mails = [mail("p1", "[PATCH 1/2] mm: one", text=text), TWO]
    assert chosen(cache, mails) == (["p1", "p2"], [])


def test_a_diff_of_quilt_is_a_patch(cache: Cache) -> None:
    one = mail("one", "[PATCH] mm: one", diff=QUILT)
    (patch,) = select(cache, one).patches
    assert [(hunk.file, hunk.old_file) for hunk in patch.hunks] == [("mm/x.c", "mm/x.c")]


def test_mails_without_message_ids_are_chosen_in_order(cache: Cache) -> None:
    plain = [raw.replace(b"Message-ID: ", b"X-ID: ") for raw in (ONE, TWO)]
    patches = select(cache, b"".join(plain)).patches
    assert [(patch.number, patch.message_id) for patch in patches] == [(1, ""), (2, "")]


def test_a_raw_utf8_subject_is_chosen(cache: Cache) -> None:
    patches = select(cache, mail("one", "[PATCH] mm: café")).patches
    assert patches[0].subject == "mm: café"


def test_the_mails_own_bytes_are_applied_not_b4s(cache: Cache) -> None:
    patches = select(cache, ONE + TWO).patches
    assert [patch.raw for patch in patches] == [ONE, TWO]


SUBJECTS = st.builds(
    "{}[{}{}{}] mm: x".format,
    st.sampled_from(["", "", "", "Re: "]),
    st.sampled_from(["PATCH", "patch", "RFC", "PATCH RESEND"]),
    st.sampled_from(["", "", " v1", " v2", " V3", "v2"]),
    st.sampled_from(["", " 0/2", " 1/2", " 2/2", " 1/1", ",1/2", " 1/3", " 2/3", " 3/3"]),
)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_thread_gives_a_series_whose_subjects_say_so_or_an_error(
    cache: Cache, data: st.DataObject
) -> None:
    mails = []
    for at in range(data.draw(st.integers(1, 6))):
        subject = data.draw(SUBJECTS)
        answers = data.draw(st.lists(st.integers(0, max(at - 1, 0)), max_size=2 if at else 0))
        diff = "" if "0/2" in subject else None
        day = data.draw(st.integers(1, 3))
        mails.append(mail(f"m{at}", subject, *(f"m{a}" for a in answers), diff=diff, day=day))
    try:
        found = select(cache, b"".join(mails))
    except MailError as error:
        assert error.what
        return
    patches = found.patches
    assert [patch.number for patch in patches] == list(range(1, patches[0].total + 1))
    taken = [patch.message_id.removesuffix("@example.org") for patch in patches]
    with_diffs = {f"m{at}" for at, raw in enumerate(mails) if b"diff --git" in raw}
    others = names([*found.fixes, *found.left_out])
    assert len(others) == len({*others} - {*taken})
    assert {*taken, *others} == with_diffs
    for patch in patches:
        assert b"Subject: Re:" not in patch.raw


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.binary(max_size=300) | st.text("From: a@b\nSubject[PATCH]1/2diff -git x\r", max_size=300))
def test_any_bytes_give_a_series_or_an_error(cache: Cache, data: bytes | str) -> None:
    raw = data if isinstance(data, bytes) else data.encode()
    for given_ in (raw, ONE + raw, ONE.replace(b"Text.", raw) + TWO):
        try:
            select(cache, given_)
        except (MailError, HarnessError) as error:
            assert str(error)
