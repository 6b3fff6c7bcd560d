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
from harness.model.tree_source import GitSource
from harness.tools.git import Git


class _UsersGit(Git):
    """git with the user's configuration: proxies and credentials for a URL are there."""

    environment: ClassVar[dict[str, str]] = {"GIT_TERMINAL_PROMPT": "0"}


def commit_of(
    kept: Git, root: Path, source: GitSource, listen: Listener
) -> tuple[str, dict[str, str]]:
    """Make a ref's commit readable in the cache repository `kept`.

    Return it and the commits of the repository's own tags, by name. Paths are relative to `root`.
    Raises InputError (no repository, no such ref), MachineError (no network).
    """
    listen(Began(f"look for {source.ref} in {source.repository}"))
    if source.is_url:
        commit, tags = _fetched(kept, source)
    else:
        commit, tags = _borrowed(kept, root, source)
    _end_history(kept.folder, commit)
    if not kept.has_commit(commit) or not kept.has_tree(commit):
        raise InputError(
            f"the objects of {source.ref} cannot be read",
            where=source.repository,
            expected="a whole repository with SHA-1 names",
        )
    listen(Ended(f"{source.ref} is {commit[:12]}"))
    return commit, tags


def _borrowed(kept: Git, root: Path, source: GitSource) -> tuple[str, dict[str, str]]:
    path = (root / Path(source.repository).expanduser()).resolve()
    # It may belong to somebody else: nothing of it is executed, and it was named on purpose.
    env = {
        "GIT_CEILING_DIRECTORIES": str(path.parent),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
        "GIT_OPTIONAL_LOCKS": "0",
    }
    users = Git(path, log=kept.log, deadline=kept.deadline)
    no_repository = InputError(
        "is no git repository", where=str(path), expected="a path or URL of one"
    )
    if not path.is_dir() or "\n" in str(path):
        raise no_repository
    arguments = ("rev-parse", "--path-format=absolute", "--git-path", "objects")
    done = users(*arguments, env=env, ok=None)
    if done.exit_code != 0:
        raise no_repository
    objects = done.stdout.strip()
    listed = users(
        "for-each-ref",
        "--format=%(objectname) %(refname:lstrip=2) %(*objectname)",
        "refs/tags",
        env=env,
    ).stdout
    rows = (line.split(" ") for line in listed.splitlines())
    tags = {name: peeled or oid for oid, name, peeled in rows}
    commit = users(
        "rev-parse", "--verify", "--quiet", f"{source.ref}^{{commit}}", env=env, ok=None
    ).stdout.strip()
    if not commit:
        raise _no_ref(source, tags)
    alternates = kept.folder / "objects" / "info" / "alternates"
    alternates.parent.mkdir(exist_ok=True)
    _add_line(alternates, objects)
    return commit, tags


def _fetched(kept: Git, source: GitSource) -> tuple[str, dict[str, str]]:
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
    tags = {name.removeprefix("refs/tags/").removesuffix("^{}"): oid for oid, name in rows}
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


def _end_history(repository: Path, commit: str) -> None:
    """Tell git that the commit's parents are not there, whether or not they could be read."""
    _add_line(repository / "shallow", commit)


def _add_line(file: Path, line: str) -> None:
    there = file.read_text().splitlines() if file.exists() else []
    if line not in there:
        file.write_text("\n".join([*there, line]) + "\n")
