# SPDX-License-Identifier: GPL-2.0-only
"""Trees from git and tarballs with real git, tar and gpgv, on a fake kernel tree."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from harness.errors import InputError, MachineError, ToolFailed
from harness.events import Event, Note
from harness.git.git import ForeignGit
from harness.host import http
from harness.host.cache import Cache
from harness.host.processes.process import Deadline
from harness.trees import tarball
from harness.trees.tree import checked_out, fetch, listing
from tests.fakes.scene import Scene, git_entry, state
from tests.fakes.trees import edit, everything, git


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_a_tarball_is_stored_byte_for_byte_with_its_release(scene: Scene) -> None:
    scene.trees(mine=scene.packed())
    found = scene.fetch("mine")
    assert (found.name, found.release) == ("mine", "7.2.99")
    repository = scene.cache.repository
    for tag in ("tree/mine", "v7.2.99"):
        assert git(repository, "rev-parse", f"refs/tags/{tag}^{{commit}}") == found.commit
    git(scene.linux, "init", "-q")
    git(scene.linux, "config", "core.attributesFile", "/dev/null")
    (scene.linux / ".git" / "info" / "attributes").write_text("* -text\n")
    git(scene.linux, "add", "-Af")
    assert git(repository, "rev-parse", f"{found.commit}^{{tree}}") == git(
        scene.linux, "write-tree"
    )
    with checked_out(scene.cache, found, found.commit) as folder:
        assert (folder / "dos.c").read_bytes() == b"a\r\nb\r\n"
        assert (folder / "link").readlink() == Path("mm/mm_init.c")
        assert os.access(folder / "scripts" / "run me.sh", os.X_OK)
        mine = {p for p in state(folder) if p != ".git"}
    assert mine == {p for p in state(scene.linux) if not p.startswith(".git/")}


def test_a_checkout_that_waits_for_another_says_so(scene: Scene) -> None:
    scene.trees(mine=scene.packed())
    found = scene.fetch("mine")
    events: list[Event] = []
    with ExitStack() as held:
        held.enter_context(Cache(scene.cache.root).locked("worktree-mine"))

        def hear(event: Event) -> None:
            events.append(event)
            held.close()

        with checked_out(scene.cache, found, found.commit, hear):
            pass
    assert events == [Note("waiting until another harness has built or applied patches on mine")]


def test_the_same_source_is_the_same_commit_on_every_machine(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.trees(mine=scene.packed())
    first = scene.fetch("mine")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    (tmp_path / ".gitconfig").write_text("[user]\nname = B\n[core]\nautocrlf = true\n")
    (tmp_path / ".config" / "git").mkdir(parents=True)
    (tmp_path / ".config" / "git" / "attributes").write_text("* text eol=crlf\n")
    time.sleep(1.1)
    other = Cache(tmp_path / "other")
    assert fetch(scene.project, other, "mine").commit == first.commit


def test_fetching_again_costs_nothing_and_needs_nothing(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.trees(mine=scene.packed())
    first = scene.fetch("mine")
    (scene.folder / "linux.tar.xz").unlink()
    events: list[Event] = []
    began = time.monotonic()
    assert scene.fetch("mine", events.append) == first
    assert time.monotonic() - began < 1
    assert events == []
    assert scene.fetch("tree/mine") == first
    assert scene.fetch("v7.2.99") == first
    rows = listing(scene.project, scene.cache)
    assert [(r.name, r.state, r.release) for r in rows] == [("mine", "fetched", "7.2.99")]


def test_a_changed_entry_is_fetched_anew_and_a_release_tag_stays(scene: Scene) -> None:
    scene.trees(mine=scene.packed())
    first = scene.fetch("mine")
    edit(scene.linux / "mm/mm_init.c", "refcount = 0", "refcount = 1")
    scene.trees(mine=scene.packed("other.tar.gz"))
    assert listing(scene.project, scene.cache)[0].state == "changed"
    events: list[Event] = []
    second = scene.fetch("mine", events.append)
    assert second.commit != first.commit
    assert any(isinstance(e, Note) and "v7.2.99 stays at" in e.text for e in events)
    # The release's tag is still the first one, under a name of its own.
    released = scene.fetch("v7.2.99")
    assert (released.name, released.commit) == ("v7.2.99", first.commit)
    with checked_out(scene.cache, second, second.commit) as folder:
        assert "refcount = 1" in (folder / "mm/mm_init.c").read_text()


def test_a_wrong_sum_names_both(scene: Scene) -> None:
    entry = scene.packed()
    right, wrong = entry["sha256"], "0" * 64
    scene.trees(mine=entry | {"sha256": wrong})
    with pytest.raises(InputError, match=f"has SHA-256 {right}; expected {wrong}") as caught:
        scene.fetch("mine")
    assert caught.value.exit_code == 2
    assert scene.nothing_is_stored()


@pytest.mark.parametrize("missing", ["Makefile", "Kconfig"])
@pytest.mark.parametrize("provider", ["tarball", "git"])
def test_a_source_other_than_a_kernel_is_refused(scene: Scene, missing: str, provider: str) -> None:
    (scene.linux / missing).unlink()
    if provider == "git":
        scene.repository()
    scene.trees(mine=scene.packed() if provider == "tarball" else git_entry(scene, "main"))
    with pytest.raises(InputError, match="is not a kernel tree"):
        scene.fetch("mine")
    assert scene.nothing_is_stored()


def test_an_archive_that_leads_out_is_refused_before_it_is_unpacked(scene: Scene) -> None:
    (scene.linux / "evil").symlink_to("../../../outside")
    scene.trees(mine=scene.packed())
    with pytest.raises(InputError, match="points outside the archive"):
        scene.fetch("mine")
    assert scene.nothing_is_stored()


@pytest.mark.parametrize("place", [".git", "tools/.git", "tools/.GIT"])
@pytest.mark.parametrize("kind", ["folder", "file"])
def test_an_archive_with_a_repository_in_it_is_refused(scene: Scene, place: str, kind: str) -> None:
    """git does not commit the files of a repository in a tree, and refuses other .git files."""
    inside = scene.linux / place
    inside.parent.mkdir(exist_ok=True)
    if kind == "folder":
        git(inside.parent, "init", "-q")
        if not inside.exists():
            (inside.parent / ".git").rename(inside)
    else:
        inside.write_text("gitdir: elsewhere\n")
    scene.trees(mine=scene.packed())
    said = rf"linux\.tar\.xz: contains 'linux/{re.escape(place)}'; expected a source tree without"
    with pytest.raises(InputError, match=said) as caught:
        scene.fetch("mine")
    assert caught.value.exit_code == 2
    assert scene.nothing_is_stored()


def test_other_files_of_git_are_part_of_a_source(scene: Scene) -> None:
    (scene.linux / ".gitmodules").touch()
    (scene.linux / "tools").mkdir()
    (scene.linux / "tools" / "x.git").touch()
    scene.trees(mine=scene.packed())
    found = scene.fetch("mine")
    names = git(scene.cache.repository, "ls-tree", "-r", "--name-only", found.commit).split("\n")
    assert {".gitignore", ".gitattributes", ".gitmodules", "tools/x.git"} <= set(names)


def test_a_full_disk_is_reported_first(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.trees(mine=scene.packed())
    monkeypatch.setattr(tarball, "ROOM_BYTES", 1 << 60)
    with pytest.raises(MachineError, match="too little for a kernel tree") as caught:
        scene.fetch("mine")
    assert caught.value.exit_code == 69


@pytest.mark.skipif(shutil.which("gpg") is None, reason="gpg is not installed: no key to sign with")
def test_a_signature_as_kernel_org_gives_it(scene: Scene, tmp_path: Path) -> None:
    home = tmp_path / "g"
    home.mkdir(mode=0o700)
    gpg = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--passphrase", ""]
    for name in ("good", "other"):
        subprocess.run([*gpg, "--quick-gen-key", name, "ed25519", "sign"], check=True)
        exported = subprocess.run([*gpg, "--export", name], check=True, capture_output=True).stdout
        (scene.folder / f"{name}.gpg").write_bytes(exported)
    entry = scene.packed("linux.tar.xz")
    plain = scene.folder / "plain.tar"
    subprocess.run(["xz", "-dk", entry["location"]], check=True)
    (scene.folder / "linux.tar").rename(plain)
    sign = scene.folder / "linux.tar.sign"
    subprocess.run([*gpg, "-u", "good", "-o", str(sign), "--detach-sign", str(plain)], check=True)
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False)
    signed = {"provider": "tarball", "location": entry["location"], "signature": str(sign)}

    scene.trees(mine=signed | {"keyring": str(scene.folder / "other.gpg")})
    with pytest.raises(InputError, match="the signature is not valid"):
        scene.fetch("mine")
    assert scene.nothing_is_stored()
    scene.trees(mine=signed | {"keyring": str(scene.folder / "good.gpg")})
    assert scene.fetch("mine").release == "7.2.99"


@pytest.mark.parametrize("kind", ["repository", "bare", "worktree", "shallow"])
def test_a_local_repository_is_borrowed_from_and_never_written_to(scene: Scene, kind: str) -> None:
    _, tip = scene.repository()
    users = scene.folder / kind
    if kind == "repository":
        scene.linux.rename(users)
    elif kind == "worktree":
        git(scene.linux, "worktree", "add", "-q", "--detach", str(users))
    else:
        how = ["--bare"] if kind == "bare" else ["--depth=1", "-b", "main"]
        git(scene.folder, "clone", "-q", *how, scene.linux.as_uri(), str(users))
    owner = scene.linux if kind == "worktree" else users
    before = state(owner), state(users)
    scene.trees(mine=git_entry(scene, "HEAD" if kind == "shallow" else "v7.2.99", users))
    found = scene.fetch("mine")
    with checked_out(scene.cache, found, found.commit) as folder:
        assert (folder / "mm/mm_init.c").read_text() == (
            git(users, "show", f"{tip}:mm/mm_init.c") + "\n"
        )
        git(folder, "commit", "-q", "--allow-empty", "-m", "three")
    assert (state(owner), state(users)) == before
    assert (found.commit, found.release) == (tip, "7.2.99")
    assert git(scene.cache.repository, "rev-list", "--count", tip) == "1"


def test_files_of_the_cache_repository_are_replaced_atomically(scene: Scene) -> None:
    scene.repository()
    scene.trees(one=git_entry(scene, "v7.2.98"), two=git_entry(scene, "v7.2.99"))
    scene.fetch("one")
    shallow = scene.cache.repository / "shallow"
    # A reader that opened the file before the second fetch reads all of the old content.
    with shallow.open() as before:
        was = shallow.read_text()
        scene.fetch("two")
        assert before.read() == was
    assert len(shallow.read_text().splitlines()) == 2
    # No temporary file is left.
    assert not list(scene.cache.repository.glob(".shallow*"))


def test_a_url_is_fetched_one_commit_deep(scene: Scene) -> None:
    one, tip = scene.repository()
    scene.trees(
        tag=git_entry(scene, "v7.2.99", scene.linux.as_uri()),
        branch=git_entry(scene, "main", scene.linux.as_uri()),
    )
    assert scene.fetch("tag").commit == tip
    assert scene.fetch("branch").commit == tip
    there = subprocess.run(["git", "-C", str(scene.cache.repository), "cat-file", "-e", one])
    assert there.returncode != 0
    shutil.rmtree(scene.linux)
    assert scene.fetch("tag").commit == tip


def test_a_branch_that_is_not_the_release_does_not_get_its_tag(scene: Scene) -> None:
    scene.repository()
    git(scene.linux, "commit", "-q", "--allow-empty", "-m", "three")
    for repository in (scene.linux, scene.linux.as_uri()):
        scene.trees(mine=git_entry(scene, "main", repository))
        assert scene.fetch("mine").release == "7.2.99"
        assert git(scene.cache.repository, "tag") == "tree/mine"


@pytest.mark.parametrize("by", ["path", "url"])
def test_any_tag_that_git_allows_is_read(scene: Scene, by: str) -> None:
    scene.repository()
    git(scene.linux, "tag", "odd\u2028name\x85")
    repository = scene.linux if by == "path" else scene.linux.as_uri()
    scene.trees(mine=git_entry(scene, "v7.2.99", repository))
    assert scene.fetch("mine").release == "7.2.99"


@pytest.mark.parametrize("by", ["path", "url"])
def test_an_unknown_ref_is_answered_with_the_nearest_tags(scene: Scene, by: str) -> None:
    scene.repository()
    repository = scene.linux if by == "path" else scene.linux.as_uri()
    scene.trees(mine=git_entry(scene, "v7.2.9", repository))
    with pytest.raises(InputError, match=r"no ref 'v7\.2\.9'; expected one like v7\.2\.9[89]"):
        scene.fetch("mine")
    assert scene.nothing_is_stored()


def test_a_folder_inside_another_repository_is_refused(scene: Scene) -> None:
    scene.trees(mine=git_entry(scene, "HEAD"), gone=git_entry(scene, "HEAD", "nonesuch"))
    for name in ("mine", "gone"):
        with pytest.raises(InputError, match="is not a git repository"):
            scene.fetch(name)
    assert scene.nothing_is_stored()


def test_an_unreachable_url_is_a_machine_error(scene: Scene) -> None:
    scene.trees(mine=git_entry(scene, "main", (scene.folder / "nonesuch").as_uri()))
    with pytest.raises(MachineError, match="cannot be fetched"):
        scene.fetch("mine")


def test_a_borrowed_repository_that_was_moved_is_an_error(scene: Scene) -> None:
    scene.repository()
    scene.trees(mine=git_entry(scene, "v7.2.99"))
    scene.fetch("mine")
    moved = scene.folder / "moved"
    scene.linux.rename(moved)
    with pytest.raises(InputError, match="is not a git repository"):
        scene.fetch("mine")
    moved.rename(scene.linux)
    assert scene.fetch("mine").release == "7.2.99"


def partial_clone(scene: Scene, what: str) -> Path:
    """A clone of the source that lacks blobs or trees."""
    scene.repository()
    git(scene.linux, "config", "uploadpack.allowFilter", "true")
    users = scene.folder / "partial clone"
    how = ("--no-checkout", f"--filter={what}")
    git(scene.folder, "clone", "-q", *how, scene.linux.as_uri(), str(users))
    return users


def alternates(scene: Scene) -> list[str]:
    file = scene.cache.repository / "objects" / "info" / "alternates"
    return file.read_text().splitlines() if file.exists() else []


def git_errors(scene: Scene) -> str:
    """Return what git prints to stderr about the cache repository."""
    argv = ["git", "-C", str(scene.cache.repository), "cat-file", "--batch-check"]
    done = subprocess.run(argv, input="1" * 40, capture_output=True, text=True, check=True)
    return done.stderr


@pytest.mark.parametrize("what", ["blob:none", "tree:0"])
def test_a_partial_clone_gets_what_it_lacks_from_its_remote_into_the_cache(
    scene: Scene, what: str
) -> None:
    users = partial_clone(scene, what)
    # A commit that only this clone has: the remote can give no more than objects of it.
    tree = git(users, "rev-parse", "HEAD^{tree}")
    git(users, "update-ref", "HEAD", git(users, "commit-tree", "-p", "HEAD", "-m", "mine", tree))
    tip = git(users, "rev-parse", "HEAD")
    before = everything(users)
    scene.trees(mine=git_entry(scene, "HEAD", users), old=git_entry(scene, "v7.2.98", users))
    for name, count in (("old", 0), ("mine", 1)):
        found = scene.fetch(name)
        with checked_out(scene.cache, found, found.commit) as folder:
            assert f"refcount = {count}" in (folder / "mm/mm_init.c").read_text()
    assert git(scene.cache.repository, "rev-parse", "tree/mine^{commit}") == tip
    assert everything(users) == before


def test_a_partial_clone_whose_remote_is_gone_says_what_to_do_and_leaves_no_trace(
    scene: Scene,
) -> None:
    users, remote = partial_clone(scene, "blob:none"), scene.linux
    away = scene.folder / "away"
    remote.rename(away)
    before = everything(users)
    scene.trees(mine=git_entry(scene, "v7.2.99", users))
    message = r"objects of v7\.2\.99 are missing: \d+, the first [0-9a-f]{12}; the remote origin"
    with pytest.raises(MachineError, match=message) as caught:
        scene.fetch("mine")
    assert everything(users) == before
    assert scene.nothing_is_stored()
    assert alternates(scene) == []
    # The command in the message works.
    away.rename(remote)
    command = str(caught.value).split("`")[1]
    subprocess.run(shlex.split(command), check=True)
    remote.rename(away)
    found = scene.fetch("mine")
    with checked_out(scene.cache, found, found.commit) as folder:
        assert (folder / "mm/mm_init.c").is_file()


def test_a_damaged_repository_says_what_to_do_and_leaves_no_trace(scene: Scene) -> None:
    scene.repository()
    users = scene.folder / "users"
    git(scene.folder, "clone", "-q", str(scene.linux), str(users))
    blob = git(users, "rev-parse", "v7.2.99:mm/mm_init.c")
    (users / ".git/objects" / blob[:2] / blob[2:]).unlink()
    before = everything(users)
    scene.trees(mine=git_entry(scene, "v7.2.99", users), old=git_entry(scene, "v7.2.98", users))
    message = rf"objects of v7\.2\.99 are missing: 1, the first {blob[:12]}; expected a whole"
    with pytest.raises(InputError, match=message) as caught:
        scene.fetch("mine")
    assert everything(users) == before
    assert alternates(scene) == []
    # Another commit of it has all its objects.
    assert scene.fetch("old").release == "7.2.99"
    subprocess.run(shlex.split(str(caught.value).split("`")[1]), check=True)
    assert scene.fetch("mine").release == "7.2.99"


def test_reading_a_partial_clone_does_not_fetch_into_it(scene: Scene) -> None:
    users = partial_clone(scene, "blob:none")
    before = everything(users)
    theirs = ForeignGit(users, log=scene.folder / "log", deadline=Deadline(60))
    with pytest.raises(ToolFailed):
        theirs("show", "HEAD:mm/mm_init.c")
    assert everything(users) == before


def test_a_repository_with_a_corrupt_object_is_refused(scene: Scene) -> None:
    scene.repository()
    tree = git(scene.linux, "rev-parse", "v7.2.99:mm")
    file = scene.linux / ".git/objects" / tree[:2] / tree[2:]
    file.chmod(0o644)
    file.write_bytes(b"rubbish")
    scene.trees(mine=git_entry(scene, "v7.2.99"))
    with pytest.raises(InputError, match=r"the objects of v7\.2\.99 cannot be read; expected a"):
        scene.fetch("mine")
    assert alternates(scene) == []


def test_a_partial_clone_cannot_run_a_program(scene: Scene) -> None:
    users = partial_clone(scene, "blob:none")
    ran = scene.folder.parent / "ran"  # ext:: takes a space for the end of an argument
    git(users, "config", "remote.origin.url", f"ext::touch {ran}")
    (scene.folder / ".gitconfig").write_text('[protocol "ext"]\nallow = always\n')
    scene.trees(mine=git_entry(scene, "v7.2.99", users))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(scene.folder))
        with pytest.raises(MachineError, match="the remote origin of this partial clone"):
            scene.fetch("mine")
    assert not ran.exists()


def test_a_repository_that_is_gone_is_removed_from_the_alternates(scene: Scene) -> None:
    packed = scene.packed()
    scene.repository()
    scene.trees(mine=git_entry(scene, "v7.2.99"), packed=packed)
    scene.fetch("packed")
    scene.fetch("mine")
    assert len(alternates(scene)) == 1
    shutil.rmtree(scene.linux)
    assert str(scene.linux) in git_errors(scene)
    scene.fetch("packed")
    assert alternates(scene) == []
    assert git_errors(scene) == ""


def test_tags_of_commits_in_a_repository_that_is_gone_are_deleted(scene: Scene) -> None:
    """git for-each-ref stops at them, and so would every build."""
    packed = scene.packed()
    first, second = scene.repository()
    scene.trees(mine=git_entry(scene, "v7.2.99"), packed=packed)
    stays = scene.fetch("packed").commit
    scene.fetch("mine")
    for number, commit in enumerate((first, stays, second)):
        git(scene.cache.repository, "tag", f"series/test/x/7.2/{number}", commit)
    shutil.rmtree(scene.linux)
    scene.fetch("packed")
    assert git(scene.cache.repository, "tag", "--list", "series/*") == "series/test/x/7.2/1"
    argv = ("for-each-ref", "--format=%(refname)", f"--points-at={stays}", "refs/tags/series")
    assert git(scene.cache.repository, *argv) == "refs/tags/series/test/x/7.2/1"


def test_switching_touches_only_what_differs_and_leaves_nothing_else(scene: Scene) -> None:
    one, two = scene.repository()
    scene.trees(mine=git_entry(scene, "v7.2.99"), one=git_entry(scene, "v7.2.98"))
    found = scene.fetch("mine")
    scene.fetch("one")
    with checked_out(scene.cache, found, two) as folder:
        before = state(folder)
        (folder / "left.o").write_text("x")
        (folder / "left").mkdir()
        edit(folder / "mm/memremap.c", "512", "5")
        os.utime(folder / "Kconfig", ns=(1, 1))
    with checked_out(scene.cache, found, one) as folder:
        after = state(folder)
        head = git(folder, "rev-parse", "HEAD")
    assert head == one
    assert set(after) == set(before)
    assert "refcount = 0" in after["mm/mm_init.c"][0].decode()
    changed = {path for path in before if before[path] != after[path]}
    # Kconfig was only touched: it is not written again, so it keeps that time.
    assert changed == {"mm/mm_init.c", "mm/memremap.c", "Kconfig"}
    assert after["Kconfig"] == (before["Kconfig"][0], 1)
    assert after["mm/memremap.c"][0] == before["mm/memremap.c"][0]


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder, admin: (folder / ".git").unlink(),
        lambda folder, admin: (folder / ".git").write_text("gitdir: /nonesuch\n"),
        lambda folder, admin: (admin / "index").write_bytes(b"rubbish"),
        lambda folder, admin: (admin / "index").unlink(),
        lambda folder, admin: (admin / "HEAD").write_bytes(b""),
        lambda folder, admin: shutil.rmtree(admin),
        lambda folder, admin: (admin / "index.lock").touch(),
        lambda folder, admin: (admin / "HEAD.lock").touch(),
        lambda folder, admin: shutil.rmtree(folder),
        lambda folder, admin: shutil.rmtree(folder / "mm"),
        lambda folder, admin: (admin / "rebase-apply").mkdir(),
    ],
)
def test_a_damaged_worktree_is_repaired(
    scene: Scene, damage: Callable[[Path, Path], object]
) -> None:
    _, two = scene.repository()
    scene.trees(mine=git_entry(scene, "v7.2.99"))
    found = scene.fetch("mine")
    with checked_out(scene.cache, found, two) as folder:
        whole = {path: content for path, (content, _) in state(folder).items()}
    admin = scene.cache.repository / "worktrees" / "mine"
    damage(folder, admin)
    with checked_out(scene.cache, found, two) as folder:
        assert {path: content for path, (content, _) in state(folder).items()} == whole
    assert not (admin / "rebase-apply").exists()
    # The repository around the cache, which git would find further up, is as it was.
    assert (scene.folder / ".git" / "HEAD").read_text().startswith("ref: ")
    assert scene.linux.is_dir()


def test_an_unknown_tree_is_answered_with_the_known_ones(scene: Scene) -> None:
    scene.trees(mine=scene.packed())
    scene.fetch("mine")
    with pytest.raises(InputError, match=r"no tree 'v9'; expected one of mine, v7\.2\.99"):
        scene.fetch("v9")


PROGRAM = """
import sys
from pathlib import Path
from harness.host.cache import Cache
from harness.project.project import Project
from harness.project.kernel import Tree
from harness.trees.tree import fetch
fetch(Project(Path(sys.argv[1])), Cache(Path(sys.argv[2])), "mine",
      lambda event: print(event, flush=True))
"""


@pytest.mark.parametrize("word", ["check ", "checked ", "unpack ", "unpacked", "commit", "done=3"])
def test_killed_anywhere_it_leaves_no_half_tree_and_the_next_run_finishes(
    scene: Scene, word: str
) -> None:
    scene.trees(mine=scene.packed())
    argv = [sys.executable, "-c", PROGRAM, str(scene.project.root), str(scene.cache.root)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        seen = any(word in line for line in process.stdout)
        process.send_signal(signal.SIGKILL)
    assert seen
    if scene.cache.repository.exists():
        assert "tree/mine" not in git(scene.cache.repository, "tag")
    found = scene.fetch("mine")
    assert git(scene.cache.repository, "rev-parse", "tree/mine^{commit}") == found.commit
    git(scene.cache.repository, "fsck", "--connectivity-only")
    with checked_out(scene.cache, found, found.commit) as folder:
        assert (folder / "mm/mm_init.c").read_text() == (scene.linux / "mm/mm_init.c").read_text()
    assert not any((scene.cache.root / "staging").iterdir())


def test_two_at_once_fetch_once(scene: Scene) -> None:
    scene.trees(mine=scene.packed())
    argv = [sys.executable, "-c", PROGRAM, str(scene.project.root), str(scene.cache.root)]
    both = [subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    printed = [process.communicate(timeout=60)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sum("unpack " in text for text in printed) == 1


def test_downloads_have_a_limit_and_name_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a URL"):
        http.download("ftp://example.org/x", tmp_path / "x", Deadline(5))
    with pytest.raises(MachineError, match="cannot be fetched"):
        http.download("http://127.0.0.1:9/x", tmp_path / "x", Deadline(5))
