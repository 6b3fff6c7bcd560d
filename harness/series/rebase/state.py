# SPDX-License-Identifier: GPL-2.0-only
"""The state of a rebase, stored in the cache beside the worktree that holds its conflict.

Neither is useful without the other.
"""

from pathlib import Path
from urllib.parse import unquote

import msgspec

from harness.errors import InputError, MachineError
from harness.git import worktree as worktrees
from harness.host.cache import Cache
from harness.host.files import replace_file
from harness.project.kernel import Tree
from harness.series.bases.base import SeriesCommits
from harness.series.rebase.outcome import Conflict, PatchStep, Rebased
from harness.trees.names import file_name

FOLDER = "rebase"


class RebaseState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far a rebase is: `head` is the commit that the steps so far lead to.

    `onto` is the tree as the user named it; `conflict` is set while one waits to be resolved.
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
        """Number of the next patch, from 1; the number of patches plus 1 at the end."""
        return len(self.steps) + 1

    def after(self, step: PatchStep) -> "RebaseState":
        """Return the state after one more patch."""
        head = step.commit or self.head
        return msgspec.structs.replace(self, steps=(*self.steps, step), head=head, conflict=None)

    def outcome(self) -> Rebased:
        """Return what is known of the rebase so far."""
        return Rebased(
            slug=self.slug,
            onto=self.onto,
            source=self.origin.source,
            origin=self.origin.note,
            tree=self.tree.name,
            release=self.tree.release,
            base=self.tree.commit,
            steps=self.steps,
            notes=self.notes,
        )


def worktree(cache: Cache, slug: str, onto: str) -> Path:
    """Return the worktree that holds a conflict of this rebase. No tree's has such a name."""
    return cache.root / FOLDER / f"{FOLDER}@{slug}@{file_name(onto)}"


def load(cache: Cache, slug: str, onto: str) -> RebaseState | None:
    """Return the rebase in progress, or None. Raises MachineError if it cannot be read."""
    file = _file(cache, slug, onto)
    try:
        return msgspec.json.decode(file.read_bytes(), type=RebaseState)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise MachineError(
            f"cannot be read: {error}", where=str(file), hint="give it up with --abort"
        ) from error


def choose(cache: Cache, slug: str, onto: tuple[str, ...]) -> str:
    """Return the tree of the rebase in progress that `onto` names; () means the only one."""
    known = sorted(
        unquote(file.name.removesuffix(".json").split("@", 2)[2])
        for file in (cache.root / FOLDER).glob(f"{FOLDER}@{slug}@*.json")
    )
    named = onto or tuple(known)
    if len(named) == 1 and named[0] in known:
        return named[0]
    if onto:
        what = f"no rebase of {slug} onto {' and '.join(onto)} is in progress"
    else:
        what = f"{'several rebases' if known else 'no rebase'} of {slug} in progress"
    raise InputError(what, where="--onto", expected=f"one of {', '.join(known)}" if known else None)


def save(cache: Cache, state: RebaseState) -> None:
    """Store a state."""
    replace_file(_file(cache, state.slug, state.onto), msgspec.json.encode(state))


def remove(cache: Cache, slug: str, onto: str) -> None:
    """Remove the state, then the worktree: a worktree without a state is removed next time."""
    _file(cache, slug, onto).unlink(missing_ok=True)
    worktrees.remove(cache.repository, worktree(cache, slug, onto))


def _file(cache: Cache, slug: str, onto: str) -> Path:
    folder = worktree(cache, slug, onto)
    return folder.with_name(f"{folder.name}.json")
