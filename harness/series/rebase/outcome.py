# SPDX-License-Identifier: GPL-2.0-only
"""The outcome of a rebase: what each patch needed, and the conflict that stopped it. Pure."""

from typing import Literal

import msgspec

from harness.git.range_diff import Pair

#: plain: git apply; three-way: merged with the series' own base; recorded: a conflict resolved
#: before; by hand: one resolved now; upstream: the tree has it already; dropped: skipped.
How = Literal["plain", "three-way", "recorded", "by hand", "upstream", "dropped"]
#: These make no commit.
LEFT_OUT = ("upstream", "dropped")


class PatchStep(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One patch: its number, how it was placed, and the commit it became ("" for none).

    `detail` says why plain application failed, or which upstream commit it is.
    """

    number: int
    subject: str
    how: How
    commit: str = ""
    detail: str = ""


class ConflictPlace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One region in conflict: file, lines in the new tree, and the patch's hunk there.

    `touched_by` are the commits that changed these lines since the series' base, newest first;
    `unknown` says why there are none.
    """

    file: str
    first: int
    last: int
    hunk: str
    text: str
    touched_by: tuple[str, ...] = ()
    unknown: str = ""


class Conflict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A patch in conflict, and the worktree to resolve it in."""

    number: int
    total: int
    subject: str
    places: tuple[ConflictPlace, ...]
    worktree: str
    note: str = ""


class Rebased(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A series and a tree: rebased completely, stopped at a conflict, or not attempted.

    `source` names the patches, `origin` their own base. Only a complete rebase has `tip`, `mbox`,
    `label` (the name of the new patches) and `pairs`, the range-diff against the old ones.
    `failure` says why none was attempted.
    """

    slug: str
    onto: str
    source: str = ""
    origin: str = ""
    tree: str = ""
    release: str = ""
    base: str = ""
    tip: str = ""
    steps: tuple[PatchStep, ...] = ()
    notes: tuple[str, ...] = ()
    pairs: tuple[Pair, ...] = ()
    mbox: str = ""
    label: str = ""
    exported: str = ""
    conflict: Conflict | None = None
    failure: str = ""
    exit_code: int = 0

    @property
    def fallbacks(self) -> tuple[PatchStep, ...]:
        """The patches that could not be applied plainly."""
        return tuple(step for step in self.steps if step.how != "plain")
