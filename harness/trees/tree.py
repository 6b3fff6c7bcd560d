# SPDX-License-Identifier: GPL-2.0-only
"""Finds kernel trees by name, cached or fetched, and checks them out in worktrees."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from harness.errors import HarnessError, InputError, MachineError
from harness.events import Listener, Note, silent
from harness.git.git import Git
from harness.git.repository import CachedTrees
from harness.git.worktree import Worktree
from harness.host.cache import Cache
from harness.host.digest import value_digest
from harness.host.processes.process import Deadline
from harness.project.kernel import Tree
from harness.project.project import Project
from harness.project.release import order
from harness.project.tree_source import DebianSource, GitSource, TreeSource
from harness.trees import clones, git_source, names, providers
from harness.trees.names import TAG_MARK, worktree_name

FETCH_S = 3600
CHECKOUT_S = 900


class TreeRow(msgspec.Struct, frozen=True):
    """A row of `harness tree list`; `state` is fetched, absent, or changed (its entry changed)."""

    name: str
    provider: str
    state: str
    release: str = ""
    commit: str = ""
    source: str = ""


def fetch(
    project: Project,
    cache: Cache,
    name: str,
    listen: Listener = silent,
    *,
    refresh: bool = False,
) -> Tree:
    """Return a tree by its name in configs/trees.yaml or by a release's tag, fetched if needed.

    `NAME@TAG` is a tag of an entry's source, `PATH@REV` a revision of a clone. A release's tag that
    is not cached (v7.2.12) is looked for in the user's clones, among Debian's packages, then at the
    URLs of configs/trees.yaml. `refresh` asks the provider for a newer one. Raises InputError,
    MachineError.
    """
    name = name.removeprefix("tree/")
    trees = CachedTrees(cache, log=cache.log("tree"), deadline=Deadline(FETCH_S))
    git_source.forget_gone(cache, trees.git)
    wanted = _wanted(project, trees, name)
    released = _released(trees, wanted)
    if released is not None:
        return released
    cached = _entry_at(project, trees, wanted) or _cached(trees, wanted)
    if cached is not None and not (refresh and wanted.source):
        return cached
    if wanted.is_release:
        return _fetch_release(project, cache, wanted, listen)
    if wanted.source is None:
        raise _no_tree(project, trees, name)
    return _fetch(project, cache, trees, wanted, listen, refresh=refresh)


def fetched(project: Project, cache: Cache, name: str) -> Tree | None:
    """Return a tree as fetch() would, or None if it is not cached."""
    trees = CachedTrees(cache, log=cache.log("tree-cached"), deadline=Deadline(60))
    wanted = _wanted(project, trees, name)
    return _released(trees, wanted) or _entry_at(project, trees, wanted) or _cached(trees, wanted)


def all_fetched(cache: Cache) -> tuple[Tree, ...]:
    """Return every cached tree, also those that configs/trees.yaml no longer names."""
    trees = CachedTrees(cache, log=cache.log("tree-cached"), deadline=Deadline(60))
    return tuple(found.tree for found in trees.all().values())


class Searched(msgspec.Struct, frozen=True):
    """A tree that some repository had, or None; `failures` are of those that did not answer."""

    tree: Tree | None
    failures: tuple[HarnessError, ...] = ()


def from_clones(
    project: Project,
    cache: Cache,
    ref: str,
    listen: Listener = silent,
    beside: str | None = None,
) -> Tree | None:
    """Return a commit or a tag as a tree, from the first known clone that has it.

    The commit's id may be shortened. `beside` names a tree whose clone, if any, is asked first.
    """
    log, deadline = cache.log("tree-clones"), Deadline(FETCH_S)
    known = clones.opened(project, log, deadline, listen, entries=True)
    first = names.repository_at(beside) if beside else None
    if first is not None:
        git = git_source.opened(project.root, first, log, deadline)
        known = [git, *known] if git is not None else known
    for git in known:
        commit = git.commit(ref) if names.ABBREVIATED.fullmatch(ref) else None
        is_there = commit is not None and commit.startswith(ref)
        if is_there or git.commit(f"refs/tags/{ref}") is not None:
            return fetch(project, cache, f"{git.folder}{TAG_MARK}{ref}", listen)
    return None


def from_urls(project: Project, cache: Cache, ref: str, listen: Listener = silent) -> Searched:
    """Return a commit or a tag as a tree, from the first URL of configs/trees.yaml that has it.

    A host that did not answer once is not asked again.
    """
    entries: dict[str, str] = {}
    for name, source in project.trees().items():
        if isinstance(source, GitSource) and source.is_url:
            entries.setdefault(source.repository, name)
    failures: list[HarnessError] = []
    silent_hosts: set[str] = set()
    for url, name in entries.items():
        host = url.split("://")[-1].split("/")[0]
        if host in silent_hosts:
            continue
        try:
            return Searched(fetch(project, cache, f"{name}{TAG_MARK}{ref}", listen), ())
        except git_source.NotThere:
            continue
        except git_source.NoAnswer as error:
            silent_hosts.add(host)
            failures.append(error)
        except HarnessError as error:
            failures.append(error)
    return Searched(None, tuple(failures))


class _Wanted(msgspec.Struct, frozen=True):
    """The tree that a name means: its name in the cache, and its source.

    `is_release`: the tag of a release, which no entry is named after. `revision` is what the user
    called the commit of a clone.
    """

    name: str
    source: TreeSource | None
    is_release: bool = False
    revision: str = ""


def _wanted(project: Project, trees: CachedTrees, name: str) -> _Wanted:
    """Return what a name means now. Raises InputError if a clone lacks the revision."""
    at_path = names.repository_at(name)
    if at_path is not None:
        found = clones.local_tree(project, at_path, trees)
        return _Wanted(found.name, found.source, revision=at_path.ref)
    is_release = name.startswith("v") and order(name) is not None
    return _Wanted(
        names.shown(name),
        names.source_of(project, name),
        is_release=is_release and not names.is_entry(project, name),
    )


def _fetch(
    project: Project,
    cache: Cache,
    trees: CachedTrees,
    wanted: _Wanted,
    listen: Listener,
    *,
    refresh: bool = False,
) -> Tree:
    """Fetch a tree unless another process did before we got the lock."""
    assert wanted.source is not None  # noqa: S101 (for mypy)
    with cache.locked("trees"):
        cached = _cached(trees, wanted)
        if cached is not None and not refresh:
            return cached
        return providers.fetch(
            project,
            cache,
            trees,
            wanted.name,
            wanted.source,
            listen,
            revision=wanted.revision,
        )


def _fetch_release(project: Project, cache: Cache, wanted: _Wanted, listen: Listener) -> Tree:
    """Fetch a release from the first that has it: a clone, Debian, a URL of configs/trees.yaml.

    Raises InputError if none has it, MachineError if one that may have it did not answer.
    """
    found = from_clones(project, cache, wanted.name, listen)
    if found is not None:
        return found
    trees = CachedTrees(cache, log=cache.log("tree"), deadline=Deadline(FETCH_S))
    failures: list[HarnessError] = []
    if wanted.source is not None:
        try:
            return _fetch(project, cache, trees, wanted, listen)
        except HarnessError as error:
            failures.append(error)
    searched = from_urls(project, cache, wanted.name, listen)
    if searched.tree is not None:
        return searched.tree
    failures += searched.failures
    cause = failures[0] if failures else None
    if all(isinstance(failure, InputError) for failure in failures):
        why = "; ".join(map(brief, failures))
        raise _no_tree(project, trees, wanted.name, why) from cause
    tried = "; ".join(f"{failure.where}: {failure.what}" for failure in failures)
    raise MachineError(
        f"{wanted.name} cannot be fetched ({tried})",
        hint="check the network, or name a clone that has it in ~/.config/memmap-harness.yaml",
    ) from cause


def brief(error: HarnessError) -> str:
    """Return an error in one line, without its hint."""
    return str(type(error)(error.what, where=error.where, expected=error.expected))


def _released(trees: CachedTrees, wanted: _Wanted) -> Tree | None:
    """Return a cached release by its tag, under any name that it was fetched by."""
    if wanted.is_release:
        return trees.released(wanted.name)
    tag = wanted.name.partition(TAG_MARK)[2]
    found = trees.released(tag) if tag and isinstance(wanted.source, DebianSource) else None
    if found is None or not found.source.startswith("debian-source "):
        return None
    # Debian has one source per release; this saves a download of 164 MB.
    return msgspec.structs.replace(found, name=wanted.name)


def _entry_at(project: Project, trees: CachedTrees, wanted: _Wanted) -> Tree | None:
    """Return the cached tree of an entry at the commit that `PATH@REV` means.

    Its worktree exists already, and so do objects compiled from it.
    """
    if not wanted.revision or not isinstance(wanted.source, GitSource):
        return None
    entries = project.trees()
    for name, found in trees.all().items():
        entry = entries.get(name)
        if found.tree.commit == wanted.source.ref and found.entry == value_digest(entry):
            return found.tree
    return None


def _no_tree(project: Project, trees: CachedTrees, name: str, why: str = "") -> InputError:
    known = dict.fromkeys([*project.trees(), *trees.releases()])
    return InputError(
        f"no tree {name!r}" + (f" ({why})" if why else ""),
        where=str(project.configs / "trees.yaml"),
        expected=f"one of {', '.join(known)}, the tag of a release, or PATH@REV of a clone",
    )


def listing(project: Project, cache: Cache) -> tuple[TreeRow, ...]:
    """Return all trees of configs/trees.yaml, then other cached ones, with their state."""
    trees = CachedTrees(cache, log=cache.log("tree-list"), deadline=Deadline(60))
    cached = trees.all()
    rows = []
    for name, source in project.trees().items():
        provider = str(type(source).__struct_config__.tag)
        found = cached.get(name)
        if found is None:
            rows.append(TreeRow(name, provider, "absent"))
            continue
        state = "fetched" if found.entry == value_digest(source) else "changed"
        tree = found.tree
        rows.append(TreeRow(name, provider, state, tree.release, tree.commit, tree.source))
    for name in sorted(cached.keys() - project.trees().keys()):
        tree = cached[name].tree
        provider = tree.source.partition(" ")[0]
        rows.append(TreeRow(name, provider, "fetched", tree.release, tree.commit, tree.source))
    return tuple(rows)


@contextlib.contextmanager
def checked_out(
    cache: Cache, tree: Tree | str, commit: str, listen: Listener = silent
) -> Iterator[Path]:
    """Check out `commit` in a tree's private worktree, locked until the block ends.

    Only files that differ are written, so that O= folders built from it stay valid.
    """
    name = worktree_name(tree if isinstance(tree, str) else tree.name)
    folder = cache.worktrees / name
    note = Note(f"waiting until another harness has built or applied patches on {name}")
    with cache.locked(f"worktree-{name}", waiting=lambda: listen(note)):
        log, deadline = cache.log(f"worktree-{name}"), Deadline(CHECKOUT_S)
        git = Git(cache.repository, log=log, deadline=deadline, git_dir=cache.repository)
        Worktree(git, folder).bring_to(commit)
        yield folder


def _cached(trees: CachedTrees, wanted: _Wanted) -> Tree | None:
    """Return a cached tree whose source is the wanted one.

    A tree that is named after its commit is the wanted one, whatever it was fetched from; so is one
    of a clone (linux@v7.3-rc2) if only the cache knows the name.
    """
    found = trees.get(f"tree/{wanted.name}")
    if found is None:
        return None
    if wanted.source is None:
        return found.tree if TAG_MARK in wanted.name else None
    is_it = names.is_commit(wanted.name, found.tree.commit)
    return found.tree if is_it or found.entry == value_digest(wanted.source) else None
