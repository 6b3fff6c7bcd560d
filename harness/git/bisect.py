# SPDX-License-Identifier: GPL-2.0-only
"""Runs git bisect over the user's history, in a repository of our own that borrows the objects.

Nothing is checked out, and nothing is written to the user's repository. Each commit is good, bad or
skip, like the exit codes 0, 1 and 125 of `git bisect run`.
"""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from harness.errors import InputError
from harness.git.git import Git
from harness.host.processes import process

Word = Literal["good", "bad", "skip"]

_FOUND = re.compile(r"^([0-9a-f]{40}) is the first bad commit$", re.MULTILINE)
_UNDECIDED = re.compile(r"^The first bad commit could be any of:\n((?:[0-9a-f]{40}\n)+)", re.M)
_LEFT = re.compile(r"^Bisecting: (?:(\d+) revisions? left|a merge base)", re.MULTILINE)


class BisectState(msgspec.Struct, frozen=True):
    """The commit to test next, or the first bad one, or all candidates for it.

    `left` is the number of commits left to test after the next.
    """

    next: str | None = None
    left: int | None = None
    first_bad: str | None = None
    may_be: tuple[str, ...] = ()


class Bisect:
    """A bisection of the repository `theirs`; `folder` must not exist."""

    def __init__(self, folder: Path, theirs: Git, *, log: Path, deadline: process.Deadline) -> None:
        self._git = Git(folder, log=log, deadline=deadline, git_dir=folder)
        folder.mkdir()
        self._git("init", "--quiet", "--bare", "--template=", "--object-format=sha1", ".")
        info = folder / "objects" / "info"
        info.mkdir(exist_ok=True)
        (info / "alternates").write_text(f"{theirs.path('objects')}\n")
        shallow = theirs.path("shallow")
        if shallow.is_file():
            # A shallow clone: git must not look for the parents it lacks.
            shutil.copyfile(shallow, folder / "shallow")

    def start(self, good: str, bad: str, paths: Sequence[str] = ()) -> BisectState:
        """Start between two commits; `paths` limits it to the commits that touch these.

        Raises InputError if `good` is not an ancestor of `bad`.
        """
        self._git("update-ref", "--no-deref", "HEAD", bad)
        done = self._git("bisect", "start", "--no-checkout", bad, good, "--", *paths, ok=None)
        if done.exit_code != 0:
            raise InputError(
                "git cannot bisect",
                where=f"{good[:12]}..{bad[:12]}",
                expected="two commits of one history, the good one first",
                detail=done.stdout or done.stderr,
            )
        return self._state(done.stdout)

    def say(self, word: Word, commit: str) -> BisectState:
        """Mark a commit. Raises InputError if git finds that this contradicts earlier marks."""
        done = self._git("bisect", word, commit, ok=None)
        state = self._state(done.stdout)
        # git also fails if it cannot show the commit that it found, in a partial clone.
        if done.exit_code != 0 and state.first_bad is None and not state.may_be:
            raise InputError(
                f"git bisect rejects that {commit[:12]} is {word}",
                expected="a fault that the good commit's history lacks",
                detail=done.stdout or done.stderr,
            )
        return state

    def log(self) -> str:
        """Return the log, as `git bisect replay` reads it."""
        return self._git("bisect", "log").stdout

    def count(self, good: str, bad: str) -> int:
        """Return the number of commits in good..bad."""
        return int(self._git("rev-list", "--count", f"{good}..{bad}").stdout)

    def _state(self, text: str) -> BisectState:
        if found := _FOUND.search(text):
            return BisectState(first_bad=found[1])
        if undecided := _UNDECIDED.search(text):
            return BisectState(may_be=tuple(undecided[1].split()))
        left = _LEFT.search(text)
        return BisectState(
            next=self._git.commit("BISECT_HEAD"),
            left=int(left[1]) if left and left[1] else None,
        )
