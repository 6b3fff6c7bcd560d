# SPDX-License-Identifier: GPL-2.0-only
"""Reads what happened to the new tree since the series' base: who changed a line, what was merged.

Only a git repository on this machine can answer; the cache has no history.
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from harness.errors import TimedOut, ToolFailed
from harness.events import Listener
from harness.git.git import Git, lines
from harness.host.processes.process import Deadline
from harness.project.kernel import Tree
from harness.project.project import Project
from harness.project.tree_source import GitSource
from harness.series.bases.base import SeriesCommits
from harness.trees import clones, git_source
from harness.trees.names import source_of

#: `git log -L` follows the lines through the whole range.
SEARCH_S = 120
SHOWN = 5
_FORM = "%h %s"
#: A repository's own configuration can name programs that make files readable.
_LOG = ("log", "--no-merges", "--no-textconv", "--no-ext-diff")
#: File names come from untrusted patches.
_PATHS = {"GIT_LITERAL_PATHSPECS": "1"}


class Upstream(msgspec.Struct, frozen=True):
    """Commits of the range, as `hash subject`, by patch-id and by subject."""

    by_patch_id: dict[str, str] = {}
    by_subject: dict[str, str] = {}


class History:
    """The commits in the new tree that are not in the series' base.

    Without a repository `missing` says why, and `between` names the two releases.
    """

    def __init__(
        self, git: Git | None, old: str, new: str, missing: str = "", between: str = ""
    ) -> None:
        self._git = git
        self._range = f"{old}..{new}"
        self._new = new
        self.missing = missing
        self._between = between

    def touched(self, file: str, first: int, last: int) -> tuple[tuple[str, ...], str]:
        """Return the commits that changed these lines of the new tree, newest first.

        Line 0 means the whole file. If there are none, the second value says why.
        """
        if self.missing:
            return (), f"{self.missing}: the change came between {self._between}"
        try:
            found = self._touched(file, first, last)
        except (ToolFailed, TimedOut) as error:
            return (), f"its history could not be searched: {error.what}"
        return found, "" if found else "no commit since the series' base changed these lines"

    def _touched(self, file: str, first: int, last: int) -> tuple[str, ...]:
        if self._git is None:
            return ()
        self._git.deadline = Deadline(SEARCH_S)
        exists = self._git("cat-file", "-e", f"{self._new}:{file}", ok=None).exit_code == 0
        what = ("-s", "-L", f"{first},{last}:{file}") if exists and first else ()
        paths = () if what else ("--", file)
        only = () if exists else ("--diff-filter=D",)
        arguments = (*_LOG, f"--format={_FORM}", *only, *what)
        done = self._git(*arguments, self._range, *paths, env=_PATHS)
        return tuple(lines(done.stdout)[:SHOWN])

    def upstream(self, files: Sequence[str]) -> Upstream:
        """Return the commits that touch these files. Raises ToolFailed, TimedOut."""
        if self._git is None or not files:
            return Upstream()
        self._git.deadline = Deadline(SEARCH_S)
        diffs = self._git.log.with_suffix(".diffs")
        form = "--format=commit %H%n%n    %s%n"
        arguments = (*_LOG, "--patch", form, f"--output={diffs}", self._range)
        try:
            self._git(*arguments, "--", *files, env=_PATHS)
            ids = self._git("patch-id", "--stable", stdin=diffs).stdout
        finally:
            diffs.unlink(missing_ok=True)
        listed = self._git(*_LOG, f"--format=%H {_FORM}", self._range, "--", *files, env=_PATHS)
        named = dict(line.split(" ", 1) for line in lines(listed.stdout))
        pairs = (line.split(" ") for line in lines(ids))
        return Upstream(
            {patch_id: named[commit] for patch_id, commit in pairs if commit in named},
            {name.partition(" ")[2]: name for name in named.values()},
        )


def history(
    project: Project, onto: str, new: Tree, origin: SeriesCommits, log: Path, listen: Listener
) -> History:
    """Return the history of a tree, named `onto`, since a series' base, or why there is none."""
    source = source_of(project, onto)
    between = f"{origin.release or origin.base_name or 'its base'} and {new.release}"

    def none(why: str) -> History:
        return History(None, "", new.commit, why, between)

    if not isinstance(source, GitSource):
        return none(f"a tree from {new.source.partition(' ')[0]} has no history")
    git = git_source.opened(project.root, source, log, Deadline(SEARCH_S))
    if git is None:
        commit = GitSource(source.repository, new.commit)
        clone = clones.instead_of(project, commit, log, Deadline(SEARCH_S), listen)
        if clone is None:
            return none("only one commit was fetched from the URL, without history")
        git = git_source.opened(project.root, clone, log, Deadline(SEARCH_S))
        assert git is not None  # noqa: S101 (not a URL)
    tags = [f"refs/tags/{name}" for name in (f"v{origin.release}", origin.base_name) if name]
    found = (git.commit(name) for name in (origin.base, *tags))
    old = next((commit for commit in found if commit is not None), None)
    if old is None:
        return none(f"{source.repository} has neither the series' base nor its release's tag")
    return History(git, old, new.commit)
