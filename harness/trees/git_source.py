# SPDX-License-Identifier: GPL-2.0-only
"""Provider git: a ref of a repository by path or URL.

A local repository is read, never written to: the cache repository borrows its objects through
objects/info/alternates, and fetches those that a partial clone lacks from that clone's remote.
(Where git would write an object that the repository has, it sets the time of that object's file.)
From a URL the one commit is fetched. Either way the cache sees the commit without its history,
which nothing here asks for.
"""

import difflib
import json
import os
import shlex
from pathlib import Path
from typing import ClassVar

from harness.errors import InputError, MachineError, ToolFailed
from harness.events import Began, Ended, Listener
from harness.git.git import ForeignGit, Git
from harness.host.cache import Cache
from harness.host.files import replace_file
from harness.host.process import Deadline
from harness.project.tree_source import GitSource

#: What git exits with when it cannot go on.
FATAL = 128


class _UsersGit(Git):
    """git with the user's configuration: proxies and credentials for a URL are there."""

    environment: ClassVar[dict[str, str]] = {"GIT_TERMINAL_PROMPT": "0"}


#: For a fetch of single objects.
_OBJECTS_ONLY = {
    # The URL is from a repository's configuration, which may name a program (ext::).
    "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",
    "GIT_CONFIG_COUNT": "2",
    # Otherwise the remote leaves out objects of commits that we have: that we lack them is why we
    # ask. git does the same when it fetches for a partial clone.
    "GIT_CONFIG_KEY_0": "fetch.negotiationAlgorithm",
    "GIT_CONFIG_VALUE_0": "noop",
    # Unpacking would set the time of borrowed files that hold one of the objects.
    "GIT_CONFIG_KEY_1": "fetch.unpackLimit",
    "GIT_CONFIG_VALUE_1": "1",
}


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
        raise _unreadable(source.ref, source.repository)
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


def _borrowed(kept: Git, users: ForeignGit, source: GitSource) -> tuple[str, dict[str, str]]:
    tags = _local_tags(users)
    commit = users.commit(source.ref)
    if commit is None:
        raise _no_ref(source, tags)
    complete(kept, users, commit, source.ref)
    objects = users("rev-parse", "--path-format=absolute", "--git-path", "objects").stdout.strip()
    _borrow(kept.folder, objects)
    return commit, tags


def complete(kept: Git, users: ForeignGit, commit: str, called: str) -> None:
    """Fetch those objects of a commit into the cache that a partial clone left at its remote.

    The caller holds the lock `trees`. Raises InputError if objects are missing that no remote has
    promised, MachineError if the remote does not send them.
    """
    listing = ("rev-list", "--objects", "--missing=print", "--no-walk", commit)
    listed = users(*listing, env=with_objects_of(kept), ok=(0, FATAL))
    if listed.exit_code == FATAL:
        raise _unreadable(called, str(users.folder))
    missing = [line[1:] for line in listed.stdout.splitlines() if line.startswith("?")]
    if not missing:
        return
    what = f"objects of {called} are missing: {len(missing)}, the first {missing[0][:12]}"
    where = str(users.folder)
    hint = f"get them with `git -C {shlex.quote(where)} fetch --refetch --no-filter`"
    remotes = _promisors(users)
    if not remotes:
        raise InputError(
            what, where=where, expected="a whole repository", hint=f"{hint}, or name another clone"
        )
    for name, url in remotes.items():
        try:
            _fetch_objects(kept, url, missing)
        except ToolFailed as error:
            failed = MachineError(
                f"{what}; the remote {name} of this partial clone does not send them",
                where=where,
                hint=f"check the network, or {hint}",
                detail=error.detail,
            )
            failed.__cause__ = error
        else:
            return
    raise failed


def with_objects_of(kept: Git) -> dict[str, str]:
    """Return an environment in which git also reads the objects of the cache repository."""
    # Quoted, as git takes it: a path may have a colon.
    quoted = json.dumps(str(kept.folder / "objects"), ensure_ascii=False)
    return {"GIT_ALTERNATE_OBJECT_DIRECTORIES": quoted}


def _promisors(users: ForeignGit) -> dict[str, str]:
    """Return the URLs of the remotes that a partial clone's missing objects are at, by name."""
    keys = users("config", "--name-only", "--get-regexp", r"^remote\..*\.promisor$", ok=None).stdout
    names = [key.removeprefix("remote.").removesuffix(".promisor") for key in keys.splitlines()]
    urls = {name: users("remote", "get-url", name, ok=None).stdout.strip() for name in names}
    return {name: url for name, url in urls.items() if url}


def _fetch_objects(kept: Git, url: str, names: list[str]) -> None:
    """Fetch objects into the cache by their names. Raises ToolFailed."""
    git = _UsersGit(kept.folder, log=kept.log, deadline=kept.deadline, git_dir=kept.folder)
    file = kept.log.with_suffix(".missing")
    file.write_text("".join(f"{name}\n" for name in names))
    fetch = ("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--stdin", "--", url)
    try:
        git(*fetch, stdin=file, env=_OBJECTS_ONLY)
    finally:
        file.unlink()


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
            hint="check the URL and the network, or give the path of a clone",
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


def _unreadable(called: str, where: str) -> InputError:
    return InputError(
        f"the objects of {called} cannot be read",
        where=where,
        expected="a whole repository with SHA-1 names",
    )


def _no_ref(source: GitSource, tags: dict[str, str]) -> InputError:
    near = difflib.get_close_matches(source.ref, tags, n=3, cutoff=0.4)
    return InputError(
        f"no ref {source.ref!r}",
        where=source.repository,
        expected=f"one like {', '.join(near)}" if near else "a tag, branch or commit of it",
        hint="correct `ref` in configs/trees.yaml",
    )


def end_history(repository: Path, commit: str) -> None:
    """Tell git that the commit's parents are not there, whether or not they could be read.

    The caller holds the lock `trees`.
    """
    file = repository / "shallow"
    _rewrite(file, [*_lines(file), commit])


def _borrow(repository: Path, *objects: str) -> None:
    """Let the cache repository read folders of objects, and forget those that are gone."""
    alternates = repository / "objects" / "info" / "alternates"
    alternates.parent.mkdir(exist_ok=True)
    there = [folder for folder in _lines(alternates) if os.access(folder, os.F_OK)]
    _rewrite(alternates, [*there, *objects])


def forget_gone(cache: Cache) -> None:
    """Take repositories that are gone out of the cache's alternates: git prints an error of each.

    Does nothing while another process holds the lock `trees`.
    """
    with cache.free("trees") as is_free:
        if is_free and cache.repository.is_dir():
            _borrow(cache.repository)


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


def _rewrite(file: Path, lines: list[str]) -> None:
    """Replace a file that git may be reading. Lines are kept once."""
    text = "".join(f"{line}\n" for line in dict.fromkeys(lines))
    if not file.exists() or file.read_text() != text:
        replace_file(file, text.encode())
