# SPDX-License-Identifier: GPL-2.0-only
"""git's errors are read from its own run, and bytes reach it unchanged."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from harness.git import patches
from harness.git.git import Git, mailed_patch_id
from harness.host.processes import process
from tests.fakes.trees import git

#: Latin-1, invalid UTF-8, CR and CRLF, and UTF-8.
CONTENTS = [b"caf\xe9\n", b"a\xff\xfe\x80b\n", b"one\r\ntwo\rthree\n", "caf\u00e9\n".encode()]


@pytest.fixture
def ours(tmp_path: Path) -> Git:
    folder = tmp_path / "linux"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    (folder / "file").write_bytes(b"".join(b"line %d\n" % n for n in range(20)))
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "base")
    return Git(folder, log=tmp_path / "logs" / "git.log", deadline=process.Deadline(60))


def commit(ours: Git, content: bytes) -> str:
    (ours.folder / "file").write_bytes(content)
    git(ours.folder, "add", "-A")
    git(ours.folder, "commit", "-qm", "change")
    return git(ours.folder, "rev-parse", "HEAD")


@pytest.mark.parametrize("content", CONTENTS)
def test_a_patch_id_is_what_git_gives(ours: Git, tmp_path: Path, content: bytes) -> None:
    made = commit(ours, b"before\xe8\n" + content)
    argv = ["git", "-C", str(ours.folder), "diff-tree", "--patch", made]
    diff = subprocess.run(argv, capture_output=True, check=True).stdout
    argv = ["git", "patch-id", "--stable"]
    printed = subprocess.run(argv, input=diff, capture_output=True, check=True).stdout.decode()
    assert patches.patch_ids(ours, [made], tmp_path) == printed.split()[:1]
    assert [path.name for path in ours.log.parent.iterdir()] == [ours.log.name]
    # The same patch by mail has the same.
    mail = tmp_path / "mail"
    mail.write_bytes(
        b"From: A <a@example.org>\nSubject: change\n\n---\n" + diff.partition(b"\n")[2]
    )
    log, deadline = ours.log, ours.deadline
    assert mailed_patch_id(mail, log=log, deadline=deadline) == printed.split()[0]


def test_patches_that_differ_in_invalid_utf8_have_different_ids(ours: Git, tmp_path: Path) -> None:
    ids = set()
    base = git(ours.folder, "rev-parse", "HEAD")
    for content in (b"\xe8\n", b"\xe9\n", b"\xff\n"):
        git(ours.folder, "reset", "-q", "--hard", base)
        ids.update(patches.patch_ids(ours, [commit(ours, content)], tmp_path))
    assert len(ids) == 3


@pytest.fixture
def crowded(ours: Git, monkeypatch: pytest.MonkeyPatch) -> Git:
    """git, whose log another process writes to at the same time."""
    run = process.run

    def crowding(*arguments: Any, **options: Any) -> process.Finished:
        done = run(*arguments, **options)
        with ours.log.open("a") as log:
            log.write("$ git apply theirs\nerror: patch failed: theirs.c:99\n")
        return done

    monkeypatch.setattr(process, "run", crowding)
    return ours


DIFF = """\
--- a/file
+++ b/file
@@ -3,3 +3,3 @@
 line 2
-line {old}
+line three
 line 4
@@ -13,3 +13,3 @@
 line 12
-line 13
+line thirteen
 line 14
"""


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (DIFF.format(old="2.5"), "file:3"),
        (DIFF.format(old="3").replace("file", "gone"), "gone: No such file or directory"),
        ("no patch\n", 'No valid patches in input (allow with "--allow-empty")'),
    ],
)
def test_where_a_patch_fails_is_not_read_from_another_process(
    crowded: Git, tmp_path: Path, text: str, where: str
) -> None:
    diff = tmp_path / "diff"
    diff.write_text(DIFF.format(old="3"))
    assert patches.check(crowded, diff) is None
    diff.write_text(text)
    assert patches.check(crowded, diff) == where
    index = where.replace("No such file or directory", "does not exist in index")
    assert patches.apply(crowded, diff) == [index]
    assert patches.apply_rejecting(crowded, diff) == [index]
