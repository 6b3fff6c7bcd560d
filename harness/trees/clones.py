# SPDX-License-Identifier: GPL-2.0-only
"""The user's clones of the kernel: `PATH@REV` as a tree's name, and clones used instead of a URL.

Clones are only read.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from harness.errors import InputError
from harness.events import Listener, Note
from harness.git.git import ForeignGit, lines
from harness.git.repository import CachedTrees
from harness.host.processes.process import Deadline
from harness.project.project import Project
from harness.project.release import order
from harness.project.tree_source import GitSource
from harness.trees import git_source
from harness.trees.names import COMMIT, TAG_MARK, folder_name, short_commit

_SCHEME = re.compile(r"(?:git|https?)://")


class LocalTree(msgspec.Struct, frozen=True):
    """A commit of a clone, and the name of its tree."""

    name: str
    source: GitSource


def local_tree(project: Project, source: GitSource, trees: CachedTrees) -> LocalTree:
    """Return the tree that `PATH@REV` means now, called after the clone's folder.

    A tag keeps its name (linux@v7.3-rc2), unless a tree of that name is another commit; any other
    revision becomes its commit (linux@1a2b3c4d5e6f): branches move. Raises InputError.
    """
    git = git_source.opened(project.root, source, trees.git.log, trees.git.deadline)
    assert git is not None  # noqa: S101 (a path)
    # A tag is preferred to a branch of that name, as git does.
    commit = git.commit(source.ref)
    if commit is None:
        raise git_source.no_ref(source, git_source.tags_of(git, source))
    pinned = GitSource(str(git.folder), commit)
    folder = folder_name(git.folder)
    name = f"{folder}{TAG_MARK}{short_commit(commit)}"
    shown = git("show-ref", "--verify", "--quiet", f"refs/tags/{source.ref}", ok=None)
    if shown.exit_code == 0:
        tagged = f"{folder}{TAG_MARK}{source.ref}"
        known = trees.get(f"tree/{tagged}")
        is_free = known is None and folder not in project.trees()
        if is_free or (known is not None and known.tree.commit == commit):
            name = tagged
    return LocalTree(name, pinned)


def opened(
    project: Project, log: Path, deadline: Deadline, listen: Listener, *, entries: bool = False
) -> list[ForeignGit]:
    """Return read-only git on each of the user's clones.

    With `entries`, those that trees.yaml names come after them. One that cannot be read is noted.
    Raises InputError if it was given for this command.
    """
    named = [GitSource(str(path), "HEAD") for path in project.repositories()]
    if entries:
        named += [source for source in project.trees().values() if isinstance(source, GitSource)]
    found: dict[Path, ForeignGit] = {}
    for source in named:
        try:
            git = git_source.opened(project.root, source, log, deadline)
        except InputError as error:
            if source.repository == str(project.repository):
                raise
            listen(Note(f"{error.where} {error.what}"))
            continue
        if git is not None:
            found.setdefault(git.folder, git)
    return list(found.values())


def instead_of(
    project: Project, source: GitSource, log: Path, deadline: Deadline, listen: Listener
) -> GitSource | None:
    """Return where a clone has what a URL would be asked for; None if no clone has it.

    A commit or a release's tag is the same in all clones. A branch is that of a clone's remote with
    this URL, as it was last fetched.
    """
    if not source.is_url:
        return None
    for git in opened(project, log, deadline, listen):
        for name in _names(git, source):
            commit = git.commit(name)
            if commit is not None:
                shown = name.removeprefix("refs/").removeprefix("remotes/").removeprefix("tags/")
                listen(Note(f"{source.ref} is taken from {git.folder} ({shown})"))
                return GitSource(str(git.folder), commit)
    return None


def _names(git: ForeignGit, source: GitSource) -> Iterator[str]:
    """Yield the names that a ref of a URL may have in a clone."""
    if COMMIT.fullmatch(source.ref):
        yield source.ref
        return
    if order(source.ref) is not None:
        yield f"refs/tags/{source.ref}"
    listed = git("config", "--get-regexp", r"^remote\..*\.url$", ok=None).stdout
    for line in lines(listed):
        key, _, url = line.partition(" ")
        if _same(url, source.repository):
            remote = key.removeprefix("remote.").removesuffix(".url")
            yield f"refs/remotes/{remote}/{source.ref}"
            yield f"refs/tags/{source.ref}"


def _same(one: str, other: str) -> bool:
    """Return whether two URLs name one repository, regardless of protocol."""
    one, other = (_SCHEME.sub("", url).rstrip("/").removesuffix(".git") for url in (one, other))
    return one == other
