# SPDX-License-Identifier: GPL-2.0-only
"""A series on its way to another tree: what each patch needed, and where it stopped."""

from typing import Literal

import msgspec

from harness.git.range_diff import Pair

#: plain: git apply took it; three-way: merged with its own base; recorded: a conflict that somebody
#: resolved before; by hand: resolved now; upstream: the tree has it already; dropped: left out.
How = Literal["plain", "three-way", "recorded", "by hand", "upstream", "dropped"]
#: What made no commit.
LEFT_OUT = ("upstream", "dropped")


class PatchStep(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One patch: its number in the series, what it took, the commit it became (empty: none).

    `detail` says why plainly was not enough, or which commit upstream has it.
    """

    number: int
    subject: str
    how: How
    commit: str = ""
    detail: str = ""


class ConflictPlace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a patch met something else: a file, its lines in the new tree, the patch's hunk there.

    `touched_by` are the commits that changed these lines since the series' base, newest first;
    `unknown` says why there are none to be named.
    """

    file: str
    first: int
    last: int
    hunk: str
    text: str
    touched_by: tuple[str, ...] = ()
    unknown: str = ""


class Conflict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A patch that nothing could place, and the worktree that waits for somebody to do it."""

    number: int
    total: int
    subject: str
    places: tuple[ConflictPlace, ...]
    worktree: str
    note: str = ""


class Rebased(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A series and a tree: carried there whole, or stopped at a conflict, or not begun.

    `source` says what was carried, `origin` the base it was made for. When it is whole there are
    `tip`, `mbox`, `label` (what to call its patches) and `pairs`, the range-diff with what was
    carried. `failure` says what kept it from being tried, `exit_code` follows from all that.
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
        """The patches that plain application was not enough for."""
        return tuple(step for step in self.steps if step.how != "plain")
