# SPDX-License-Identifier: GPL-2.0-only
"""What happened to the new tree since the series' base: who touched a line, what was merged.

Only a git repository on this machine can tell. It is read where it lies: the cache has no history.
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from harness.errors import TimedOut, ToolFailed
from harness.git.git import Git
from harness.host.process import Deadline
from harness.project.kernel import Tree
from harness.project.project import Project
from harness.project.tree_source import GitSource
from harness.series.base import SeriesCommits
from harness.trees import git_source
from harness.trees.names import worktree_name

#: A log over lines follows them through the whole range.
SEARCH_S = 120
SHOWN = 5
_FORM = "%h %s"
#: A repository's own configuration can name programs that make files readable.
_LOG = ("log", "--no-merges", "--no-textconv", "--no-ext-diff")
#: The files' names are strangers', and no patterns.
_PATHS = {"GIT_LITERAL_PATHSPECS": "1"}


class Merged(msgspec.Struct, frozen=True):
    """What the range has of some files: commits by patch-id and by subject, as `hash subject`."""

    by_patch_id: dict[str, str]
    by_subject: dict[str, str]


NOTHING = Merged({}, {})


class History:
    """The commits that the new tree has and the series' base has not.

    `lacking` says why there are none to be had, `between` then which releases they lie between.
    """

    def __init__(
        self, git: Git | None, old: str, new: str, lacking: str = "", between: str = ""
    ) -> None:
        self._git = git
        self._range = f"{old}..{new}"
        self._new = new
        self.lacking = lacking
        self.between = between

    def touched(self, file: str, first: int, last: int) -> tuple[str, ...]:
        """Return the commits that changed these lines of the new tree, newest first.

        Line 0 stands for the whole file; one that the new tree has not got was taken away by them.
        Raises ToolFailed, TimedOut.
        """
        if self._git is None:
            return ()
        self._git.deadline = Deadline(SEARCH_S)
        there = self._git("cat-file", "-e", f"{self._new}:{file}", ok=None).exit_code == 0
        what = ("-s", "-L", f"{first},{last}:{file}") if there and first else ()
        paths = () if what else ("--", file)
        only = () if there else ("--diff-filter=D",)
        arguments = (*_LOG, f"--format={_FORM}", *only, *what)
        done = self._git(*arguments, self._range, *paths, env=_PATHS)
        return tuple(_lines(done.stdout)[:SHOWN])

    def merged(self, files: Sequence[str]) -> Merged:
        """Return what the range has of these files. Raises ToolFailed, TimedOut."""
        if self._git is None or not files:
            return NOTHING
        self._git.deadline = Deadline(SEARCH_S)
        log = self._git.log
        diffs = log.with_suffix(".diffs")
        form = "--format=commit %H%n%n    %s%n"
        arguments = (*_LOG, "--patch", form, f"--output={diffs}", self._range)
        try:
            self._git(*arguments, "--", *files, env=_PATHS)
            ids = self._git("patch-id", "--stable", stdin=diffs).stdout
        finally:
            diffs.unlink(missing_ok=True)
        form = f"--format=%H {_FORM}"
        listed = self._git(*_LOG, form, self._range, "--", *files, env=_PATHS)
        told = dict(line.split(" ", 1) for line in _lines(listed.stdout))
        pairs = (line.split(" ") for line in _lines(ids))
        return Merged(
            {patch_id: told[commit] for patch_id, commit in pairs if commit in told},
            {words.partition(" ")[2]: words for words in told.values()},
        )


def _lines(text: str) -> list[str]:
    """Return the lines that git printed: a subject may hold what others take for a line's end."""
    return [line for line in text.split("\n") if line]


def history(project: Project, new: Tree, origin: SeriesCommits, log: Path) -> History:
    """Return the history of a tree since a series' base, or why there is none."""
    source = project.trees().get(worktree_name(new.name))
    between = f"{origin.release or origin.named or 'its base'} and {new.release}"

    def none(why: str) -> History:
        return History(None, "", new.commit, why, between)

    if not isinstance(source, GitSource):
        return none(f"a tree from {new.source.partition(' ')[0]} has no history")
    git = git_source.opened(project.root, source, log, Deadline(SEARCH_S))
    if git is None:
        return none("only the one commit was fetched from its URL, without history")
    old = _base_in(git, origin)
    if old is None:
        return none(f"{source.repository} has neither the series' base nor its release's tag")
    return History(git, old, new.commit)


def _base_in(git: Git, origin: SeriesCommits) -> str | None:
    """The series' base in somebody's repository: itself, or the tag of the same release."""
    tags = [f"refs/tags/{name}" for name in (f"v{origin.release}", origin.named) if name]
    found = (git.commit(name) for name in (origin.base, *tags))
    return next((commit for commit in found if commit is not None), None)


def told(history: History, file: str, first: int, last: int) -> tuple[tuple[str, ...], str]:
    """Return who touched some lines, or why nobody can be named, with the releases between."""
    if history.lacking:
        return (), f"{history.lacking}: it changed between {history.between}"
    try:
        found = history.touched(file, first, last)
    except (ToolFailed, TimedOut) as error:
        return (), f"its history could not be searched: {error.what}"
    return found, "" if found else "no commit since the series' base changed these lines"
