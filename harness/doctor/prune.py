# SPDX-License-Identifier: GPL-2.0-only
"""Lists and prunes the cache; what is removed is made again when it is needed.

An O= folder or worktree is in use while its lock is held, anything else while any harness runs.
"""

import contextlib
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from harness.events import Ended, Listener, Note, silent
from harness.host.cache import Cache
from harness.host.units import format_bytes

#: Folders whose parts are entries, and the name of a part's lock, if it has one.
PARTS = {
    "worktrees": "worktree-{}",
    "objects": "objects-{}",
    "kernels": "",
    "replay": "",
    "roots": "",
    "mails": "",
    "cells": "",
}
#: Locks of folders that are one entry.
WHOLES = {"trees.git": "trees", "apt": "apt"}
#: Not entries: the locks themselves, and unfinished work.
INTERNAL = ("locks", "staging")


class CacheEntry(msgspec.Struct, frozen=True):
    """An entry: its kind, name, size on disk, and last use (seconds since the epoch)."""

    kind: str
    name: str
    nr_bytes: int
    used: float


class PruneRule(msgspec.Struct, frozen=True):
    """What to remove: entries unused for `older_s`, or least recently used above `limit_bytes`."""

    older_s: float | None = None
    limit_bytes: int | None = None


class Pruned(msgspec.Struct, frozen=True):
    """The removed entries, those that are in use instead, and the size of the rest."""

    gone: tuple[CacheEntry, ...]
    held: tuple[CacheEntry, ...]
    left_bytes: int


def entries(cache: Cache) -> tuple[CacheEntry, ...]:
    """Return all entries, least recently used first."""
    found = [_entry(cache, path) for path in _paths(cache.root)]
    return tuple(sorted(found, key=lambda entry: entry.used))


def prune(cache: Cache, rule: PruneRule, listen: Listener = silent) -> Pruned:
    """Remove the entries that the rule names and that are not in use."""
    gone: list[CacheEntry] = []
    held: list[CacheEntry] = []
    with cache.alone() as is_alone:
        there = entries(cache)
        left = sum(entry.nr_bytes for entry in there)
        for entry in there:
            if not _goes(entry, rule, left):
                continue
            with _unheld(cache, entry, is_alone=is_alone) as may_go:
                if not may_go:
                    held.append(entry)
                    listen(Note(f"{entry.kind} {entry.name} is in use"))
                    continue
                _remove(cache, entry)
            gone.append(entry)
            left -= entry.nr_bytes
            listen(Ended(f"{entry.kind} {entry.name}, {format_bytes(entry.nr_bytes)}"))
    return Pruned(tuple(gone), tuple(held), left)


def _goes(entry: CacheEntry, rule: PruneRule, left: int) -> bool:
    if rule.older_s is not None and time.time() - entry.used > rule.older_s:
        return True
    return rule.limit_bytes is not None and left > rule.limit_bytes


def _paths(root: Path) -> Iterator[Path]:
    if not root.is_dir():
        return
    for path in sorted(root.iterdir()):
        if path.name in PARTS and path.is_dir():
            yield from sorted(path.iterdir())
        elif path.name not in INTERNAL:
            yield path


def _entry(cache: Cache, path: Path) -> CacheEntry:
    whole = path.parent == cache.root
    kind, name = (path.name, "") if whole else (path.parent.name, path.name)
    files = [path, *path.rglob("*")] if path.is_dir() else [path]
    nr_bytes, newest = 0, 0.0
    for file in files:
        with contextlib.suppress(OSError):  # a running harness may remove it
            status = file.lstat()
            nr_bytes += status.st_blocks * 512
            newest = max(newest, status.st_mtime) if whole else newest
    used = newest
    with contextlib.suppress(OSError):
        used = max(used, path.lstat().st_mtime)
    with contextlib.suppress(OSError):
        used = max(used, (cache.root / "locks" / f"{_lock(kind, name)}.lock").stat().st_mtime)
    return CacheEntry(kind, name, nr_bytes, used)


def _lock(kind: str, name: str) -> str:
    return PARTS[kind].format(name) if kind in PARTS else WHOLES.get(kind, "")


@contextlib.contextmanager
def _unheld(cache: Cache, entry: CacheEntry, *, is_alone: bool) -> Iterator[bool]:
    """Yield whether an entry is free, and keep it so during the block."""
    lock = _lock(entry.kind, entry.name)
    if is_alone:
        yield True
    elif lock and entry.kind in PARTS:
        with cache.free(lock) as is_free:
            yield is_free
    else:
        yield False


def _remove(cache: Cache, entry: CacheEntry) -> None:
    """Move it away first, so that no half-removed entry is found."""
    path = cache.root / entry.kind / entry.name
    with cache.staging() as work:
        path.rename(work / "gone")
        if entry.kind == "worktrees":
            shutil.rmtree(cache.repository / "worktrees" / entry.name, ignore_errors=True)
