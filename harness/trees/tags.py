# SPDX-License-Identifier: GPL-2.0-only
"""Lists the releases that the source of a tree offers."""

from harness.errors import InputError
from harness.git.repository import CachedTrees
from harness.host.cache import Cache
from harness.host.processes.process import Deadline
from harness.project.project import Project
from harness.project.release import order
from harness.project.tree_source import DebianSource, GitSource, Tarball
from harness.trees import debian_source, git_source
from harness.trees.names import repository_at

LIST_S = 300


def offered(project: Project, cache: Cache, name: str) -> list[str]:
    """Return the tags of the releases that an entry of trees.yaml, or a clone, offers now.

    Other tags (next-20260101) are left out. Raises InputError, MachineError.
    """
    where = str(project.configs / "trees.yaml")
    source = repository_at(name) or project.trees().get(name)
    trees = CachedTrees(cache, log=cache.log("tags"), deadline=Deadline(LIST_S))
    match source:
        case GitSource():
            git = git_source.opened(project.root, source, trees.git.log, trees.git.deadline)
            if git is None:
                trees.create()  # a repository to run git ls-remote in
            names = list(git_source.tags_of(git or trees.git, source))
        case DebianSource():
            names = debian_source.tags(cache, source, trees.git.log, trees.git.deadline)
        case Tarball():
            raise InputError(
                f"{name} is a tarball, which has no tags",
                where=where,
                expected="an entry with provider git or debian-source",
            )
        case None:
            entries = ", ".join(project.trees())
            raise InputError(
                f"no tree {name!r}", where=where, expected=f"one of {entries}, or a clone's path"
            )
    return [tag for tag in names if tag.startswith("v") and order(tag) is not None]
