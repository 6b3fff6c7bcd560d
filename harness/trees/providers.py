# SPDX-License-Identifier: GPL-2.0-only
"""Fetches a tree from its provider into the cache repository, as one tagged commit."""

from pathlib import Path

from harness.errors import InputError
from harness.events import Advanced, Began, Ended, Listener, Note
from harness.git.repository import CachedTree, CachedTrees
from harness.git.snapshot import snapshot
from harness.git.worktree import Worktree
from harness.host.cache import Cache
from harness.host.digest import value_digest
from harness.project.kernel import Tree
from harness.project.project import Project
from harness.project.tree_source import DebianSource, GitSource, Tarball, TreeSource
from harness.trees import clones, debian_source, git_source, names, release_of_tree, tarball


def fetch(
    project: Project,
    cache: Cache,
    trees: CachedTrees,
    name: str,
    source: TreeSource,
    listen: Listener,
    *,
    revision: str = "",
) -> Tree:
    """Fetch a tree from its source, and tag it in the cache repository.

    `revision` is what the user called the source's commit. The caller holds the lock `trees`.
    Raises InputError, MachineError.
    """
    trees.create()
    root, log, deadline = project.root, trees.git.log, trees.git.deadline
    with cache.staging() as work:
        is_release = True
        match source:
            case GitSource():
                place = clones.instead_of(project, source, log, deadline, listen) or source
                commit, tags = git_source.commit_of(trees.git, root, place, listen)
                release = _release_of_commit(trees, commit, source)
                label = f"git {names.shown_revision(revision or source.ref)}"
                # The Makefile of a branch names the release that it started from.
                is_release = tags.get(f"v{release}") == commit
            case DebianSource():
                folder, label = debian_source.unpack(cache, source, work, listen, log, deadline)
                release = _release_of_folder(folder, label)
                commit = _commit(cache, trees, name, folder, release, label, listen)
            case Tarball():
                folder, label = tarball.unpack(cache, root, source, work, listen, log, deadline)
                release = _release_of_folder(folder, source.location)
                commit = _commit(cache, trees, name, folder, release, label, listen)
    tree = Tree(name=name, commit=commit, release=release, source=label)
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
    place = cache.worktrees / names.worktree_name(name)
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
