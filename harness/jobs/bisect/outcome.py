# SPDX-License-Identifier: GPL-2.0-only
"""The result of a bisection: the commits that were judged, and the first bad one."""

import msgspec

from harness.git.bisect import Word


class Judged(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A commit that was judged: good, bad or skipped, and why, in one line."""

    commit: str
    subject: str
    word: Word
    detail: str


class FoundCommit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A commit with its author, date (YYYY-MM-DD) and changed files."""

    commit: str
    subject: str
    author: str
    date: str
    files: tuple[str, ...]


class Bisected(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A bisection's result: `first_bad`, or the commits that it may be because some were skipped.

    `between` is the number of commits from good to bad; `log` is for `git bisect replay`.
    """

    good: str
    bad: str
    question: str
    between: int
    judged: tuple[Judged, ...]
    first_bad: FoundCommit | None = None
    may_be: tuple[FoundCommit, ...] = ()
    log: str = ""
