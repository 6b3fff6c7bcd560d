# SPDX-License-Identifier: GPL-2.0-only
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.git.diff import DiffError, parse_diff
from harness.series.mails.mail import MailError, introduced_by, parse_series
from harness.series.mails.messages import Tag, is_message_id, read_mails

DIFF = """\
diff --git a/mm/mm_init.c b/mm/mm_init.c
index 03d8983..58f46b3 100644
--- a/mm/mm_init.c
+++ b/mm/mm_init.c
@@ -4,3 +4,4 @@ static void init_page(struct page *page)
 \tpage->flags = 0;
-\tpage->refcount = 0;
+\tpage->refcount = 1;
+\tpage->mapcount = -1;
 }
"""


def mail(tag: str = "PATCH 1/1", diff: str = DIFF, subject: str = "mm: one") -> str:
    return (
        "From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001\n"
        "From: A Developer <dev@example.org>\n"
        "Date: Mon, 1 Jun 2026 12:00:00 +0000\n"
        f"Subject: [{tag}] {subject}\n"
        "Message-ID: <1@example.org>\n"
        "\n"
        "From here on it is text.\n"
        "---\n"
        f"{diff}--\n2.39.5\n\n"
    )


def series(*mails: str) -> list[str]:
    return [p.subject for p in parse_series("".join(mails).encode())]


def test_a_series_comes_out_without_cover_letter_and_replies() -> None:
    cover = mail("PATCH v2 0/2", "", "the cover")
    reply = mail("PATCH v2 1/2", "").replace("Subject: [", "Subject: Re: [")
    two, one = mail("PATCH v2 2/2", subject="two"), mail("PATCH v2 1/2", subject="one")
    assert series(cover, one, reply, two) == ["one", "two"]
    with pytest.raises(MailError, match="in the order 2, 1"):
        series(cover, two, reply, one)


@pytest.mark.parametrize(
    ("subject", "about"),
    [
        ("[PATCH v2 1/2] mm: one", Tag(2, 1, 2)),
        ("Re: [PATCH v2 1/2] mm: one", Tag(2, 1, 2)),
        ("RE:Fwd: aw: [RFC v3] mm: one", Tag(3, 1, 1)),
        ("Re: mm: more: re: [PATCH v2] mm: one", None),
        ("Re: ", None),
        ("mm: one", None),
    ],
)
def test_a_reply_is_about_what_its_subject_names(subject: str, about: Tag | None) -> None:
    (found,) = read_mails(f"From: A\nSubject: {subject}\n\nText.\n".encode())
    assert found.about == about
    assert found.tag == (None if found.is_reply else about)


def test_hunks_know_their_file_and_line() -> None:
    (patch,) = parse_series(mail().encode())
    (hunk,) = patch.hunks
    assert (hunk.file, hunk.old_start) == ("mm/mm_init.c", 4)
    assert hunk.text.endswith("\n }")


@pytest.mark.parametrize(
    ("old", "new", "names"),
    [
        ("a/mm/x.c~mm-one-fix", "a/mm/x.c", ("mm/x.c", "mm/x.c")),
        ("a/mm/x.c", "b/mm/x.c", ("mm/x.c", "mm/x.c")),
        ("a/mm/x.c~mm-one-fix\t2026-06-01", "a/mm/x.c\t2026-06-01", ("mm/x.c", "mm/x.c")),
        ("/dev/null", "b/mm/x.c", ("mm/x.c", "")),
    ],
)
def test_a_diff_of_quilt_has_no_line_of_gits(old: str, new: str, names: tuple[str, str]) -> None:
    hunk = "@@ -1 +1 @@\n-a\n+b"
    other = f"--- a/mm/y.c~mm-one-fix\n+++ a/mm/y.c\n{hunk}"
    first, second = parse_diff(f"--- {old}\n+++ {new}\n{hunk}\n{other}".split("\n"))
    assert (first.file, first.old_file) == names
    assert (second.file, second.old_file) == ("mm/y.c", "mm/y.c")


@pytest.mark.parametrize(
    ("old", "new"),
    [("a/../x", "b/x"), ("a/x", "b/../x"), ("a/.git/config", "a/x"), ("a/x", "a//x")],
)
def test_a_diff_of_quilt_stays_within_the_tree(old: str, new: str) -> None:
    with pytest.raises(DiffError, match="outside a kernel tree"):
        parse_diff(f"--- {old}\n+++ {new}\n@@ -1 +1 @@\n-a\n+b".split("\n"))


def posted(number: int, answers: str = "") -> str:
    answering = f"In-Reply-To: <{answers}>\n" if answers else ""
    return mail(f"PATCH {number}/2", subject=f"patch {number}").replace(
        "Message-ID: <1@", f"{answering}Message-ID: <{number}@"
    )


@pytest.mark.parametrize(
    ("mails", "expected"),
    [
        ([posted(1, "0@example.org"), posted(2, "0@example.org")], "0@example.org"),
        ([posted(1), posted(2, "1@example.org")], "1@example.org"),
        # An older version's cover letter is not this series'.
        ([posted(1, "old@example.org"), posted(2, "1@example.org")], "1@example.org"),
        ([mail()], "1@example.org"),
        ([mail().replace("Message-ID: <1@example.org>\n", "")], ""),
        ([mail().replace("<1@example.org>", "not one")], ""),
    ],
)
def test_a_series_is_known_by_the_mail_that_introduced_it(mails: list[str], expected: str) -> None:
    assert introduced_by(parse_series("".join(mails).encode())) == expected


@given(st.text())
def test_a_message_id_never_breaks_out_of_a_header(text: str) -> None:
    if is_message_id(f"{text}@example.org"):
        assert text.isascii()
        assert not set(text) & set(' \r\n<>,;"')


@pytest.mark.parametrize("text", ["", "a", "a@b c", "a@b>", "a@b\nBcc: c", "é@b", "a@"])
def test_invalid_message_ids(text: str) -> None:
    assert is_message_id("20260101120000.1-1-name.2@example.org")
    assert not is_message_id(text)


def test_encoded_and_folded_subjects_are_read() -> None:
    assert series(mail(subject="=?utf-8?q?mm=3A_caf=C3=A9?=")) == ["mm: café"]
    assert series(mail(subject="mm: a long\n subject")) == ["mm: a long subject"]


def test_tags_are_not_part_of_a_subject_and_plain_utf8_is_read() -> None:
    assert series(mail(subject="[mm] [RFC] mm: café")) == ["mm: café"]


def test_a_reply_with_half_a_patch_in_it_is_passed_over() -> None:
    half = mail(diff=DIFF.rpartition("+")[0]).replace("Subject: [", "Subject: Re: [")
    assert series(mail(), half) == ["mm: one"]


def test_dos_line_ends_are_read() -> None:
    assert parse_series(mail().replace("\n", "\r\n").encode())[0].subject == "mm: one"


@pytest.mark.parametrize("inside", ["\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028"])
def test_only_a_newline_ends_a_line_of_a_patch(inside: str) -> None:
    text = f"+\tpage->mapcount = -1;{inside}/* page */"
    (patch,) = parse_series(mail(diff=DIFF.replace("+\tpage->mapcount = -1;", text)).encode())
    assert text in patch.hunks[0].text.split("\n")


def test_one_version_only_is_a_series() -> None:
    both = [mail("PATCH v2 1/1", subject="new"), mail("PATCH 1/1", subject="old")]
    with pytest.raises(MailError, match="versions v1, v2"):
        series(*both)


@pytest.mark.parametrize(
    ("tags", "tag"),
    [
        ("[PATCH]", Tag(1, 1, 1)),
        ("[patch V5 2/3]", Tag(5, 2, 3)),
        ("[PATCHv2 1/2]", Tag(2, 1, 2)),
        ("[RFC v2 1/2]", Tag(2, 1, 2)),
        ("[RFC PATCH 0/12]", Tag(1, 0, 12)),
        ("[PATCH v6,1/2]", Tag(6, 1, 2)),
        ("[mm-unstable] [PATCH v3 02/10]", Tag(3, 2, 10)),
        ("[PATCH 5.10/5.15]", Tag(1, 1, 1)),
        ("[PATCH 6.1.y 1/2]", Tag(1, 1, 2)),
        ("[PATCH stable-v6.1/v6.6]", Tag(1, 1, 1)),
        ("[ANNOUNCE]", None),
        ("", None),
    ],
)
def test_the_place_in_a_series_is_read_from_the_tags(tags: str, tag: Tag | None) -> None:
    (found,) = read_mails(f"From: a@b\nSubject: {tags} mm: one\n\n".encode())
    assert found.tag == tag


SMALL = {
    "mode": "old mode 100644\nnew mode 100755\n",
    "rename": "similarity index 100%\nrename from mm/a.c\nrename to mm/mm_init.c\n",
    "empty": "new file mode 100644\nindex 0000000..e69de29\n",
    "binary": "index 0000000..1111111\nGIT binary patch\nliteral 6\nNcmYdfNMcB41ONn^0Vn_f\n\n",
}


@pytest.mark.parametrize("kind", SMALL)
def test_a_patch_without_hunks_is_a_patch(kind: str) -> None:
    (patch,) = parse_series(mail(diff=DIFF.partition("index")[0] + SMALL[kind]).encode())
    assert patch.hunks == ()


@pytest.mark.parametrize(
    ("diff", "message"),
    [
        ("old mode 100644\nnew mode 120000\n", "link"),
        ("rename from mm/a.c\nrename to ../a.c\n", "outside a kernel tree"),
        ("rename from .git/config\nrename to mm/a.c\n", "outside a kernel tree"),
        ("new file mode 100644\nGIT binary patch\nliteral 4000000000\n", "larger than 99 MB"),
    ],
)
def test_a_dangerous_patch_without_hunks_is_refused(diff: str, message: str) -> None:
    with pytest.raises(MailError, match=message):
        parse_series(mail(diff=DIFF.partition("index")[0] + diff).encode())


def test_a_diff_without_prefixes_is_named_as_such() -> None:
    plain = DIFF.replace("a/mm", "mm").replace("b/mm", "mm")
    with pytest.raises(MailError, match="paths lack a/ and b/") as caught:
        parse_series(mail(diff=plain).encode())
    assert caught.value.line == 9


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "holds no patch"),
        ("just text\nof a kind\n", 1, "holds no patch"),
        (DIFF, 1, "holds no patch"),
        (mail("PATCH 1/3") + mail("PATCH 3/3"), None, "lacks patch 2 of 3"),
        (mail("PATCH 1/2") + mail("PATCH 1/2"), None, "lacks patch 2 of 2"),
        (mail("PATCH 1/1") * 2, None, "twice"),
        (mail("PATCH 1/2") + mail("PATCH 1/3"), None, "different lengths"),
        (mail("PATCH 2/2") + mail("PATCH 1/2"), None, "in the order 2, 1"),
        (mail("PATCH 3/2"), 1, "patch 3 of 2"),
        (mail(diff=DIFF.replace("struct page *page)", "struct\n*page)")), 14, "were wrapped"),
        (mail(diff=DIFF.replace("+\tpage->m", "page->m")), 17, "were wrapped"),
        (mail(diff=DIFF.replace("4,3 +4,4", "4,9 +4,9")), 20, "damaged"),
        (mail().partition("+\tpage->m")[0], 13, "cut short"),
        (mail(diff=DIFF.replace("4,3 +4,4", "4,3 +4,3")), 13, "header counts"),
        (mail(diff=DIFF.replace(" @@ static", "\nstatic")), 13, "header is wrapped"),
        (mail(diff=DIFF.replace("b/mm/mm_init.c\nindex", "\nb/mm/mm_init.c\nindex")), 9, "header"),
        (mail(diff=DIFF.replace("mm/mm_init.c", "../../etc/passwd")), 9, "outside a kernel tree"),
        (mail(diff=DIFF.replace("mm/mm_init.c", "mm/../../x")), 9, "outside a kernel tree"),
        (mail(diff=DIFF.replace("mm/mm_init.c", "/etc/passwd")), 9, "outside a kernel tree"),
        (mail(diff=DIFF.replace("mm/mm_init.c", ".git/hooks/pre-commit")), 9, "outside"),
        (mail(diff=DIFF.replace("mm/mm_init.c", ".GIT/config")), 9, "outside"),
        (mail(diff=DIFF.replace("+++ b/mm", "+++ b/../mm")), 12, "outside"),
        (mail(diff=DIFF.replace("index 03", "rename to ../x\nindex 03")), 10, "outside"),
        (mail(diff=DIFF.replace("index 03", "new file mode 120000\nindex 03")), 10, "link"),
        (mail(diff=DIFF.replace("58f46b3 100644", "58f46b3 120000")), 10, "link"),
        (mail(diff=DIFF.replace("index 03", "new file mode 160000\nindex 03")), 10, "link"),
        (mail(diff=DIFF + "+\tone too many;\n"), 19, "more lines"),
        (mail(diff=DIFF + "-\tone too many;\n"), 19, "more lines"),
        (mail().replace("From: A", "X-From: A"), 1, "no From"),
        (mail().replace("Date: M", "X-Date: M"), 1, "no valid Date"),
        (
            mail().replace("dev@example.org", "[email\u00a0protected]"),
            1,
            "hid the author's address",
        ),
        (
            mail(diff=DIFF.replace("+\tpage->m", "+\t[email protected] page->m")),
            17,
            "hid an address",
        ),
        (mail().replace("Date: Mon, 1 Jun 2026 12:00:00", "Date: one day"), 1, "no valid Date"),
    ],
)
def test_an_incomplete_or_damaged_series_is_refused_by_line(
    text: str, line: int | None, message: str
) -> None:
    with pytest.raises(MailError, match=message) as caught:
        parse_series(text.encode())
    assert caught.value.line == line


def test_an_archives_page_of_a_patch_is_recognised_as_wrapped() -> None:
    page = (Path(__file__).parents[2] / "data" / "mail" / "archive-page.txt").read_bytes()
    with pytest.raises(MailError, match="wrapped") as caught:
        parse_series(page)
    assert page.splitlines()[(caught.value.line or 0) - 1] == b"page *page)"


LINES = st.lists(st.tuples(st.sampled_from(" +-"), st.text("ab{}", max_size=5)), min_size=1)


@given(LINES, st.integers(1, 10_000))
def test_any_well_formed_hunk_is_read_and_any_cut_one_refused(
    body: list[tuple[str, str]], start: int
) -> None:
    old = sum(kind != "+" for kind, _ in body)
    new = sum(kind != "-" for kind, _ in body)
    head = ["diff --git a/f b/f", "--- a/f", "+++ b/f", f"@@ -{start},{old} +{start},{new} @@"]
    lines = [kind + text for kind, text in body]
    (hunk,) = parse_diff(head + lines)
    assert (hunk.old_start, hunk.text.splitlines()[1:]) == (start, lines)
    with pytest.raises(DiffError):
        parse_diff(head + lines[:-1])


@given(st.binary(max_size=400) | st.text("diff-gt abFrom@+,1/\n:[PATCH]Subject", max_size=400))
def test_any_bytes_make_a_series_or_a_mail_error(data: bytes | str) -> None:
    try:
        parse_series(data if isinstance(data, bytes) else data.encode())
    except MailError as error:
        assert error.what
