# SPDX-License-Identifier: GPL-2.0-only
"""Provider git: fetches a ref of a repository by path or URL.

A local repository is read, never written to: the cache repository borrows its objects through
objects/info/alternates, and fetches those that a partial clone lacks from that clone's remote.
(When git writes an object that the repository has, it sets the time of that object's file.)
From a URL only one commit is fetched. In both cases the cache has the commit without its history.
"""

import difflib
import json
import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from harness.errors import InputError, MachineError, TimedOut, ToolFailed
from harness.events import Began, Ended, Listener
from harness.git.git import ForeignGit, Git, UsersGit, lines
from harness.host.cache import Cache
from harness.host.files import replace_file
from harness.host.processes.process import Deadline
from harness.project.tree_source import GitSource
from harness.trees.names import shown_revision

#: How long a server may take for the list of its tags, and be silent while it sends objects.
ANSWER_S = 30
SILENCE = {"GIT_HTTP_LOW_SPEED_LIMIT": "1", "GIT_HTTP_LOW_SPEED_TIME": "60"}
#: What git says of a connection that broke.
_BROKEN = ("unable to access", "RPC failed", "hung up", "early EOF", "Could not read from remote")
#: git's exit code after "fatal:".
_FATAL = 128
#: For a fetch of single objects.
_OBJECTS_ONLY = {
    # The URL is from the repository's configuration, which may name a program (ext::).
    "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",
    "GIT_CONFIG_COUNT": "2",
    # Otherwise the remote leaves out objects of commits that we have. git does the same when it
    # fetches for a partial clone.
    "GIT_CONFIG_KEY_0": "fetch.negotiationAlgorithm",
    "GIT_CONFIG_VALUE_0": "noop",
    # Unpacking would set the time of borrowed files with the same objects.
    "GIT_CONFIG_KEY_1": "fetch.unpackLimit",
    "GIT_CONFIG_VALUE_1": "1",
}


class NoAnswer(MachineError):
    """A server did not answer: the network is down, or host or repository is unknown."""


class NotThere(InputError):
    """A repository does not have a tag, branch or commit."""


def commit_of(
    ours: Git, root: Path, source: GitSource, listen: Listener
) -> tuple[str, dict[str, str]]:
    """Make a ref's commit readable in the cache repository; return it, and the source's tags.

    Paths are relative to `root`. The caller holds the lock `trees`. Raises InputError (no
    repository, no such ref: NotThere), MachineError (no network: NoAnswer).
    """
    name = shown_revision(source.ref)
    listen(Began(f"look for {name} in {source.repository}"))
    users = opened(root, source, ours.log, ours.deadline)
    commit, tags = _fetched(ours, source) if users is None else _borrowed(ours, users, source)
    end_history(ours.folder, commit)
    if not ours.has_commit(commit) or not ours.has_tree(commit):
        raise _unreadable(source.ref, source.repository)
    if commit != source.ref:
        listen(Ended(f"{source.ref} is {commit[:12]}"))
    return commit, tags


def opened(root: Path, source: GitSource, log: Path, deadline: Deadline) -> ForeignGit | None:
    """Return read-only git on a local repository; None for a URL.

    Paths are relative to `root`. Raises InputError if it is not a repository.
    """
    if source.is_url:
        return None
    return opened_path((root / Path(source.repository).expanduser()).resolve(), log, deadline)


def opened_path(path: Path, log: Path, deadline: Deadline) -> ForeignGit:
    """Return read-only git on a local repository. Raises InputError if it is not one."""
    git = ForeignGit(path, log=log, deadline=deadline)
    usable = path.is_dir() and "\n" not in str(path)
    if not usable or git("rev-parse", "--git-dir", ok=None).exit_code != 0:
        raise InputError(
            "is not a git repository", where=str(path), expected="a path or URL of one"
        )
    return git


def tags_of(git: Git, source: GitSource) -> dict[str, str]:
    """Return the commits of a source's tags, by name.

    `git` is the source itself, or any repository if the source is a URL. Raises MachineError.
    """
    return _remote_tags(git, source) if source.is_url else _local_tags(git)


def _borrowed(ours: Git, users: ForeignGit, source: GitSource) -> tuple[str, dict[str, str]]:
    tags = _local_tags(users)
    commit = users.commit(source.ref)
    if commit is None:
        raise no_ref(source, tags)
    complete(ours, users, commit, source.ref)
    _borrow(ours.folder, str(users.path("objects")))
    return commit, tags


def complete(ours: Git, users: ForeignGit, commit: str, called: str) -> None:
    """Fetch the objects of a commit that a partial clone lacks into the cache.

    The caller holds the lock `trees`. Raises InputError if objects are missing and no remote
    promises them, MachineError if the remote does not send them.
    """
    listing = ("rev-list", "--objects", "--missing=print", "--no-walk", commit)
    listed = users(*listing, env=with_objects_of(ours), ok=(0, _FATAL))
    if listed.exit_code == _FATAL:
        raise _unreadable(called, str(users.folder))
    missing = [line[1:] for line in lines(listed.stdout) if line.startswith("?")]
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
            _fetch_objects(ours, url, missing)
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


def borrow(ours: Git, users: ForeignGit, commits: Sequence[str]) -> None:
    """Make commits of a local repository readable in the cache, with their history.

    The caller holds the lock `trees`. Raises as `complete` does.
    """
    if is_partial(users):
        for commit in commits:
            complete(ours, users, commit, commit[:12])
    _borrow(ours.folder, str(users.path("objects")))


def is_partial(users: ForeignGit) -> bool:
    """Return whether a repository is a partial clone, which lacks objects."""
    return bool(_promisors(users))


def with_objects_of(ours: Git) -> dict[str, str]:
    """Return an environment in which git also reads the objects of the cache repository."""
    # Quoted as git expects: a path may have a colon.
    quoted = json.dumps(str(ours.folder / "objects"), ensure_ascii=False)
    return {"GIT_ALTERNATE_OBJECT_DIRECTORIES": quoted}


def _promisors(users: ForeignGit) -> dict[str, str]:
    """Return the URLs of a partial clone's promisor remotes, by name."""
    keys = users("config", "--name-only", "--get-regexp", r"^remote\..*\.promisor$", ok=None).stdout
    names = [key.removeprefix("remote.").removesuffix(".promisor") for key in lines(keys)]
    urls = {name: users("remote", "get-url", name, ok=None).stdout.strip() for name in names}
    return {name: url for name, url in urls.items() if url}


def _fetch_objects(ours: Git, url: str, names: list[str]) -> None:
    """Fetch objects into the cache by their ids. Raises ToolFailed."""
    file = ours.log.with_suffix(".missing")
    file.write_text("".join(f"{name}\n" for name in names))
    fetch = ("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--stdin", "--", url)
    try:
        _users(ours)(*fetch, stdin=file, env=_OBJECTS_ONLY)
    finally:
        file.unlink()


def _local_tags(users: Git) -> dict[str, str]:
    form = "%(objectname) %(refname:lstrip=2) %(*objectname)"
    listed = users("for-each-ref", f"--format={form}", "refs/tags").stdout
    rows = (line.split(" ") for line in lines(listed))
    return {name: peeled or oid for oid, name, peeled in rows}


def _remote_tags(ours: Git, source: GitSource) -> dict[str, str]:
    deadline = Deadline(min(ANSWER_S, ours.deadline.remaining))
    git = UsersGit(ours.folder, log=ours.log, deadline=deadline, git_dir=ours.folder)
    try:
        listed = git("ls-remote", "--tags", "--", source.repository).stdout
    except TimedOut as error:
        raise _no_answer(source, f"does not answer within {deadline.seconds:.0f} s") from error
    except ToolFailed as error:
        raise _no_answer(source, "cannot be fetched", error.detail) from error
    rows = (line.split("\t") for line in lines(listed))
    # The line of a tag object is followed by one for its commit, marked ^{}.
    return {name.removeprefix("refs/tags/").removesuffix("^{}"): oid for oid, name in rows}


def _no_answer(source: GitSource, what: str, detail: str | None = None) -> NoAnswer:
    # "fatal: unable to access 'https://…': Could not resolve host: git.example.org"
    said = (line for line in lines(detail or "") if line.startswith(("fatal: ", "error: RPC")))
    reason = next(said, "").partition(": ")[2].rpartition("': ")[2]
    return NoAnswer(
        f"{what}: {reason}" if reason else what,
        where=source.repository,
        hint="check the URL and the network, or give the path of a clone",
        detail=None if reason else detail,
    )


def _fetched(ours: Git, source: GitSource) -> tuple[str, dict[str, str]]:
    """Fetch one commit, without its history."""
    tags = _remote_tags(ours, source)
    git = _users(ours)
    fetch = ("fetch", "--quiet", "--depth=1", "--no-tags", "--", source.repository, source.ref)
    try:
        git(*fetch, env=SILENCE)
    except ToolFailed as error:
        said = error.detail or ""
        if "unadvertised object" in said:
            raise NotThere(
                f"does not serve commits that no branch or tag is at, like {source.ref[:12]}",
                where=source.repository,
                hint="name a branch or tag, or the path of a clone that has the commit",
            ) from error
        if "find remote ref" in said or "not our ref" in said:
            raise no_ref(source, tags) from error
        if any(words in said for words in _BROKEN):
            raise _no_answer(source, "cannot be fetched", said) from error
        raise
    return git.commit("FETCH_HEAD") or "", tags


def _users(ours: Git) -> UsersGit:
    return UsersGit(ours.folder, log=ours.log, deadline=ours.deadline, git_dir=ours.folder)


def _unreadable(called: str, where: str) -> InputError:
    return InputError(
        f"the objects of {called} cannot be read",
        where=where,
        expected="a whole repository with SHA-1 object ids",
    )


def no_ref(source: GitSource, tags: dict[str, str]) -> NotThere:
    """Return the error for a ref that a repository does not have, with the nearest tags."""
    near = difflib.get_close_matches(source.ref, tags, n=3, cutoff=0.4)
    return NotThere(
        f"no ref {source.ref!r}",
        where=source.repository,
        expected=f"one like {', '.join(near)}" if near else "a tag, branch or commit of it",
    )


def end_history(repository: Path, commit: str) -> None:
    """Make the commit shallow in the cache repository. The caller holds the lock `trees`."""
    file = repository / "shallow"
    _rewrite(file, [*_lines(file), commit])


def _borrow(repository: Path, *objects: str) -> None:
    """Add object folders to the cache's alternates, and remove those that are gone."""
    alternates = repository / "objects" / "info" / "alternates"
    alternates.parent.mkdir(exist_ok=True)
    there = [folder for folder in _lines(alternates) if os.access(folder, os.F_OK)]
    _rewrite(alternates, [*there, *objects])


def forget_gone(cache: Cache, ours: Git) -> None:
    """Remove repositories that are gone from the cache's alternates, and tags of their commits.

    git prints an error for each of these repositories, and stops at such a tag when it lists tags.
    Does nothing while another process holds the lock `trees`.
    """
    with cache.free("trees") as is_free:
        if is_free and cache.repository.is_dir():
            _borrow(cache.repository)
            if (cache.repository / "objects" / "info" / "alternates").exists():
                _delete_lost_tags(cache, ours)


def _delete_lost_tags(cache: Cache, ours: Git) -> None:
    """Delete the tags of applied series whose commits the cache repository cannot read."""
    form = "--format=%(objectname) %(refname)"
    tags = lines(ours("for-each-ref", form, "refs/tags/series").stdout)
    with cache.staging() as work:
        names, deletions = work / "names", work / "deletions"
        names.write_text("".join(f"{tag.partition(' ')[0]}\n" for tag in tags))
        known = lines(ours("cat-file", "--batch-check", stdin=names).stdout)
        pairs = zip(tags, known, strict=True)
        lost = [tag.partition(" ")[2] for tag, answer in pairs if answer.endswith(" missing")]
        deletions.write_text("".join(f"delete {name}\n" for name in lost))
        if lost:
            ours("update-ref", "--stdin", stdin=deletions)


def _lines(file: Path) -> list[str]:
    return lines(file.read_text()) if file.exists() else []


def _rewrite(file: Path, content: list[str]) -> None:
    """Replace a file atomically, since git may be reading it; without duplicate lines."""
    text = "".join(f"{line}\n" for line in dict.fromkeys(content))
    if not file.exists() or file.read_text() != text:
        replace_file(file, text.encode())
