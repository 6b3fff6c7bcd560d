# SPDX-License-Identifier: GPL-2.0-only
"""git bisect over somebody's history, in a repository of our own that borrows the objects.

Nothing is checked out and nothing of theirs is written to. Who judges a commit says good, bad or
skip, as the exit codes 0, 1 and 125 of a `git bisect run` would.
"""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from harness.errors import InputError
from harness.git.git import Git
from harness.host import process

Word = Literal["good", "bad", "skip"]

_FOUND = re.compile(r"^([0-9a-f]{40}) is the first bad commit$", re.MULTILINE)
_UNDECIDED = re.compile(r"^The first bad commit could be any of:\n((?:[0-9a-f]{40}\n)+)", re.M)
_LEFT = re.compile(r"^Bisecting: (?:(\d+) revisions? left|a merge base)", re.MULTILINE)


class BisectState(msgspec.Struct, frozen=True):
    """Where it stands: the commit to judge next, or the first bad one, or all that it may be.

    `left` is how many commits are still in question after the next.
    """

    next: str | None = None
    left: int | None = None
    first_bad: str | None = None
    may_be: tuple[str, ...] = ()


class Bisect:
    """A bisection of a repository at `folder`, which must not be there yet."""

    def __init__(self, folder: Path, theirs: Git, *, log: Path, deadline: process.Deadline) -> None:
        self._git = Git(folder, log=log, deadline=deadline, git_dir=folder)
        folder.mkdir()
        self._git("init", "--quiet", "--bare", "--template=", "--object-format=sha1", ".")
        info = folder / "objects" / "info"
        info.mkdir(exist_ok=True)
        (info / "alternates").write_text(f"{_path(theirs, 'objects')}\n")
        shallow = Path(_path(theirs, "shallow"))
        if shallow.is_file():
            # Their history ends there, and git must not look for what is behind.
            shutil.copyfile(shallow, folder / "shallow")

    def start(self, good: str, bad: str, paths: Sequence[str] = ()) -> BisectState:
        """Begin between two commits; with `paths`, of what touched these alone.

        Raises InputError where no history leads from one to the other.
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
        return self._turn(done.stdout)

    def say(self, word: Word, commit: str) -> BisectState:
        """Tell what a commit is. Raises InputError where git sees that it cannot be so."""
        done = self._git("bisect", word, commit, ok=None)
        turn = self._turn(done.stdout)
        # git fails as well where it cannot show the commit that it found: a partial clone's.
        if done.exit_code != 0 and turn.first_bad is None and not turn.may_be:
            raise InputError(
                f"git cannot go on after {commit[:12]} being {word}",
                expected="a fault that was not there in the good commit's history",
                detail=done.stdout or done.stderr,
            )
        return turn

    def log(self) -> str:
        """Return what `git bisect replay` takes."""
        return self._git("bisect", "log").stdout

    def count(self, good: str, bad: str) -> int:
        """Return how many commits lie between."""
        return int(self._git("rev-list", "--count", f"{good}..{bad}").stdout)

    def _turn(self, said: str) -> BisectState:
        if found := _FOUND.search(said):
            return BisectState(first_bad=found[1])
        if undecided := _UNDECIDED.search(said):
            return BisectState(may_be=tuple(undecided[1].split()))
        left = _LEFT.search(said)
        return BisectState(
            next=self._git.commit("BISECT_HEAD"),
            left=int(left[1]) if left and left[1] else None,
        )


def _path(theirs: Git, name: str) -> str:
    return theirs("rev-parse", "--path-format=absolute", "--git-path", name).stdout.strip()
