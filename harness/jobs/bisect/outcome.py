# SPDX-License-Identifier: GPL-2.0-only
"""What a bisection found: every commit that was judged, and the one that it comes down to."""

from typing import Literal

import msgspec

Word = Literal["good", "bad", "skip"]


class Judged(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One commit: what it is, and the evidence in a line."""

    commit: str
    subject: str
    word: Word
    detail: str


class FoundCommit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A commit as its history tells of it."""

    commit: str
    subject: str
    author: str
    date: str
    files: tuple[str, ...]


class Bisected(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A bisection: `first_bad`, or the commits of which skipped ones hide which it is.

    `between` counts the commits from good to bad; `log` is what `git bisect replay` takes.
    """

    good: str
    bad: str
    question: str
    between: int
    judged: tuple[Judged, ...]
    first_bad: FoundCommit | None = None
    may_be: tuple[FoundCommit, ...] = ()
    log: str = ""
