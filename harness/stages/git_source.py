# SPDX-License-Identifier: GPL-2.0-only
"""Provider git: a ref of a repository by path or URL.

A local repository is read, never written to: the cache repository borrows its objects through
objects/info/alternates. From a URL the one commit is fetched. Either way the cache sees the commit
without its history, which nothing here asks for.
"""

import difflib
from pathlib import Path
from typing import ClassVar

from harness.errors import InputError, MachineError, ToolFailed
from harness.events import Began, Ended, Listener
from harness.files import replace_file
from harness.model.tree_source import GitSource
from harness.proc import Deadline
from harness.tools.git import ForeignGit, Git


class _UsersGit(Git):
    """git with the user's configuration: proxies and credentials for a URL are there."""

    environment: ClassVar[dict[str, str]] = {"GIT_TERMINAL_PROMPT": "0"}


def commit_of(
    kept: Git, root: Path, source: GitSource, listen: Listener
) -> tuple[str, dict[str, str]]:
    """Make a ref's commit readable in the cache repository `kept`.

    Return it and the commits of the repository's own tags, by name. Paths are relative to `root`.
    The caller holds the lock `trees`. Raises InputError (no repository, no such ref), MachineError
    (no network).
    """
    listen(Began(f"look for {source.ref} in {source.repository}"))
    users = opened(root, source, kept.log, kept.deadline)
    commit, tags = _fetched(kept, source) if users is None else _borrowed(kept, users, source)
    end_history(kept.folder, commit)
    if not kept.has_commit(commit) or not kept.has_tree(commit):
        raise InputError(
            f"the objects of {source.ref} cannot be read",
            where=source.repository,
            expected="a whole repository with SHA-1 names",
        )
    listen(Ended(f"{source.ref} is {commit[:12]}"))
    return commit, tags


def opened(root: Path, source: GitSource, log: Path, deadline: Deadline) -> ForeignGit | None:
    """Return git on a repository of this machine, only to be read; None for one behind a URL.

    Paths are relative to `root`. Raises InputError where there is no repository.
    """
    if source.is_url:
        return None
    path = (root / Path(source.repository).expanduser()).resolve()
    git = ForeignGit(path, log=log, deadline=deadline)
    usable = path.is_dir() and "\n" not in str(path)
    if not usable or git("rev-parse", "--git-dir", ok=None).exit_code != 0:
        raise InputError("is no git repository", where=str(path), expected="a path or URL of one")
    return git


def tags_of(git: Git, source: GitSource) -> dict[str, str]:
    """Return the commits of a repository's own tags, by name.

    `git` is any repository for a source behind a URL, else the source itself. Raises MachineError.
    """
    return _remote_tags(git, source) if source.is_url else _local_tags(git)


def _borrowed(kept: Git, users: Git, source: GitSource) -> tuple[str, dict[str, str]]:
    tags = _local_tags(users)
    commit = users.commit(source.ref)
    if commit is None:
        raise _no_ref(source, tags)
    objects = users("rev-parse", "--path-format=absolute", "--git-path", "objects").stdout.strip()
    alternates = kept.folder / "objects" / "info" / "alternates"
    alternates.parent.mkdir(exist_ok=True)
    _rewrite(alternates, [*_lines(alternates), objects])
    return commit, tags


def _local_tags(users: Git) -> dict[str, str]:
    form = "%(objectname) %(refname:lstrip=2) %(*objectname)"
    listed = users("for-each-ref", f"--format={form}", "refs/tags").stdout
    rows = (line.split(" ") for line in listed.splitlines())
    return {name: peeled or oid for oid, name, peeled in rows}


def _remote_tags(kept: Git, source: GitSource) -> dict[str, str]:
    git = _UsersGit(kept.folder, log=kept.log, deadline=kept.deadline, git_dir=kept.folder)
    try:
        listed = git("ls-remote", "--tags", "--", source.repository).stdout
    except ToolFailed as error:
        raise MachineError(
            "cannot be fetched from",
            where=source.repository,
            mend="check the URL and the network, or give the path of a clone",
            detail=error.detail,
        ) from error
    rows = (line.split("\t") for line in listed.splitlines())
    # A tag object's commit follows in a line of its own, marked so.
    return {name.removeprefix("refs/tags/").removesuffix("^{}"): oid for oid, name in rows}


def _fetched(kept: Git, source: GitSource) -> tuple[str, dict[str, str]]:
    tags = _remote_tags(kept, source)
    git = _UsersGit(kept.folder, log=kept.log, deadline=kept.deadline, git_dir=kept.folder)
    fetch = ("fetch", "--quiet", "--depth=1", "--no-tags", "--", source.repository, source.ref)
    try:
        git(*fetch)
    except ToolFailed as error:
        if any(f"{what} remote ref" in (error.detail or "") for what in ("find", "not our ref")):
            raise _no_ref(source, tags) from error
        raise
    return git.commit("FETCH_HEAD") or "", tags


def _no_ref(source: GitSource, tags: dict[str, str]) -> InputError:
    near = difflib.get_close_matches(source.ref, tags, n=3, cutoff=0.4)
    return InputError(
        f"no ref {source.ref!r}",
        where=source.repository,
        expected=f"one like {', '.join(near)}" if near else "a tag, branch or commit of it",
        mend="correct `ref` in configs/trees.yaml",
    )


def end_history(repository: Path, commit: str) -> None:
    """Tell git that the commit's parents are not there, whether or not they could be read.

    The caller holds the lock `trees`.
    """
    file = repository / "shallow"
    _rewrite(file, [*_lines(file), commit])


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


def _rewrite(file: Path, lines: list[str]) -> None:
    """Replace a file that git may be reading. Lines are kept once."""
    text = "".join(f"{line}\n" for line in dict.fromkeys(lines))
    if not file.exists() or file.read_text() != text:
        replace_file(file, text.encode())
