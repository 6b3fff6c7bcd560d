# SPDX-License-Identifier: GPL-2.0-only
"""Fetches kernel trees into the cache repository, and checks them out in worktrees."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from harness.errors import InputError
from harness.events import Advanced, Began, Ended, Listener, Note, silent
from harness.git.git import Git
from harness.git.repository import CachedTree, CachedTrees
from harness.git.snapshot import snapshot
from harness.git.worktree import Worktree
from harness.host.cache import Cache
from harness.host.digest import value_digest
from harness.host.process import Deadline
from harness.project.kernel import Tree
from harness.project.project import Project
from harness.project.tree_source import DebianSource, GitSource, Tarball, TreeSource
from harness.trees import debian_source, git_source, release_of_tree, tarball
from harness.trees.names import TAG_MARK, is_entry, source_of, worktree_name

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

    `NAME@TAG` is a tag of an entry's source; a release's tag that is not cached (v7.2.12) is looked
    for among Debian's packages. `refresh` asks the provider for a newer one. Raises InputError,
    MachineError.
    """
    name = name.removeprefix("tree/")
    trees = CachedTrees(cache, log=cache.log("tree"), deadline=Deadline(FETCH_S))
    git_source.forget_gone(cache)
    source = source_of(project, name)
    released = _released(project, trees, name, source)
    if released is not None:
        return released
    if source is None:
        raise _no_tree(project, trees, name)
    cached = _cached(trees, name, source)
    if cached is not None and not refresh:
        return cached
    with cache.locked("trees"):
        # Another process may have fetched it before we got the lock.
        cached = _cached(trees, name, source)
        if cached is not None and not refresh:
            return cached
        try:
            return _fetch(project, cache, trees, name, source, listen)
        except InputError as error:
            if is_entry(project, worktree_name(name)):
                raise
            raise _no_tree(project, trees, name, str(error)) from error


def fetched(project: Project, cache: Cache, name: str) -> Tree | None:
    """Return a tree as fetch() would, or None if it is not cached."""
    trees = CachedTrees(cache, log=cache.log("tree-cached"), deadline=Deadline(60))
    source = source_of(project, name)
    released = _released(project, trees, name, source)
    if released is not None or source is None:
        return released
    return _cached(trees, name, source)


def all_fetched(cache: Cache) -> tuple[Tree, ...]:
    """Return every cached tree, also those that configs/trees.yaml no longer names."""
    trees = CachedTrees(cache, log=cache.log("tree-cached"), deadline=Deadline(60))
    return tuple(found.tree for found in trees.all().values())


def _released(
    project: Project, trees: CachedTrees, name: str, source: TreeSource | None
) -> Tree | None:
    """Return a cached release by its tag, under any name that it was fetched by."""
    if is_entry(project, name):
        return None
    tag = name.partition(TAG_MARK)[2]
    if not tag:
        return trees.released(name)
    found = trees.released(tag) if isinstance(source, DebianSource) else None
    if found is None or not found.source.startswith("debian-source "):
        return None
    # Debian has one source per release; this saves a download of 164 MB.
    return msgspec.structs.replace(found, name=name)


def _no_tree(project: Project, trees: CachedTrees, name: str, why: str = "") -> InputError:
    known = dict.fromkeys([*project.trees(), *trees.releases()])
    return InputError(
        f"no tree {name!r}" + (f" ({why})" if why else ""),
        where=str(project.configs / "trees.yaml"),
        expected=f"one of {', '.join(known)}, or the tag of a release that Debian has",
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
def checked_out(cache: Cache, tree: Tree | str, commit: str) -> Iterator[Path]:
    """Check out `commit` in a tree's private worktree, locked until the block ends.

    Only files that differ are written, so that O= folders built from it stay valid.
    """
    name = worktree_name(tree if isinstance(tree, str) else tree.name)
    folder = cache.worktrees / name
    with cache.locked(f"worktree-{name}"):
        log, deadline = cache.log(f"worktree-{name}"), Deadline(CHECKOUT_S)
        git = Git(cache.repository, log=log, deadline=deadline, git_dir=cache.repository)
        Worktree(git, folder).bring_to(commit)
        yield folder


def _cached(trees: CachedTrees, name: str, source: TreeSource) -> Tree | None:
    found = trees.get(f"tree/{name}")
    return found.tree if found is not None and found.entry == value_digest(source) else None


def _fetch(
    project: Project,
    cache: Cache,
    trees: CachedTrees,
    name: str,
    source: TreeSource,
    listen: Listener,
) -> Tree:
    trees.create()
    root, log, deadline = project.root, trees.git.log, trees.git.deadline
    with cache.staging() as work:
        tags: dict[str, str] = {}
        match source:
            case GitSource():
                commit, tags = git_source.commit_of(trees.git, root, source, listen)
                release = _release_of_commit(trees, commit, source)
                label = f"git {source.ref}"
            case DebianSource():
                folder, label = debian_source.unpack(cache, source, work, listen, log, deadline)
                release = _release_of_folder(folder, label)
                commit = _commit(cache, trees, name, folder, release, label, listen)
            case Tarball():
                folder, label = tarball.unpack(cache, root, source, work, listen, log, deadline)
                release = _release_of_folder(folder, source.location)
                commit = _commit(cache, trees, name, folder, release, label, listen)
    tree = Tree(name=name, commit=commit, release=release, source=label)
    # A branch with the Makefile of v7.3-rc3 is not v7.3-rc3 if the repository has that tag.
    is_release = tags.get(f"v{release}", commit) == commit
    elsewhere = trees.put(CachedTree(tree, value_digest(source)), with_release=is_release)
    if elsewhere is not None:
        listen(Note(f"tag v{release} stays at {elsewhere[:12]}; tree/{name} is {commit[:12]}"))
    listen(Ended(f"tree {name} is {release} ({label}), {commit[:12]}"))
    return tree


def _commit(
    cache: Cache,
    trees: CachedTrees,
    name: str,
    folder: Path,
    release: str,
    label: str,
    listen: Listener,
) -> str:
    """Commit an unpacked source; the folder becomes the tree's worktree if it has none."""
    listen(Began(f"commit {release}"))
    index = folder.parent / f"{folder.name}.index"
    commit = snapshot(
        trees.git,
        folder,
        index,
        f"Linux {release}\n\n{label}",
        lambda done, total: listen(Advanced(done, total)),
    )
    place = cache.worktrees / worktree_name(name)
    with cache.locked(f"worktree-{place.name}"):
        if not place.exists():
            Worktree(trees.git, place).adopt(folder, index, commit)
    return commit


def _release_of_folder(folder: Path, where: str) -> str:
    try:
        text = (folder / "Makefile").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    return _kernel_release(text, where, has_kconfig=(folder / "Kconfig").is_file())


def _release_of_commit(trees: CachedTrees, commit: str, source: GitSource) -> str:
    done = trees.git("show", f"{commit}:Makefile", ok=None)
    has_kconfig = trees.git("cat-file", "-e", f"{commit}:Kconfig", ok=None).exit_code == 0
    return _kernel_release(done.stdout, f"{source.repository} {source.ref}", has_kconfig)


def _kernel_release(text: str, where: str, has_kconfig: bool) -> str:  # noqa: FBT001
    release = release_of_tree.release(text) if has_kconfig else None
    if release is None:
        raise InputError(
            "is not a kernel tree",
            where=where,
            expected="a Kconfig, and a Makefile with VERSION and PATCHLEVEL, at its top",
        )
    return release
