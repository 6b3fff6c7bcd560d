# SPDX-License-Identifier: GPL-2.0-only
"""The choice of a base with real git: from --base, trailers, words, index lines, or none."""

from pathlib import Path

import pytest

from harness.errors import InputError
from harness.events import Event, Note
from harness.project.project import Project
from harness.series.bases.choose import Base, choose
from harness.series.source import Commits, Mails, Port, Source
from harness.trees.tree import fetch
from tests.fakes.git_server import closed
from tests.fakes.kernels import Kernels
from tests.fakes.trees import everything, git

DEFAULT = "mine"
LETTER = """\
From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001
From: A Developer <dev@example.org>
Date: Thu, 1 Jan 2026 00:00:00 +0000
Subject: [PATCH 0/3] a series
Message-ID: <cover@example.org>

Hello,

{text}

A Developer (3):
  some patches

{trailers}
--
2.50

"""


class Scene(Kernels):
    """A mainline with three releases, of which only the first two have the patches' old files."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        git(self.linux, "checkout", "-q", "main")
        self.release("v7.3-rc1")
        self.release("v7.3-rc2", {60: "\ttheirs;"})
        self.notes: list[str] = []
        self.trees()

    def mbox(self, text: str = "we speed it up.", trailers: str = "") -> Mails:
        """Write the series with a cover letter."""
        patches = git(self.linux, "format-patch", "--stdout", "--abbrev=12", "v7.2..series")
        file = self.linux.parent / "series.mbox"
        file.write_text(LETTER.format(text=text, trailers=trailers) + patches + "\n")
        return Mails(file)

    def choose(self, source: Source | None, asked: str | None = None) -> Base:
        self.notes = []

        def listen(event: Event) -> None:
            if isinstance(event, Note):
                self.notes.append(event.text)

        return choose(
            self.project, self.cache, "test", source, asked=asked, default=DEFAULT, listen=listen
        )

    def use(self, repository: Path | None = None, *repositories: Path) -> None:
        """Give --repo and the user's file."""
        file = self.linux.parent / "memmap-harness.yaml"
        file.write_text("repositories:\n" + "".join(f"  - {path}\n" for path in repositories))
        self.project = Project(
            self.project.root, user_file=file if repositories else None, repository=repository
        )

    def commit_of(self, name: str) -> str:
        return git(self.linux, "rev-parse", f"{name}^{{commit}}")

    def stray(self) -> str:
        """Make a commit on v7.3-rc1 that no ref reaches."""
        git(self.linux, "checkout", "-q", "--detach", "v7.3-rc1")
        made = self.commit_of(self.commit_empty())
        git(self.linux, "checkout", "-q", "main")
        git(self.linux, "reflog", "expire", "--expire=now", "--all")
        return made

    def commit_empty(self) -> str:
        git(self.linux, "commit", "-q", "--allow-empty", "-m", "stray")
        return "HEAD"


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def trailer(commit: str, needed: int = 0) -> str:
    lines = [f"prerequisite-patch-id: {'1' * 40}"] * needed
    return "\n".join([f"base-commit: {commit}", *lines])


def test_without_any_evidence_it_is_the_default(scene: Scene) -> None:
    assert scene.choose(None) == Base(DEFAULT, "the default")
    found = scene.choose(scene.mbox())
    assert found.tree == DEFAULT
    assert found.line.startswith("base mine: the default: the patches name no base, and fit no")


def test_a_port_has_its_base(scene: Scene) -> None:
    scene.trees(mine=scene.entry("v7.2"))
    assert scene.choose(Port("mine")) == Base("mine", "the port's")
    assert scene.choose(Port("v7.2")) == Base("v7.2", "the port's")
    assert scene.choose(Port("trial")) == Base(DEFAULT, "the default")


def test_commits_have_the_commit_below_them(scene: Scene) -> None:
    base = scene.commit_of("v7.2")
    source = Commits(scene.linux, base, scene.commit_of("series"), "series")
    assert scene.choose(source) == Base(f"linux@{base[:12]}", "the commit below the patches")


@pytest.mark.parametrize("where", ["repo", "file", "entry", "cache", "url"])
@pytest.mark.parametrize("kind", ["tag", "stray"])
def test_the_base_commit_is_found_in_every_known_repository(
    scene: Scene, where: str, kind: str
) -> None:
    commit = scene.commit_of("v7.2") if kind == "tag" else scene.stray()
    name = f"linux@{commit[:12]}"
    match where:
        case "repo":
            scene.use(scene.linux)
        case "file":
            scene.use(None, scene.linux.parent / "nonesuch", scene.linux)
        case "entry":
            scene.trees(mine=scene.entry("v7.3-rc2"))
        case "cache":
            fetch(scene.project, scene.cache, f"{scene.linux}@{commit}")
        case "url":
            scene.trees(far=scene.entry("main", url=True))
            name = f"far@{commit[:12]}"
    before = everything(scene.linux)
    found = scene.choose(scene.mbox("Based on v7.3-rc2.", trailer(commit)), None)
    assert found == Base(name, "the patches' base-commit")
    assert fetch(scene.project, scene.cache, found.tree).commit == commit
    assert everything(scene.linux) == before
    # The next time it is in the cache.
    scene.trees()
    scene.use()
    assert scene.choose(scene.mbox("", trailer(commit))) == found


def test_patches_that_are_needed_below_are_counted(scene: Scene) -> None:
    scene.use(scene.linux)
    found = scene.choose(scene.mbox("", trailer(scene.commit_of("v7.2"), 2)))
    assert found.why.endswith("without the 2 patches that they also need (prerequisite-patch-id)")


def test_a_base_commit_that_no_repository_has_is_noted(scene: Scene) -> None:
    scene.use(scene.linux)
    silent = closed()
    scene.trees(
        far=scene.entry("main", url=True),
        dead={"provider": "git", "repository": f"{silent}/a.git", "ref": "main"},
        dying={"provider": "git", "repository": f"{silent}/b.git", "ref": "main"},
    )
    found = scene.choose(scene.mbox("", trailer("1" * 40)))
    assert found.tree == "linux@v7.3-rc1"
    assert found.why == "the newest release that the patches' index lines fit"
    assert len(scene.notes) == 2
    assert scene.notes[0].startswith(f"{silent}/a.git: cannot be fetched: ")
    said = f"{'1' * 12}, the patches' base-commit, cannot be had: no repository that answers has it"
    assert scene.notes[1] == said
    # The network is not asked again for a while; clones are.
    scene.choose(scene.mbox("", trailer("1" * 40)))
    assert scene.notes == [f"{said} (0 minutes ago; `harness tree fetch` looks again)"]


@pytest.mark.parametrize("text", ["v7.2", "next-20260101", "mm-unstable"])
def test_a_base_that_the_letter_names(scene: Scene, text: str) -> None:
    git(scene.linux, "tag", "next-20260101", "v7.3-rc1")
    git(scene.linux, "branch", "mm-unstable", "v7.3-rc1")
    scene.trees(**{"mm-unstable": scene.entry("mm-unstable", url=True)})
    if text == "v7.2":
        scene.use(scene.linux)
    found = scene.choose(scene.mbox(f"This series is based on {text}."))
    names = {
        "v7.2": "linux@v7.2",
        "next-20260101": "mm-unstable@next-20260101",
        "mm-unstable": "mm-unstable",
    }
    assert found == Base(names[text], "named in the letter")
    assert scene.notes == []


def test_a_named_branch_that_moved_on_is_said(scene: Scene) -> None:
    scene.trees(**{"mm-unstable": scene.entry("v7.3-rc2", url=True)})
    found = scene.choose(scene.mbox("This series is based on mm-unstable."))
    assert found.tree == "mm-unstable"
    assert found.why == (
        "named in the letter; the patches' index lines are of other files than it has"
    )


def test_a_named_commit_is_better_than_its_branch(scene: Scene) -> None:
    scene.use(scene.linux)
    scene.trees(**{"mm-unstable": scene.entry("v7.3-rc2", url=True)})
    commit = scene.commit_of("v7.2")
    found = scene.choose(scene.mbox(f"Based on mm-unstable commit {commit[:12]}."))
    assert (found.tree, found.why) == (f"linux@{commit[:12]}", "named in the letter")


def test_two_named_bases_are_none(scene: Scene) -> None:
    scene.use(scene.linux)
    found = scene.choose(scene.mbox("This series is based on v7.2. It applies to v7.3-rc2."))
    assert found.tree == "linux@v7.3-rc1"
    assert scene.notes == ["the letter names 2 bases, v7.2 and v7.3-rc2: none is taken"]


def test_a_named_base_that_cannot_be_had_is_noted(scene: Scene) -> None:
    scene.trees(dead={"provider": "git", "repository": f"{closed()}/a.git", "ref": "main"})
    found = scene.choose(scene.mbox("This series is based on v7.1-rc3."))
    assert found.tree == DEFAULT
    (note,) = scene.notes
    assert note.startswith("v7.1-rc3, named in the letter, cannot be had: ")
    assert "/a.git: cannot be fetched: " in note
    assert "\n" not in note
    scene.use(scene.linux)
    git(scene.linux, "tag", "v7.1-rc3", "v7.2")
    found = scene.choose(scene.mbox("This series is based on v7.1-rc3."))
    assert (found.tree, scene.notes) == ("linux@v7.1-rc3", [])


def test_the_newest_release_that_fits_is_cached_or_in_a_clone(scene: Scene) -> None:
    fetch(scene.project, scene.cache, f"{scene.linux}@v7.2")
    assert scene.choose(scene.mbox()).tree == "linux@v7.2"
    scene.trees(mine=scene.entry("v7.2"))
    fetch(scene.project, scene.cache, "mine")
    assert scene.choose(scene.mbox("", trailer(scene.commit_of("v7.2")))).tree == "mine"
    scene.use(scene.linux)
    assert scene.choose(scene.mbox()).tree == "linux@v7.3-rc1"


@pytest.mark.parametrize("what", ["blob:none", "tree:0"])
def test_a_partial_clone_is_compared_as_far_as_it_goes(scene: Scene, what: str) -> None:
    users = scene.linux.parent / "partial"
    git(scene.linux, "config", "uploadpack.allowFilter", "true")
    how = ("--no-checkout", f"--filter={what}")
    git(scene.linux.parent, "clone", "-q", *how, scene.linux.as_uri(), str(users))
    scene.use(users)
    before = everything(users)
    found = scene.choose(scene.mbox())
    assert found.tree == ("partial@v7.3-rc1" if what == "blob:none" else DEFAULT)
    assert everything(users) == before


def test_a_shallow_clone_is_searched(scene: Scene) -> None:
    users = scene.linux.parent / "shallow"
    how = ("--depth=1", "-b", "v7.3-rc1", scene.linux.as_uri(), str(users))
    git(scene.linux.parent, "clone", "-q", *how)
    scene.use(users)
    assert scene.choose(scene.mbox()).tree == "shallow@v7.3-rc1"
    old = scene.commit_of("v7.2")
    assert scene.choose(scene.mbox("", trailer(old))).tree == "shallow@v7.3-rc1"
    assert scene.notes == [
        f"{old[:12]}, the patches' base-commit, cannot be had: no repository that answers has it"
    ]


def test_new_files_alone_fit_no_release(scene: Scene) -> None:
    git(scene.linux, "checkout", "-q", "-b", "new", "v7.2")
    scene.write("mm/new.c", ["int x;"])
    scene.commit("mm: a new file")
    git(scene.linux, "checkout", "-q", "main")
    file = scene.linux.parent / "new.mbox"
    file.write_text(git(scene.linux, "format-patch", "--stdout", "-1", "new") + "\n")
    scene.use(scene.linux)
    assert scene.choose(Mails(file)).tree == DEFAULT


def test_an_entry_that_changed_is_not_named_by_its_old_commit(scene: Scene) -> None:
    scene.trees(mine=scene.entry("v7.2", url=True))
    fetch(scene.project, scene.cache, "mine")
    assert scene.choose(scene.mbox()).tree == "mine"
    scene.trees(mine=scene.entry("v7.3-rc2", url=True))
    found = scene.choose(scene.mbox("", trailer(scene.commit_of("v7.2"))))
    assert found.tree == f"mine@{scene.commit_of('v7.2')[:12]}"


def test_what_is_asked_for_comes_first(scene: Scene) -> None:
    source = scene.mbox("Based on v7.2.", trailer(scene.commit_of("v7.2")))
    tip = scene.commit_of("main")
    assert scene.choose(source, "far") == Base("far", "as asked for")
    assert scene.choose(source, "tree/far") == Base("far", "as asked for")
    asked = f"{scene.linux}@main"
    assert scene.choose(source, asked) == Base(f"linux@{tip[:12]}", asked)
    scene.use(scene.linux)
    scene.trees(**{"v7.2": scene.entry("v7.3-rc2"), "other": scene.entry("v7.3-rc2")})
    assert scene.choose(source, "main") == Base(f"linux@{tip[:12]}", f"main of {scene.linux}")
    assert scene.choose(source, "v7.2").why == (
        f"v7.2 of {scene.linux}; `tree/v7.2` is the tree of configs/trees.yaml"
    )
    assert scene.choose(source, "tree/v7.2") == Base("v7.2", "as asked for")
    assert scene.choose(source, "other") == Base("other", "as asked for")
    with pytest.raises(InputError, match="no tree 'nonesuch'"):
        scene.choose(source, "nonesuch")
    with pytest.raises(InputError, match="no tree '-x'"):
        scene.choose(source, "-x")


def test_a_clone_that_is_none_is_bad_input(scene: Scene) -> None:
    scene.use(scene.linux.parent)
    for asked in ("v7.2", None):
        with pytest.raises(InputError, match="is not a git repository"):
            scene.choose(scene.mbox(), asked)
