# SPDX-License-Identifier: GPL-2.0-only
"""Resolves a tree's name: an entry of configs/trees.yaml, a tag of one, a release, or PATH@REV."""

import os
import re
from pathlib import Path
from urllib.parse import quote

from harness.errors import InputError
from harness.project.project import Project
from harness.project.tree_source import GitSource, TreeSource, packaged, tagged

#: Between an entry's name and one of its tags (`mine@v7.3-rc2`), and between path and revision.
TAG_MARK = "@"
#: How a path begins that is never a name.
_PATH = re.compile(r"[/~]|\.\.?(?:/|@|$)")
COMMIT = re.compile(r"[0-9a-f]{40}")
ABBREVIATED = re.compile(r"[0-9a-f]{12,40}")
#: What may not stand in the name of a tree, which becomes a tag, a folder and a lock.
_OTHER = re.compile(r"[^A-Za-z0-9_]+")


def source_of(project: Project, name: str) -> TreeSource | None:
    """Return the source of a tree; None if the name is neither an entry's nor a release's.

    `NAME@TAG` is another tag of an entry's source, `PATH@REV` a revision of a clone, `v7.2.12` a
    release that Debian may have. Raises InputError for a tag that the provider cannot have.
    """
    at_path = repository_at(name)
    if at_path is not None:
        return at_path
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


def repository_at(name: str) -> GitSource | None:
    """Return the clone and revision of `PATH@REV` (HEAD without one); None for another name.

    Both may have an @: the path is the longest that is a folder. It has a slash or is `.`.
    """
    marks = [at for at, letter in enumerate(name) if letter == TAG_MARK]
    for end in (len(name), *reversed(marks)):
        path, revision = name[:end], name[end + 1 :]
        if revision or end == len(name):
            folder = _expanded(path)
            if (_PATH.match(path) or "/" in path) and folder.is_dir():
                return _local(folder, revision or "HEAD")
    if not _PATH.match(name):
        return None
    path, _, revision = name.rpartition(TAG_MARK) if marks else (name, "", "HEAD")
    return _local(_expanded(path), revision)


def _expanded(path: str) -> Path:
    """Return a path with ~ replaced; unlike Path.expanduser(), of an unknown user it stays."""
    return Path(os.path.expanduser(path))  # noqa: PTH111


def _local(folder: Path, revision: str) -> GitSource:
    try:
        return GitSource(str(folder.absolute()), revision)
    except ValueError as error:
        raise InputError(str(error), where=f"{folder}{TAG_MARK}{revision}") from error


def called(name: str) -> str:
    """Return the name of a tree's source: that of a clone's folder, or the name itself."""
    at_path = repository_at(name)
    return name if at_path is None else folder_name(Path(at_path.repository))


def folder_name(clone: Path) -> str:
    """Return a clone's name as a part of tags and file names."""
    place = clone.resolve()
    name = place.parent.name if place.name == ".git" else place.name.removesuffix(".git")
    return _OTHER.sub("-", name).strip("-") or "repository"


def of_same_source(project: Project, name: str, tag: str) -> str | None:
    """Return the name of another tag of a tree's source; None if that is not a git repository."""
    at_path = repository_at(name)
    if at_path is not None:
        return f"{at_path.repository}{TAG_MARK}{tag}"
    entry = worktree_name(name)
    is_git = isinstance(project.trees().get(entry), GitSource)
    return f"{entry}{TAG_MARK}{tag}" if is_git else None


def is_entry(project: Project, name: str) -> bool:
    """Return whether configs/trees.yaml has an entry of that name."""
    return name in project.trees()


def short_commit(commit: str) -> str:
    """Return a commit id as far as names of trees show it."""
    return commit[:12]


def shown(name: str) -> str:
    """Return a tree's name with a whole commit id after the @ shortened."""
    entry, mark, tag = name.partition(TAG_MARK)
    return f"{entry}{mark}{short_commit(tag)}" if COMMIT.fullmatch(tag) else name


def shown_revision(revision: str) -> str:
    """Return a revision with a whole commit id shortened."""
    return short_commit(revision) if COMMIT.fullmatch(revision) else revision


def is_commit(name: str, commit: str) -> bool:
    """Return whether a tree's name ends with this commit's id, whole or shortened."""
    tag = name.partition(TAG_MARK)[2]
    return tag in (commit, short_commit(commit))


def worktree_name(name: str) -> str:
    """Return the name of a tree's worktree: all tags of an entry share the entry's."""
    return name.removeprefix("tree/").partition(TAG_MARK)[0]


def file_name(name: str) -> str:
    """Return a tree's name quoted as a file name: a tag may have slashes."""
    # git renames a worktree whose name has a ~, which quote() never quotes.
    return quote(name, safe="@+").replace("~", "%7E")
