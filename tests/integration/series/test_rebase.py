# SPDX-License-Identifier: GPL-2.0-only
"""`harness rebase` with real git and real b4: a series over releases that others worked on."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.errors import DoesNotApply, InputError, MachineError
from harness.events import Event, Note
from harness.git.git import Git
from harness.host.processes import process as proc
from harness.series import apply
from harness.series.rebase import state, verify
from harness.series.rebase.outcome import Rebased
from harness.series.rebase.rebase import RebaseRequest, abort, all_onto, go_on, rebase
from harness.series.source import Mails, Port
from harness.trees.tree import fetch
from tests.fakes.kernels import Kernels
from tests.fakes.trees import git


@pytest.fixture
def kernels(tmp_path: Path) -> Kernels:
    return Kernels(tmp_path)


def rebase_onto(kernels: Kernels, onto: str, **more: object) -> Rebased:
    wanted = RebaseRequest("test", onto, **more)  # type: ignore[arg-type]
    return rebase(kernels.project, kernels.cache, wanted)


def how(outcome: Rebased) -> list[str]:
    return [step.how for step in outcome.steps]


def shown(kernels: Kernels, commit: str, file: str = "mm/zone.c") -> list[str]:
    return git(kernels.cache.repository, "show", f"{commit}:{file}").split("\n")


def no_worktree_waits(kernels: Kernels) -> bool:
    folder = kernels.cache.root / "rebase"
    left = list(folder.iterdir()) if folder.exists() else []
    admin = list((kernels.cache.repository / "worktrees").glob("rebase@*"))
    return not left and not admin


def test_onto_its_own_base_nothing_changes(kernels: Kernels) -> None:
    found = rebase_onto(kernels, "mine")
    tree = fetch(kernels.project, kernels.cache, "mine")
    applied = apply.apply(kernels.project, kernels.cache, "test", tree, Port("v7.2"))
    assert found.tip == applied.tip
    assert how(found) == ["plain"] * 3
    assert [(p.before, p.relation, p.after) for p in found.pairs] == [
        (1, "=", 1),
        (2, "=", 2),
        (3, "=", 3),
    ]
    assert (found.exit_code, found.origin) == (0, "based on mine (7.2)")
    assert no_worktree_waits(kernels)


def test_lines_that_moved_apply_plainly(kernels: Kernels) -> None:
    kernels.release("v7.3-rc1", {5: "\ttheirs;", 60: "\ttheirs;"}, insert=True)
    found = rebase_onto(kernels, "mine@v7.3-rc1")
    assert (found.release, how(found)) == ("7.3-rc1", ["plain"] * 3)
    assert "\tours 30;" in shown(kernels, found.tip)
    again = rebase_onto(kernels, "mine@v7.3-rc1")
    assert (again.tip, again.steps) == (found.tip, found.steps)


def test_a_changed_neighbour_takes_a_merge_which_is_reported(kernels: Kernels) -> None:
    kernels.release("v7.3-rc1", {27: "\ttheirs 27;"})
    events: list[Event] = []
    wanted = RebaseRequest("test", "mine@v7.3-rc1")
    found = rebase(kernels.project, kernels.cache, wanted, events.append)
    assert how(found) == ["three-way", "plain", "plain"]
    assert found.fallbacks[0].detail == "does not apply at mm/zone.c:27"
    assert any(isinstance(e, Note) and "three-way" in e.text for e in events)
    lines = shown(kernels, found.tip)
    assert {"\ttheirs 27;", "\tours 30;"} <= set(lines)
    pair = found.pairs[0]
    assert (pair.relation, pair.code_lines) == ("!", ())


def conflicting(kernels: Kernels, name: str = "v7.3-rc1") -> Rebased:
    kernels.release(name, {10: "\telsewhere;"}, {30: "\ttheirs 30;"})
    return rebase_onto(kernels, f"mine@{name}")


def resolve(outcome: Rebased, line: str = "\tboth 30;") -> None:
    assert outcome.conflict is not None
    path = Path(outcome.conflict.worktree) / "mm/zone.c"
    lines = path.read_text().splitlines()
    first = next(n for n, text in enumerate(lines) if text.startswith("<<<<<<< "))
    last = next(n for n, text in enumerate(lines) if text.startswith(">>>>>>> "))
    path.write_text("".join(f"{t}\n" for t in [*lines[:first], line, *lines[last + 1 :]]))


def test_a_conflict_names_patch_file_hunk_and_the_commits_that_changed_its_lines(
    kernels: Kernels,
) -> None:
    found = conflicting(kernels)
    assert found.exit_code == 3
    conflict = found.conflict
    assert conflict is not None
    assert (conflict.number, conflict.total, conflict.subject) == (1, 3, "mm/zone: ours, early")
    (place,) = conflict.places
    assert (place.file, place.first, place.last) == ("mm/zone.c", 30, 30)
    assert place.hunk.startswith("@@ -27,7 +27,7 @@ int f20(void);")
    assert [words.split(" ", 1)[1] for words in place.touched_by] == [
        "mm/zone: theirs 2 for v7.3-rc1"
    ]
    for line in ("base  | \tline 30;", "tree  | \ttheirs 30;", "patch | \tours 30;"):
        assert line in place.text
    folder = Path(conflict.worktree)
    assert "<<<<<<< " in (folder / "mm/zone.c").read_text()
    # The tree's own worktree is clean.
    own = kernels.cache.worktrees / "mine"
    assert git(own, "status", "--porcelain") == ""
    assert git(own, "rev-parse", "HEAD") == found.base


@pytest.mark.parametrize(
    # Not a patch with \r: b4 would write another mail.
    ("text", "patched"),
    [("a\rb", "a"), ("a\r", "a"), ("a\x0cb",) * 2, ("a\u2028b",) * 2],
)
def test_only_a_newline_ends_a_line(kernels: Kernels, text: str, patched: str) -> None:
    """A conflict's lines are counted as git counts them: no other character begins one."""
    git(kernels.linux, "checkout", "-q", "series~2")
    kernels.edit("mm/zone.c", {29: f"\tours {patched};"})
    git(kernels.linux, "commit", "-qa", "--amend", "-m", "mm/zone: ours")
    port = kernels.series / "ports" / "v7.2"
    shutil.rmtree(port)
    git(kernels.linux, "format-patch", "-q", "-o", str(port), "v7.2")
    kernels.release("v7.3-rc1", {10: f"\t{text};"}, {30: f"\ttheirs {text};"})
    found = rebase_onto(kernels, "mine@v7.3-rc1")
    assert found.conflict is not None
    (place,) = found.conflict.places
    assert (place.file, place.first, place.last) == ("mm/zone.c", 29, 30)
    assert place.hunk.startswith("@@ -26,8 +26,8 @@")
    assert f"tree  | \ttheirs {text};" in place.text.split("\n")
    assert f"patch | \tours {patched};" in place.text.split("\n")
    with pytest.raises(DoesNotApply, match=r"zone\.c:29: the conflict is still there"):
        go_on(kernels.project, kernels.cache, "test", found.onto)


def test_a_resolved_conflict_is_recorded(kernels: Kernels) -> None:
    found = conflicting(kernels)
    with pytest.raises(DoesNotApply, match=r"zone\.c:30: the conflict is still there"):
        go_on(kernels.project, kernels.cache, "test", found.onto)
    with pytest.raises(InputError, match="--continue, or give it up"):
        rebase_onto(kernels, found.onto)
    resolve(found)
    done = go_on(kernels.project, kernels.cache, "test", found.onto)
    assert how(done) == ["by hand", "plain", "plain"]
    assert {"\tboth 30;", "\tlate 90;"} <= set(shown(kernels, done.tip))
    author = git(kernels.cache.repository, "log", "-1", "--format=%an %ad|%s", f"{done.tip}~2")
    assert author.startswith("A Developer")
    assert author.endswith("|mm/zone: ours, early")
    assert no_worktree_waits(kernels)

    again = rebase_onto(kernels, found.onto)
    assert how(again) == ["recorded", "plain", "plain"]
    assert again.tip == done.tip
    # The same conflict on the next release is resolved automatically.
    kernels.release("v7.3-rc2", {115: "\tlater;"})
    assert how(rebase_onto(kernels, "mine@v7.3-rc2")) == ["recorded", "plain", "plain"]


def test_a_resolution_is_not_lost_by_a_later_failure(
    kernels: Kernels, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = conflicting(kernels)
    resolve(found)

    def failing(*_arguments: object) -> Rebased:
        raise MachineError("no space")

    with monkeypatch.context() as patched, pytest.raises(MachineError):
        patched.setattr(verify, "finish", failing)
        go_on(kernels.project, kernels.cache, "test", found.onto)
    done = go_on(kernels.project, kernels.cache, "test", found.onto)
    assert how(done) == ["by hand", "plain", "plain"]
    assert no_worktree_waits(kernels)


def test_a_resolution_that_the_user_committed_is_accepted(kernels: Kernels) -> None:
    found = conflicting(kernels)
    assert found.conflict is not None
    resolve(found)
    folder = Path(found.conflict.worktree)
    git(folder, "commit", "-qam", "mm/zone: ours, in my own words")
    done = go_on(kernels.project, kernels.cache, "test", found.onto)
    names = git(kernels.cache.repository, "log", "-3", "--format=%s|%cn", done.tip).split("\n")
    assert names[2] == "mm/zone: ours, in my own words|memmap-harness"


def test_more_than_one_commit_is_refused(kernels: Kernels) -> None:
    found = conflicting(kernels)
    assert found.conflict is not None
    resolve(found)
    folder = Path(found.conflict.worktree)
    git(folder, "commit", "-qam", "one")
    git(folder, "commit", "-q", "--allow-empty", "-m", "two")
    with pytest.raises(InputError, match="other commits than the one"):
        go_on(kernels.project, kernels.cache, "test", found.onto)


def test_a_patch_can_be_left_out_and_a_rebase_given_up(kernels: Kernels) -> None:
    found = conflicting(kernels)
    skipped = go_on(kernels.project, kernels.cache, "test", found.onto, skip=True)
    assert how(skipped) == ["dropped", "plain", "plain"]
    assert "\ttheirs 30;" in shown(kernels, skipped.tip)
    assert [p.relation for p in skipped.pairs] == ["<", "=", "="]

    assert rebase_onto(kernels, found.onto).exit_code == 3
    abort(kernels.cache, "test", found.onto)
    assert no_worktree_waits(kernels)
    with pytest.raises(InputError, match=r"no rebase of test onto mine@v7\.3-rc1 is in progress"):
        state.choose(kernels.cache, "test", (found.onto,))


def test_a_resolution_that_leaves_nothing_is_refused(kernels: Kernels) -> None:
    found = conflicting(kernels)
    resolve(found, "\ttheirs 30;")
    with pytest.raises(InputError, match=r"nothing is left of patch 1.*--skip"):
        go_on(kernels.project, kernels.cache, "test", found.onto)


def test_a_second_conflict_waits_too(kernels: Kernels) -> None:
    kernels.release("v7.3-rc1", {30: "\ttheirs 30;"}, {91: "\ttheirs 91;"})
    found = rebase_onto(kernels, "mine@v7.3-rc1")
    resolve(found)
    second = go_on(kernels.project, kernels.cache, "test", found.onto)
    assert second.exit_code == 3
    assert second.conflict is not None
    assert second.conflict.number == 2
    assert how(second) == ["by hand"]
    resolve(second, "\tboth 91;")
    assert how(go_on(kernels.project, kernels.cache, "test", found.onto)) == [
        "by hand",
        "by hand",
        "plain",
    ]


def test_onto_a_revision_of_a_clone(kernels: Kernels, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(kernels.linux.parent))
    kernels.release("v7.3-rc1", {30: "\ttheirs 30;"})
    kernels.trees()
    found = rebase_onto(kernels, "~/linux@v7.3-rc1")
    assert (found.tree, found.release) == ("linux@v7.3-rc1", "7.3-rc1")
    # The base is a tag of that clone, and so are the commits that are in the way.
    assert found.origin == "based on linux@v7.2 (7.2)"
    assert found.conflict is not None
    subjects = [name.partition(" ")[2] for p in found.conflict.places for name in p.touched_by]
    assert subjects == ["mm/zone: theirs 1 for v7.3-rc1"]
    resolve(found)
    done = go_on(kernels.project, kernels.cache, "test", found.onto)
    assert done.label == "port v7.2 on linux@v7.3-rc1"
    assert Path(done.mbox).name == "linux@v7.3-rc1.mbox"
    assert no_worktree_waits(kernels)


@pytest.mark.parametrize("where", ["the same clone", "a clone of the user's", "a URL"])
def test_the_base_commit_of_mails_is_their_base(kernels: Kernels, where: str) -> None:
    kernels.release("v7.3-rc1", {27: "\ttheirs 27;"})
    # No index line, and no release, tells this base from others.
    mails = git(kernels.linux, "format-patch", "--stdout", "--base=v7.2", "v7.2..series")
    given = kernels.linux.parent / "given.mbox"
    given.write_text("".join(f"{x}\n" for x in mails.split("\n") if not x.startswith("index ")))
    other = kernels.linux.parent / "other"
    git(kernels.linux.parent, "clone", "-q", str(kernels.linux), str(other))
    onto = f"{other}@v7.3-rc1"
    kernels.trees()
    if where != "the same clone":
        shutil.rmtree(other)
        git(kernels.linux.parent, "init", "-q", str(other))
        git(other, "fetch", "-q", "--depth=1", kernels.linux.as_uri(), "v7.3-rc1")
        git(other, "reset", "-q", "--hard", "FETCH_HEAD")
        onto = f"{other}@HEAD"
        kernels.trees(far=kernels.entry("main", url=where == "a URL"))
    found = rebase_onto(kernels, onto, source=Mails(given))
    base = git(kernels.linux, "rev-parse", "v7.2")
    assert how(found) == ["three-way", "plain", "plain"]
    assert found.origin.startswith("based on ")
    assert f"@{base[:12]} (7.2)" in found.origin


def test_a_branch_of_a_clone_is_exported_under_its_commit(kernels: Kernels) -> None:
    kernels.release("v7.3-rc1", {60: "\ttheirs;"}, insert=True)
    tip = git(kernels.linux, "rev-parse", "main")
    found = rebase_onto(kernels, f"{kernels.linux}@main", export=True)
    assert Path(found.exported) == kernels.series / "ports" / tip[:12]
    assert str(kernels.linux) not in "".join(
        file.read_text() for file in Path(found.exported).iterdir()
    )


def test_a_removed_file_names_the_commit_that_removed_it(kernels: Kernels) -> None:
    git(kernels.linux, "rm", "-q", "mm/zone.c")
    kernels.commit("mm/zone: remove the file")
    kernels.tag("v7.3-rc1")
    found = rebase_onto(kernels, "mine@v7.3-rc1")
    assert found.conflict is not None
    (place,) = found.conflict.places
    assert place.text == "the tree no longer has this file"
    assert [words.split(" ", 1)[1] for words in place.touched_by] == ["mm/zone: remove the file"]


def test_a_tree_without_history_says_so_and_names_the_releases(kernels: Kernels) -> None:
    kernels.release("v7.3-rc1", {30: "\ttheirs 30;"})
    kernels.trees(mine=kernels.entry("v7.2"), far=kernels.entry("v7.3-rc1", url=True))
    rebase_onto(kernels, "mine")
    found = rebase_onto(kernels, "far")
    assert found.conflict is not None
    (place,) = found.conflict.places
    assert place.touched_by == ()
    assert "without history: the change came between 7.2 and 7.3-rc1" in place.unknown


def merge_upstream(kernels: Kernels, *, subject: str | None = None, also: bool = False) -> None:
    """Take the first patch into main, under its own subject or another."""
    git(kernels.linux, "checkout", "-q", "main")
    if also:
        kernels.edit("mm/zone.c", {26: "\ttheirs 26;"})
        kernels.commit("mm/zone: a neighbour")
    git(kernels.linux, "cherry-pick", "--no-commit", "series~2")
    kernels.commit(subject or "mm/zone: ours, early")


def test_an_upstream_patch_is_recognised_by_its_patch_id(kernels: Kernels) -> None:
    merge_upstream(kernels, subject="mm: taken under another name")
    kernels.tag("v7.3-rc1")
    found = rebase_onto(kernels, "mine@v7.3-rc1")
    assert how(found) == ["upstream", "plain", "plain"]
    assert found.steps[0].detail.endswith("mm: taken under another name (same patch-id)")
    assert [p.relation for p in found.pairs] == ["<", "=", "="]


def test_an_upstream_patch_is_recognised_by_its_subject_and_content(kernels: Kernels) -> None:
    git(kernels.linux, "checkout", "-q", "main")
    kernels.edit("mm/zone.c", {30: "\tours 30;", 70: "\tand more;"})
    kernels.commit("mm/zone: ours, early")
    kernels.tag("v7.3-rc1")
    found = rebase_onto(kernels, "mine@v7.3-rc1")
    assert how(found) == ["upstream", "plain", "plain"]
    assert found.steps[0].detail.endswith("mm/zone: ours, early (same subject)")


def test_an_upstream_patch_is_recognised_by_content_where_there_is_no_history(
    kernels: Kernels,
) -> None:
    merge_upstream(kernels)
    kernels.tag("v7.3-rc1")
    kernels.trees(far=kernels.entry("v7.3-rc1", url=True))
    found = rebase_onto(kernels, "far")
    assert how(found) == ["upstream", "plain", "plain"]
    assert found.steps[0].detail == "the tree already has the change"


def test_an_upstream_patch_with_other_context_is_found_by_the_merge(kernels: Kernels) -> None:
    merge_upstream(kernels)
    kernels.edit("mm/zone.c", {28: "\ttheirs 28;"})
    kernels.commit("mm/zone: a neighbour, afterwards")
    kernels.tag("v7.3-rc1")
    found = rebase_onto(kernels, "mine@v7.3-rc1")
    assert how(found) == ["upstream", "plain", "plain"]


def test_the_same_subject_with_other_content_is_not_upstream(kernels: Kernels) -> None:
    git(kernels.linux, "checkout", "-q", "main")
    kernels.edit("mm/zone.c", {30: "\tsomething else;"})
    kernels.commit("mm/zone: ours, early")
    kernels.tag("v7.3-rc1")
    found = rebase_onto(kernels, "mine@v7.3-rc1")
    assert found.conflict is not None
    assert "has the same subject but other content" in found.conflict.note


def test_a_patch_that_was_merged_and_reverted_is_rebased(kernels: Kernels) -> None:
    merge_upstream(kernels)
    git(kernels.linux, "revert", "--no-edit", "HEAD")
    kernels.tag("v7.3-rc1")
    assert how(rebase_onto(kernels, "mine@v7.3-rc1")) == ["plain"] * 3


def test_a_series_that_is_upstream_leaves_nothing(kernels: Kernels) -> None:
    git(kernels.linux, "checkout", "-q", "main")
    git(kernels.linux, "cherry-pick", "v7.2..series")
    kernels.tag("v7.3")
    found = rebase_onto(kernels, "mine@v7.3")
    assert how(found) == ["upstream"] * 3
    assert (found.tip, found.exit_code, found.mbox) == (found.base, 0, "")


def without_its_base(kernels: Kernels) -> None:
    """Leave only the new release in trees.yaml, from a repository without v7.2."""
    other = kernels.linux.with_name("other")
    shutil.copytree(kernels.linux, other, ignore=shutil.ignore_patterns(".git"))
    git(other, "init", "-q", "-b", "main")
    git(other, "add", "-A")
    git(other, "commit", "-qm", "a snapshot")
    git(other, "tag", "v7.3")
    kernels.trees(mine={"provider": "git", "repository": str(other), "ref": "v7.3"})


def test_without_its_base_a_series_that_applies_is_rebased_and_compared(kernels: Kernels) -> None:
    kernels.release("v7.3", {5: "\ttheirs;"}, insert=True)
    without_its_base(kernels)
    found = rebase_onto(kernels, "mine")
    assert how(found) == ["plain"] * 3
    assert found.origin == "its base v7.2 is not fetched"
    assert [p.relation for p in found.pairs] == ["=", "=", "="]


def test_without_its_base_a_hunk_that_fails_is_left_as_reject(kernels: Kernels) -> None:
    kernels.release("v7.3", {30: "\ttheirs 30;"})
    without_its_base(kernels)
    found = rebase_onto(kernels, "mine")
    conflict = found.conflict
    assert conflict is not None
    assert "no merge is possible: its base v7.2 cannot be fetched" in conflict.note
    (place,) = conflict.places
    assert (place.file, place.first) == ("mm/zone.c", 27)
    folder = Path(conflict.worktree)
    with pytest.raises(DoesNotApply, match=r"zone\.c\.rej: holds hunks"):
        go_on(kernels.project, kernels.cache, "test", "mine")
    path = folder / "mm/zone.c"
    path.write_text(path.read_text().replace("theirs 30", "both 30"))
    (folder / "mm/zone.c.rej").unlink()
    done = go_on(kernels.project, kernels.cache, "test", "mine")
    assert how(done) == ["by hand", "plain", "plain"]
    assert "\tboth 30;" in shown(kernels, done.tip)


def test_a_base_can_be_named(kernels: Kernels) -> None:
    kernels.release("v7.3-rc1", {27: "\ttheirs 27;"})
    mails = sorted((kernels.series / "ports" / "v7.2").glob("*.patch"))
    mbox = kernels.project.root / "mine.mbox"
    # Without index lines their base cannot be recognised.
    text = b"".join(p.read_bytes() for p in mails)
    mbox.write_bytes(b"\n".join(t for t in text.split(b"\n") if not t.startswith(b"index ")))
    with_base = rebase_onto(kernels, "mine@v7.3-rc1", source=Mails(mbox), base="mine@v7.2")
    assert how(with_base) == ["three-way", "plain", "plain"]
    without = rebase_onto(kernels, "mine@v7.3-rc1", source=Mails(mbox))
    assert without.conflict is not None
    assert "its base is unknown" in without.conflict.note


def test_several_trees_have_a_result_each(kernels: Kernels) -> None:
    kernels.release("v7.3-rc1", {27: "\ttheirs 27;"})
    kernels.release("v7.3-rc2", {30: "\ttheirs 30;"})
    names = ("mine", "mine@v7.3-rc1", "mine@v7.3-rc2", "mine@v9.9")
    wanted = [RebaseRequest("test", name) for name in names]
    found = all_onto(kernels.project, kernels.cache, wanted)
    assert [one.exit_code for one in found] == [0, 0, 3, 2]
    assert "no ref 'v9.9'" in found[3].failure
    with pytest.raises(InputError, match=r"no ref 'v9\.9'"):
        all_onto(kernels.project, kernels.cache, wanted[3:])


def test_an_exported_port_applies_to_equal_commits(kernels: Kernels) -> None:
    kernels.release("v7.3-rc1", {27: "\ttheirs 27;"})
    found = rebase_onto(kernels, "mine@v7.3-rc1", export=True)
    place = kernels.series / "ports" / "v7.3-rc1"
    assert found.exported == str(place)
    files = sorted(place.iterdir())
    assert [f.name for f in files] == [
        "0001-mm-zone-ours-early.patch",
        "0002-mm-zone-ours-late.patch",
        "0003-mm-memremap-map-more.patch",
    ]
    first, second = files[0].read_text(), files[1].read_text()
    assert "Message-ID: <test-v7.3-rc1-1-of-3@memmap-harness.invalid>" in first
    assert "In-Reply-To: <test-v7.3-rc1-1-of-3@memmap-harness.invalid>" in second
    tree = fetch(kernels.project, kernels.cache, "mine@v7.3-rc1")
    applied = apply.apply(kernels.project, kernels.cache, "test", tree, Port("v7.3-rc1"))
    steps = tuple(step.commit for step in found.steps)
    assert tuple(patch.commit for patch in applied.patches) == steps
    # From then on it is the nearest port, and exporting it again changes nothing.
    kernels.release("v7.3-rc2", {119: "\tlater;"})
    assert rebase_onto(kernels, "mine@v7.3-rc2").source == "port v7.3-rc1"
    assert rebase_onto(kernels, "mine@v7.3-rc1", export=True).exported == str(place)
    files[0].write_text(first.replace("early", "soon"))
    with pytest.raises(InputError, match="another port is there already"):
        rebase_onto(kernels, "mine@v7.3-rc1", source=Port("v7.2"), export=True)
    assert "soon" in files[0].read_text()


def test_a_tag_with_slashes_stays_within_the_cache(kernels: Kernels) -> None:
    kernels.release("v7.3-rc1", {30: "\ttheirs 30;"})
    git(kernels.linux, "tag", "topic/one")
    found = rebase_onto(kernels, "mine@topic/one")
    assert found.conflict is not None
    assert Path(found.conflict.worktree).parent == kernels.cache.root / "rebase"
    assert state.choose(kernels.cache, "test", ()) == "mine@topic/one"
    resolve(found)
    assert how(go_on(kernels.project, kernels.cache, "test", "mine@topic/one"))[0] == "by hand"
    outside = kernels.cache.root / "precious"
    outside.mkdir()
    with pytest.raises(InputError):
        rebase_onto(kernels, "mine@x/../../../precious")
    assert outside.is_dir()


def test_programs_in_the_repositorys_configuration_are_not_executed(
    kernels: Kernels, tmp_path: Path
) -> None:
    (kernels.linux / ".gitattributes").write_text("*.c diff=theirs\n")
    kernels.release("v7.3-rc1", {30: "\ttheirs 30;"})
    trap = tmp_path / "trap"
    trap.write_text(f'#!/bin/sh\ntouch {tmp_path}/ran\ncat "$1"\n')
    trap.chmod(0o755)
    for key in ("diff.theirs.textconv", "diff.external", "gpg.program", "core.pager"):
        git(kernels.linux, "config", key, str(trap))
    git(kernels.linux, "config", "log.showSignature", "true")
    found = rebase_onto(kernels, "mine@v7.3-rc1")
    assert found.conflict is not None
    assert found.conflict.places[0].touched_by
    assert not (tmp_path / "ran").exists()


def test_messages_with_odd_characters_survive(kernels: Kernels) -> None:
    git(kernels.linux, "checkout", "-q", "-b", "odd", "v7.2")
    kernels.edit("mm/zone.c", {30: "\tours ü;"})
    message = (
        "mm/zone: für alle [really] (50 %)\n\nA line.\n\n# no comment\n\nCc: Ü <u@example.org>"
    )
    kernels.commit(message)
    port = kernels.series / "ports" / "v7.2"
    shutil.rmtree(port)
    git(kernels.linux, "format-patch", "-q", "-o", str(port), "v7.2")
    kernels.release("v7.3-rc1", {27: "\ttheirs 27;"})
    found = rebase_onto(kernels, "mine@v7.3-rc1")
    message_of_tip = git(kernels.cache.repository, "log", "-1", "--format=%B", found.tip)
    assert message_of_tip == message
    assert found.steps[-1].commit == found.tip


def test_patches_that_contradict_each_other_are_bad_input(kernels: Kernels) -> None:
    mbox = kernels.project.root / "mine.mbox"
    one, two, _ = (p.read_bytes() for p in sorted((kernels.series / "ports/v7.2").iterdir()))
    renamed = two.replace(b"-\tline 90;", b"-\tline 30;").replace(b"[PATCH 2/3]", b"[PATCH 2/2]")
    spoiled = renamed.replace(b"@@ -87,8 +87,8 @@", b"@@ -27,8 +27,8 @@").replace(b"index", b"idx")
    mbox.write_bytes(one.replace(b"1/3]", b"1/2]").replace(b"index", b"idx") + spoiled)
    with pytest.raises(InputError, match=r"patch 2/2 .* does not follow .* mm/zone\.c:27"):
        rebase_onto(kernels, "mine", source=Mails(mbox))


@pytest.mark.parametrize("delay", [0.15, 0.4, 0.7, 1.0, 1.4])
def test_a_killed_rebase_can_be_repeated(kernels: Kernels, delay: float) -> None:
    kernels.release("v7.3-rc1", {27: "\ttheirs 27;"})
    argv = [sys.executable, "-c", "from harness.cli import main; main()", "rebase", "test"]
    argv += ["--onto", "mine@v7.3-rc1"]
    env = os.environ | kernels.environment
    process = subprocess.Popen(
        argv, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    time.sleep(delay)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    time.sleep(0.3)  # git, in a group of its own, ends what it was at
    found = rebase_onto(kernels, "mine@v7.3-rc1")
    assert how(found) == ["three-way", "plain", "plain"]
    assert no_worktree_waits(kernels)
    git_ = Git(kernels.cache.repository, log=kernels.cache.log("t"), deadline=proc.Deadline(20))
    assert git_("fsck", "--connectivity-only", ok=None).exit_code == 0


def test_the_command_line_shows_strategies_and_conflicts(kernels: Kernels) -> None:
    kernels.release("v7.3-rc1", {27: "\ttheirs 27;"})
    kernels.release("v7.3-rc2", {30: "\ttheirs 30;"})
    both = ("--onto", "mine@v7.3-rc1", "--onto", "mine@v7.3-rc2")
    done = kernels.harness("rebase", "test", *both)
    assert done.returncode == 3
    for text in (
        "patch 1 (mm/zone: ours, early): three-way: does not apply at mm/zone.c:27",
        "patch 1/3 (mm/zone: ours, early) does not apply",
        "mm/zone.c:30-30  @@ -27,7 +27,7 @@ int f20(void);",
        "mm/zone: theirs 1 for v7.3-rc2",
        "then: harness rebase test --onto mine@v7.3-rc2 --continue (or --skip, --abort)",
    ):
        assert text in done.stdout
    assert "applies, 1 with changed context" in done.stdout
    assert "conflict in patch 1/3" in done.stdout
    again = kernels.harness("rebase", "test", "--skip", "--json")
    assert again.returncode == 0
    (found,) = json.loads(again.stdout)
    assert [step["how"] for step in found["steps"]] == ["dropped", "plain", "plain"]
    assert Path(found["mbox"]).is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--onto: is missing; expected a tree or a release's tag"),
        (["--onto", "nonesuch"], "no tree 'nonesuch'; expected one of mine"),
        (["--onto", "mine@v0.1"], "no ref 'v0.1'"),
        (["--onto", "mine", "--port", "v1"], "no port 'v1'; expected one of v7.2"),
        (["--onto", "mine", "--base", "x"], "no tree 'x'"),
        (["--continue"], "--onto: no rebase of test in progress"),
        (["--abort", "--onto", "mine"], "no rebase of test onto mine is in progress"),
        (["--continue", "--skip"], "one of them at most"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    kernels: Kernels, arguments: list[str], message: str
) -> None:
    done = kernels.harness("rebase", "test", *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_subject_cannot_steer_the_terminal(kernels: Kernels) -> None:
    port = kernels.series / "ports" / "v7.2" / "0001-mm-zone-ours-early.patch"
    port.write_text(port.read_text().replace("early", "\x1b[2Jearly"))
    kernels.release("v7.3-rc1", {30: "\x1b[2Jtheirs 30;"})
    done = kernels.harness("rebase", "test", "--onto", "mine@v7.3-rc1")
    assert done.returncode == 3
    assert "\x1b" not in done.stdout + done.stderr
