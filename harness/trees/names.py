# SPDX-License-Identifier: GPL-2.0-only
"""Resolves a tree's name: an entry of configs/trees.yaml, a tag of one, or a release."""

from urllib.parse import quote

from harness.errors import InputError
from harness.project.project import Project
from harness.project.tree_source import TreeSource, packaged, tagged

#: Between an entry's name and one of its tags: `mine@v7.3-rc2`.
TAG_MARK = "@"


def source_of(project: Project, name: str) -> TreeSource | None:
    """Return the source of a tree; None if the name is neither an entry's nor a release's.

    `NAME@TAG` is another tag of an entry's source, `v7.2.12` a release that Debian may have.
    Raises InputError for a tag that the entry's provider cannot have.
    """
    entries = project.trees()
    entry, mark, tag = name.partition(TAG_MARK)
    if not mark:
        return entries.get(name) or packaged(name, entries.values())
    if entry not in entries:
        return None
    where = str(project.configs / "trees.yaml")
    try:
        source = tagged(entries[entry], tag)
    except ValueError as error:
        raise InputError(str(error), where=f"{where}: {entry}") from error
    if source is None:
        raise InputError(
            f"{entry} is a tarball, which has no tags",
            where=where,
            expected="an entry with provider git or debian-source",
        )
    return source


def is_entry(project: Project, name: str) -> bool:
    """Return whether configs/trees.yaml has an entry of that name."""
    return name in project.trees()


def worktree_name(name: str) -> str:
    """Return the name of a tree's worktree: all tags of an entry share the entry's."""
    return name.removeprefix("tree/").partition(TAG_MARK)[0]


def file_name(name: str) -> str:
    """Return a tree's name quoted as a file name: a tag may have slashes."""
    return quote(name, safe="@+~")
