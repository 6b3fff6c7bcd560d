# SPDX-License-Identifier: GPL-2.0-only
"""Rebases on their way: what is done of one, and the worktree in which a conflict waits.

Kept in the cache, next to the worktree: one cannot be gone on with without the other.
"""

import shutil
from pathlib import Path
from urllib.parse import unquote

import msgspec

from harness.errors import InputError, MachineError
from harness.host.cache import Cache
from harness.host.files import replace_file
from harness.project.kernel import Tree
from harness.series.base import SeriesCommits
from harness.series.rebase.outcome import Conflict, PatchStep
from harness.trees.names import file_name

FOLDER = "rebase"


class Journey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A series on its way to a tree: `head` has all that `steps` tell of.

    `onto` is the tree as the user named it; `conflict` is set where it waits for somebody.
    """

    slug: str
    onto: str
    origin: SeriesCommits
    tree: Tree
    head: str
    export: bool = False
    steps: tuple[PatchStep, ...] = ()
    notes: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    conflict: Conflict | None = None

    @property
    def next(self) -> int:
        """Which patch is next, counted from 1; one more than there are when it is there."""
        return len(self.steps) + 1

    def after(self, step: PatchStep) -> "Journey":
        """Return the journey one patch further."""
        head = step.commit or self.head
        return msgspec.structs.replace(self, steps=(*self.steps, step), head=head, conflict=None)


def worktree(cache: Cache, slug: str, onto: str) -> Path:
    """Return where a conflict of this rebase waits. No tree's worktree has such a name."""
    return cache.root / FOLDER / f"{FOLDER}@{slug}@{file_name(onto)}"


def waiting(cache: Cache, slug: str, onto: str) -> Journey | None:
    """Return the rebase that waits for somebody. Raises MachineError where it cannot be read."""
    file = _file(cache, slug, onto)
    try:
        return msgspec.json.decode(file.read_bytes(), type=Journey)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise MachineError(
            f"cannot be read: {error}", where=str(file), hint="give it up with --abort"
        ) from error


def chosen(cache: Cache, slug: str, onto: tuple[str, ...]) -> str:
    """Return which rebase of a series is meant: the one named, or the only one that waits."""
    known = sorted(
        unquote(file.name.removesuffix(".json").split("@", 2)[2])
        for file in (cache.root / FOLDER).glob(f"{FOLDER}@{slug}@*.json")
    )
    named = onto or tuple(known)
    if len(named) == 1 and named[0] in known:
        return named[0]
    raise InputError(
        f"no rebase of {slug} onto {' and '.join(onto)} waits" if onto else "which rebase?",
        where="--onto",
        expected=f"one of {', '.join(known)}" if known else "one that waits (none does)",
    )


def keep(cache: Cache, journey: Journey) -> None:
    """Note where a rebase waits."""
    replace_file(_file(cache, journey.slug, journey.onto), msgspec.json.encode(journey))


def forget(cache: Cache, slug: str, onto: str) -> None:
    """Remove the note, then the worktree: half of a rebase would be none."""
    _file(cache, slug, onto).unlink(missing_ok=True)
    folder = worktree(cache, slug, onto)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(cache.repository / "worktrees" / folder.name, ignore_errors=True)


def _file(cache: Cache, slug: str, onto: str) -> Path:
    folder = worktree(cache, slug, onto)
    return folder.with_name(f"{folder.name}.json")
