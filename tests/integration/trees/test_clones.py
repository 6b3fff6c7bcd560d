# SPDX-License-Identifier: GPL-2.0-only
"""Trees from the user's clones (PATH@REV), and clones and servers for git URLs, with real git."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import InputError, MachineError
from harness.events import Event, Note
from harness.project.project import Project
from harness.trees import git_source, names
from harness.trees.tree import checked_out, fetched, from_clones, from_urls, listing
from tests.fakes.git_server import closed, mute, served
from tests.fakes.scene import Scene, git_entry
from tests.fakes.trees import edit, everything, git


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    made = Scene(tmp_path)
    made.trees()
    return made


@pytest.fixture
def server(scene: Scene) -> Iterator[tuple[str, list[str]]]:
    with served(scene.folder) as found:
        yield found


def commit(scene: Scene, message: str = "three") -> str:
    git(scene.linux, "commit", "-q", "--allow-empty", "-m", message)
    return git(scene.linux, "rev-parse", "HEAD")


def unreachable(scene: Scene) -> str:
    """Make a commit that no ref reaches."""
    made = commit(scene, "unreachable")
    git(scene.linux, "reset", "-q", "--hard", "HEAD~1")
    git(scene.linux, "reflog", "expire", "--expire=now", "--all")
    return made


def with_repositories(scene: Scene, *paths: object) -> None:
    file = scene.folder / "memmap-harness.yaml"
    file.write_text("repositories:\n" + "".join(f"  - {path}\n" for path in paths))
    scene.project = Project(scene.project.root, user_file=file)


@pytest.mark.parametrize(
    ("revision", "name"),
    [
        ("v7.2.98", "linux@v7.2.98"),
        ("v7.2.99", "linux@v7.2.99"),
        ("refs/tags/v7.2.98", "linux@{v7.2.98}"),
        ("v7.2.99~1", "linux@{v7.2.98}"),
        ("HEAD", "linux@{v7.2.99}"),
        ("", "linux@{v7.2.99}"),
        ("main", "linux@{v7.2.99}"),
        ("HEAD@{0}", "linux@{v7.2.99}"),
    ],
)
def test_a_revision_of_a_clone_is_a_tree(scene: Scene, revision: str, name: str) -> None:
    scene.repository()
    before = everything(scene.linux)
    asked = f"{scene.linux}@{revision}" if revision else str(scene.linux)
    found = scene.fetch(asked)
    tags = {tag: git(scene.linux, "rev-parse", f"{tag}^{{}}") for tag in ("v7.2.98", "v7.2.99")}
    for tag, at in tags.items():
        name = name.replace(f"{{{tag}}}", at[:12])
    assert found.name == name
    assert found.commit == git(scene.linux, "rev-parse", f"{revision or 'HEAD'}^{{commit}}")
    assert found.release == "7.2.99"
    with checked_out(scene.cache, found, found.commit) as folder:
        assert folder.name == "linux"
        assert (folder / "mm/mm_init.c").is_file()
    assert everything(scene.linux) == before
    # It is found again, by what it was asked for and by its name.
    assert fetched(scene.project, scene.cache, asked) == found
    events: list[Event] = []
    assert scene.fetch(asked, events.append) == found
    assert events == []
    assert scene.fetch(found.name) == found
    assert fetched(scene.project, scene.cache, found.name) == found


def test_a_branch_that_moves_is_another_tree(scene: Scene) -> None:
    scene.repository()
    first = scene.fetch(f"{scene.linux}@main")
    moved = commit(scene)
    second = scene.fetch(f"{scene.linux}@main")
    assert (second.commit, second.name) == (moved, f"linux@{moved[:12]}")
    assert first.name != second.name
    assert scene.fetch(first.name) == first


def test_a_relative_path_is_relative_to_where_one_stands(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, tip = scene.repository()
    monkeypatch.chdir(scene.linux / "mm")
    for asked in ("..@v7.2.99", "../@v7.2.99", "../../linux@v7.2.99", "../mm/..@v7.2.99"):
        assert scene.fetch(asked).commit == tip
    monkeypatch.setenv("HOME", str(scene.folder))
    assert scene.fetch("~/linux@v7.2.99").commit == tip


def test_equal_names_of_unequal_commits_are_told_by_their_commits(scene: Scene) -> None:
    scene.repository()
    other = scene.folder / "other" / "linux"
    shutil.copytree(scene.linux, other)
    edit(other / "mm/mm_init.c", "refcount = 1", "refcount = 2")
    git(other, "commit", "-qam", "theirs")
    git(other, "tag", "-f", "v7.2.98")
    first = scene.fetch(f"{scene.linux}@v7.2.98")
    second = scene.fetch(f"{other}@v7.2.98")
    assert first.name == "linux@v7.2.98"
    assert second.name == f"linux@{second.commit[:12]}"
    assert first.commit != second.commit
    # An equal tag of another clone is the same tree.
    assert scene.fetch(f"{other}@v7.2.99") == scene.fetch(f"{scene.linux}@v7.2.99")


def test_an_entry_keeps_its_names(scene: Scene) -> None:
    one, _ = scene.repository()
    other = scene.folder / "mine"
    shutil.copytree(scene.linux, other)
    git(other, "tag", "-f", "v7.2.99", one)
    scene.trees(mine=git_entry(scene, "main"))
    found = scene.fetch(f"{other}@v7.2.99")
    assert (found.name, found.commit) == (f"mine@{one[:12]}", one)
    assert scene.fetch("mine@v7.2.99").commit != one


def test_a_commit_that_an_entry_is_at_needs_no_worktree_of_its_own(scene: Scene) -> None:
    scene.repository()
    other = scene.folder / "mine"
    shutil.copytree(scene.linux, other)
    scene.trees(next=git_entry(scene, "main"))
    entry = scene.fetch("next")
    assert scene.fetch(f"{other}@main") == entry
    assert fetched(scene.project, scene.cache, f"{other}@HEAD") == entry
    assert scene.fetch(f"{other}@main~1").name.startswith("mine@")
    # An entry that has changed since is at another commit, or will be.
    scene.trees(next=git_entry(scene, "main~1"))
    assert scene.fetch(f"{other}@main").name == f"mine@{entry.commit[:12]}"


@pytest.mark.parametrize("name", ["a.b c", "linux.git", "@@", "..x", "é", "x.lock"])
def test_any_folder_gives_a_name_that_git_and_files_take(scene: Scene, name: str) -> None:
    _, tip = scene.repository()
    place = scene.folder / name
    scene.linux.rename(place)
    found = scene.fetch(f"{place}@v7.2.99")
    assert found.commit == tip
    with checked_out(scene.cache, found, found.commit) as folder:
        assert folder.parent == scene.cache.worktrees
    assert found.name.endswith("@v7.2.99")
    assert " " not in found.name
    # A second @ belongs to the path.
    assert names.repository_at(f"{place}@v7.2.99") is not None


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("{linux}@v7.2.9", r"no ref 'v7\.2\.9'; expected one like v7\.2\.9[89]"),
        ("{linux}@", "ref: ''; expected a ref of git"),
        ("{linux}/mm/nonesuch@v1", "is not a git repository"),
        ("/nonesuch@v7.2.99", "is not a git repository"),
        ("~nobody-of-that-name/linux@v1", "is not a git repository"),
        ("{project}@v1", "is not a git repository"),
        ("{linux}@--upload-pack=x", "expected a ref of git"),
        ("feature/x", "no tree 'feature/x'; expected one of .*PATH@REV"),
        ("x@y", "no tree 'x@y'"),
    ],
)
def test_what_is_no_revision_of_a_clone_is_said(scene: Scene, asked: str, said: str) -> None:
    scene.repository()
    text = asked.format(linux=scene.linux, project=scene.project.root)
    with pytest.raises(InputError, match=said) as caught:
        scene.fetch(text)
    assert caught.value.exit_code == 2
    assert scene.nothing_is_stored()


def test_a_commit_without_the_releases_tag_is_not_the_release(scene: Scene) -> None:
    scene.repository()
    commit(scene)
    git(scene.linux, "tag", "-d", "v7.2.98", "v7.2.99")
    assert scene.fetch(f"{scene.linux}@main").release == "7.2.99"
    tags = git(scene.cache.repository, "tag").split("\n")
    assert [tag for tag in tags if not tag.startswith("tree/")] == []


def test_a_release_is_taken_from_a_clone(scene: Scene) -> None:
    one, _ = scene.repository()
    with_repositories(scene, scene.folder / "nonesuch", scene.linux)
    events: list[Event] = []
    found = scene.fetch("v7.2.98", events.append)
    assert (found.name, found.commit) == ("linux@v7.2.98", one)
    notes = [event.text for event in events if isinstance(event, Note)]
    assert any("nonesuch is not a git repository" in text for text in notes)
    with pytest.raises(InputError, match=r"no tree 'v7\.2\.1'"):
        scene.fetch("v7.2.1")


def test_a_clone_is_used_instead_of_a_url(scene: Scene) -> None:
    _, tip = scene.repository()
    url = closed() + "/linux.git"
    for remote in ("origin", "other"):
        git(scene.linux, "remote", "add", remote, f"{closed()}/else")
    git(scene.linux, "remote", "set-url", "other", url.removesuffix(".git") + "/")
    git(scene.linux, "update-ref", "refs/remotes/other/master", tip)
    git(scene.linux, "update-ref", "refs/remotes/origin/theirs", tip)
    with_repositories(scene, scene.linux)
    scene.trees(mainline=git_entry(scene, "master", url), theirs=git_entry(scene, "theirs", url))
    events: list[Event] = []
    before = everything(scene.linux)
    found = scene.fetch("mainline", events.append)
    assert everything(scene.linux) == before
    assert (found.name, found.commit, found.source) == ("mainline", tip, "git master")
    notes = [event.text for event in events if isinstance(event, Note)]
    assert notes == [f"master is taken from {scene.linux} (other/master)"]
    assert scene.fetch("mainline@v7.2.98").release == "7.2.99"
    assert scene.fetch(f"mainline@{tip}").name == f"mainline@{tip[:12]}"
    assert scene.fetch(f"mainline@{tip[:12]}").commit == tip
    assert listing(scene.project, scene.cache)[0].state == "fetched"
    # A branch that the clone does not have of that URL.
    with pytest.raises(git_source.NoAnswer):
        scene.fetch("theirs")


def test_a_server_gives_one_commit(scene: Scene, server: tuple[str, list[str]]) -> None:
    one, tip = scene.repository()
    url, asked = server
    scene.trees(far=git_entry(scene, "main", f"{url}/linux/.git"))
    found = scene.fetch("far")
    assert (found.commit, found.release) == (tip, "7.2.99")
    assert fetched(scene.project, scene.cache, f"far@{one}") is None
    # A commit, and a commit that no ref reaches.
    lost = unreachable(scene)
    for wanted in (one, lost):
        found = scene.fetch(f"far@{wanted}")
        assert (found.commit, found.name) == (wanted, f"far@{wanted[:12]}")
    count = len(asked)
    assert scene.fetch(f"far@{lost}").commit == lost
    assert scene.fetch(f"far@{lost[:12]}").commit == lost
    assert len(asked) == count
    assert git(scene.cache.repository, "rev-list", "--count", lost) == "1"


def test_a_server_that_refuses_commits_without_a_ref_is_quoted(
    scene: Scene, server: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = scene.repository()
    lost = unreachable(scene)
    # Servers refuse it in the protocol's first version.
    monkeypatch.setenv("HOME", str(scene.folder))
    (scene.folder / ".gitconfig").write_text("[protocol]\nversion = 0\n")
    scene.trees(far=git_entry(scene, "main", f"{server[0]}/linux/.git"))
    for wanted in (lost, one[::-1]):
        said = f"does not serve commits that no branch or tag is at, like {wanted[:12]}"
        with pytest.raises(git_source.NotThere, match=said) as caught:
            scene.fetch(f"far@{wanted}")
        assert caught.value.exit_code == 2
    assert scene.nothing_is_stored()


def test_a_commit_that_a_server_does_not_have(scene: Scene, server: tuple[str, list[str]]) -> None:
    scene.repository()
    scene.trees(far=git_entry(scene, "gone", f"{server[0]}/linux/.git"))
    for name, ref in (("far", "gone"), (f"far@{'1' * 40}", "1" * 40)):
        with pytest.raises(git_source.NotThere, match=f"no ref '{ref}'"):
            scene.fetch(name)
    assert scene.nothing_is_stored()


@pytest.mark.parametrize("kind", ["closed", "no host", "mute", "no repository"])
def test_a_server_that_does_not_answer_costs_one_line(
    scene: Scene, kind: str, server: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git_source, "ANSWER_S", 2)
    with mute() as silent:
        url = {
            "closed": closed(),
            "no host": "http://harness.invalid",
            "mute": silent,
            "no repository": server[0],
        }[kind]
        scene.trees(far=git_entry(scene, "main", f"{url}/nonesuch.git"))
        began = time.monotonic()
        with pytest.raises(MachineError) as caught:
            scene.fetch("far")
    assert time.monotonic() - began < 20
    assert caught.value.exit_code == 69
    assert str(caught.value).startswith(f"{url}/nonesuch.git: ")
    assert "\n" not in str(caught.value)
    said = "does not answer within 2 s" if kind == "mute" else "cannot be fetched: "
    assert said in str(caught.value)
    assert scene.nothing_is_stored()


def test_a_host_that_does_not_answer_is_asked_once(scene: Scene) -> None:
    scene.repository()
    url, other = closed(), closed()
    scene.trees(
        one=git_entry(scene, "main", f"{url}/one.git"),
        two=git_entry(scene, "main", f"{url}/two.git"),
        three=git_entry(scene, "main", f"{other}/three.git"),
        last=git_entry(scene, "main", scene.linux.as_uri()),
    )
    tip = git(scene.linux, "rev-parse", "HEAD")
    found = from_urls(scene.project, scene.cache, tip)
    assert found.tree is not None
    assert (found.tree.name, found.tree.commit) == (f"last@{tip[:12]}", tip)
    shutil.rmtree(scene.linux)
    found = from_urls(scene.project, scene.cache, "1" * 40)
    assert found.tree is None
    assert [error.where for error in found.failures] == [
        f"{url}/one.git",
        f"{other}/three.git",
        scene.linux.as_uri(),
    ]


def test_a_release_that_may_be_at_a_server_that_is_silent_is_no_wrong_input(scene: Scene) -> None:
    scene.trees(far=git_entry(scene, "main", f"{closed()}/one.git"))
    with pytest.raises(
        MachineError, match=r"v7\.1-rc3 cannot be fetched \(http.*/one\.git: cannot"
    ):
        scene.fetch("v7.1-rc3")
    with pytest.raises(InputError, match="no tree 'linus'"):
        scene.fetch("linus")


def test_a_commit_is_found_in_clones_also_when_no_ref_reaches_it(scene: Scene) -> None:
    scene.repository()
    lost = unreachable(scene)
    with_repositories(scene, scene.linux)
    found = from_clones(scene.project, scene.cache, lost)
    assert found is not None
    assert (found.name, found.commit) == (f"linux@{lost[:12]}", lost)
    assert from_clones(scene.project, scene.cache, "1" * 40) is None


def test_the_clone_of_this_command_must_be_one(scene: Scene) -> None:
    scene.project = Project(scene.project.root, repository=scene.folder / "nonesuch")
    with pytest.raises(InputError, match="nonesuch: is not a git repository"):
        from_clones(scene.project, scene.cache, "1" * 40)
