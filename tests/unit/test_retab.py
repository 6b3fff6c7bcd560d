# SPDX-License-Identifier: GPL-2.0-only
import difflib
import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.parse.retab import restore
from harness.parse.unwrap import WrapError, unwrap
from tests.unit.test_unwrap import archived

BEFORE = """\
// SPDX-License-Identifier: GPL-2.0
#define PAGES\t\t512
static void init_page(struct page *page,
\t\t      unsigned long pfn)
{
\tpage->flags = 0;\t/* none */
\tif (pfn)
\t\tpage->refcount = 1;
}

void other(void)
{
        spaces_here();
}
"""
AFTER = BEFORE.replace("refcount = 1;", "refcount = 0;").replace(
    "\tif (pfn)\n",
    "\tif (pfn && is_a_condition_that_is_so_long_that_an_archive(page) && wraps_it)\n"
    "\t\t/* as kernel code is */\n",
)


def blob(content: str) -> str:
    raw = content.encode()
    return hashlib.sha1(b"blob %d\0" % len(raw) + raw).hexdigest()


def diff(before: str, after: str, path: str = "mm/a.c", digits: int = 12) -> list[str]:
    """A diff as git makes it."""
    ids = (blob(side)[:digits] if side else "0" * digits for side in (before, after))
    lines = [f"diff --git a/{path} b/{path}"]
    if not before or not after:
        lines.append(f"{'new' if not before else 'deleted'} file mode 100644")
    lines.append(f"index {'..'.join(ids)} 100644")
    names = [f"a/{path}" if before else "/dev/null", f"b/{path}" if after else "/dev/null"]
    told = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), *names
    )
    for line in told:
        lines.append(line.removesuffix("\n"))
        if not line.endswith("\n"):
            lines.append("\\ No newline at end of file")
    return [*lines, "-- ", "2.39.5"]


def shown(lines: list[str]) -> list[str]:
    return archived([line.expandtabs() for line in lines])


def restored(lines: list[str], before: str | None = BEFORE) -> list[str]:
    files = {} if before is None else {"mm/a.c": before.encode()}
    return list(restore(unwrap(lines), files.get)[0])


def test_a_patch_comes_back_from_an_archive_as_it_was() -> None:
    lines = diff(BEFORE, AFTER)
    assert any("\t" in line for line in lines)
    assert len(shown(lines)) > len(lines)
    assert restored(shown(lines)) == lines


def test_git_calls_a_blob_the_same() -> None:
    assert blob("hello\n") == "ce013625030ba8dba906f756967f9e9ca394464a"


@pytest.mark.parametrize(
    "after",
    [
        AFTER.replace("#define PAGES\t\t512", "#define PAGES\t\t1024"),
        AFTER.replace("#define PAGES\t\t512", "#define SMALL\t256\n#define PAGES\t\t512"),
        AFTER.replace("        spaces_here();", "        spaces_here();\n        spaces_here();"),
        AFTER + "\n/*\n * the end\n */\n",
        AFTER.removesuffix("\n"),
        BEFORE.replace("\t", "        "),
        BEFORE[BEFORE.index("\n") + 1 :],
        "",
    ],
)
def test_other_changes_come_back_too(after: str) -> None:
    lines = diff(BEFORE, after)
    assert restored(shown(lines)) == lines


def test_a_new_file_needs_no_tree() -> None:
    lines = diff("", "\ta\n\n\tb\n")
    assert restored(shown(lines), None) == lines


def test_a_file_without_a_final_newline_comes_back() -> None:
    before = BEFORE.removesuffix("\n")
    for after in (BEFORE, AFTER, AFTER.removesuffix("\n")):
        lines = diff(before, after)
        assert restored(shown(lines), before) == lines


def test_patches_that_follow_each_other_are_restored_in_turn() -> None:
    last = AFTER.replace("pfn)\n{", "pfn)\n{\n\tint nid;\n")
    first = restore(unwrap(shown(diff(BEFORE, AFTER))), {"mm/a.c": BEFORE.encode()}.get)
    assert first[1] == {"mm/a.c": AFTER.encode()}
    second = restore(unwrap(shown(diff(AFTER, last))), first[1].get)
    assert list(second[0]) == diff(AFTER, last)
    gone = restore(unwrap(shown(diff(last, ""))), second[1].get)
    assert gone[1] == {"mm/a.c": None}


@pytest.mark.parametrize(
    ("lines", "before", "said"),
    [
        (diff(BEFORE, AFTER), None, "is not in this tree"),
        (diff(BEFORE, AFTER), BEFORE + "\n", "not the one it was made for"),
        (diff(BEFORE, AFTER, digits=6), BEFORE, "no index line"),
        (
            [line for line in diff(BEFORE, AFTER) if not line.startswith("index")],
            BEFORE,
            "no index line",
        ),
        (diff(BEFORE, AFTER.replace("\t\t/* as", "    \t/*  as")), BEFORE, "no way to put them"),
        (
            [line.replace("refcount = 0", "refcount = 7") for line in diff(BEFORE, AFTER)],
            BEFORE,
            "no way to put them",
        ),
        (
            [line.replace("refcount = 1", "refcount = 7") for line in diff(BEFORE, AFTER)],
            BEFORE,
            "something else here",
        ),
        (
            [line.replace("@@ -4,", "@@ -5,") for line in diff(BEFORE, AFTER)],
            BEFORE,
            "something else here",
        ),
        (
            [line.replace("@@ -4,", "@@ -400,") for line in diff(BEFORE, AFTER)],
            BEFORE,
            "something else here",
        ),
        (["diff --git a/mm/a.c b/mm/a.c", "GIT binary patch", "literal 1", "x"], BEFORE, "binary"),
    ],
)
def test_what_is_not_proved_is_refused(lines: list[str], before: str | None, said: str) -> None:
    told = shown(lines)
    with pytest.raises(WrapError, match=said) as caught:
        restored(told, before)
    assert 1 <= caught.value.line <= len(told)


LINE = st.lists(
    st.sampled_from(["\t", " ", "  ", "a", "struct", "x" * 30, "=", "y y y", "\t\t"]), max_size=8
).map("".join)
TEXT = st.lists(LINE, max_size=14).map("\n".join)


@settings(max_examples=60)
@given(TEXT, TEXT, st.booleans())
def test_any_patch_comes_back_as_it_was_or_not_at_all(before: str, after: str, ends: bool) -> None:
    before, after = (side + "\n" * ends if side else "" for side in (before, after))
    if before == after:
        return
    lines = diff(before, after)
    try:
        found = restored(shown(lines), before)
    except WrapError:
        return
    body = [line for line in found if not line.startswith("@@")]
    assert body == [line for line in lines if not line.startswith("@@")]
