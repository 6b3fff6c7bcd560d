# SPDX-License-Identifier: GPL-2.0-only
"""Puts one patch on a worktree: plainly, else by a three-way merge, else by a recorded resolution.

Records how each patch applied. If no strategy works, the conflict stays in the worktree.
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from harness.errors import TimedOut, ToolFailed
from harness.git import conflict, patches
from harness.git.diff import Hunk, parse_diff
from harness.git.git import Git
from harness.series.bases.base import SeriesCommits
from harness.series.rebase.history import History, Upstream
from harness.series.rebase.outcome import ConflictPlace, PatchStep

#: Longer regions are cut.
MAX_LINES = 40


class Stopped(Exception):
    """The patch conflicts at `places`; the worktree holds the partial result."""

    def __init__(self, places: tuple[ConflictPlace, ...], note: str) -> None:
        super().__init__(note)
        self.places = places
        self.note = note


class Picker:
    """Picks the patches of one series for one tree; `new` is the tree's commit without them.

    `work` is an empty folder for diffs.
    """

    def __init__(
        self, git: Git, origin: SeriesCommits, new: str, history: History, work: Path
    ) -> None:
        self._git = git
        self._origin = origin
        self._new = new
        self._history = history
        self._work = work
        self._upstream, self.note = self._search()

    def _search(self) -> tuple[Upstream, str]:
        """Return the commits upstream that touch the series' files, or a note why none is known."""
        both = (self._origin.base, self._origin.tip)
        files = self._git("diff", "--name-only", "-z", *both).stdout.split("\0")
        try:
            return self._history.upstream([file for file in files if file]), ""
        except (ToolFailed, TimedOut) as error:
            return Upstream(), f"the tree's history could not be searched: {error.what}"

    def pick(self, number: int, subject: str, commit: str) -> PatchStep:
        """Put a patch on top of HEAD and commit it. Raises Stopped, ToolFailed."""
        git = self._git
        diff = patches.diff_of(git, commit, self._work / f"{number}.diff")
        same_id = self._upstream.by_patch_id.get(patches.patch_ids(git, [commit], self._work)[0])
        same_subject = self._upstream.by_subject.get(subject)
        if same_id and patches.is_applied(git, diff):
            return PatchStep(number, subject, "upstream", detail=f"as {same_id} (same patch-id)")
        failed = patches.apply(git, diff)
        if not failed:
            return PatchStep(number, subject, "plain", patches.commit_as(git, commit))
        if patches.is_applied(git, diff):
            by = same_id or same_subject
            detail = f"as {by} (same subject)" if by else "the tree already has the change"
            return PatchStep(number, subject, "upstream", detail=detail)
        why = f"does not apply at {', '.join(failed)}"
        if same_id:
            why += f"; the tree has it as {same_id} (same patch-id), changed since"
        elif same_subject:
            why += f"; {same_subject} has the same subject but other content"
        if not self._origin.has_base:
            raise Stopped(self._rejected(diff), f"{why}; no merge is possible: {self._origin.note}")
        return self._merge(PatchStep(number, subject, "three-way", detail=why), commit, diff)

    def _merge(self, step: PatchStep, commit: str, diff: Path) -> PatchStep:
        match patches.pick(self._git, commit):
            case "conflict":
                raise Stopped(self._unmerged(diff), f"{step.detail}; the three-way merge conflicts")
            case "empty":
                detail = f"the merge leaves no change ({step.detail})"
                return msgspec.structs.replace(step, how="upstream", detail=detail)
            case "recorded":
                detail = f"{step.detail}; the conflict was resolved before"
                step = msgspec.structs.replace(step, how="recorded", detail=detail)
            case "merged":
                pass
        return msgspec.structs.replace(step, commit=patches.commit_as(self._git, commit))

    def _unmerged(self, diff: Path) -> tuple[ConflictPlace, ...]:
        """Return the places where the merge in the index conflicts."""
        hunks = _hunks(diff)
        places = []
        for file in patches.unmerged(self._git):
            path = self._git.folder / file
            # Lines are counted in the tree without the series.
            shown = self._git("show", f"{self._new}:{file}", ok=None)
            ours = shown.stdout if shown.exit_code == 0 else ""
            text = _text(path) if path.is_file() else ""
            found = _regions(text, ours)
            if not found:
                touched = self._history.touched(file, 0, 0)
                places.append(ConflictPlace(file, 0, 0, "", _state(ours, text), *touched))
            for region in found:
                hunk = conflict.hunk_of(region, file, hunks)
                header = "" if hunk is None else hunk.text.split("\n")[0]
                touched = self._history.touched(file, region.first, region.last)
                places.append(
                    ConflictPlace(file, region.first, region.last, header, _shown(region), *touched)
                )
        return tuple(places)

    def _rejected(self, diff: Path) -> tuple[ConflictPlace, ...]:
        """Apply the hunks that fit, and return the places of the others."""
        failed = set(patches.apply_rejecting(self._git, diff))
        places = [
            ConflictPlace(
                h.file,
                h.old_start,
                h.old_start + sum(not line.startswith("+") for line in h.lines) - 1,
                h.text.split("\n")[0],
                h.text,
                unknown=self._history.missing or "its lines cannot be located without its base",
            )
            for h in _hunks(diff)
            if f"{h.file}:{h.old_start}" in failed
        ]
        return tuple(places) or tuple(ConflictPlace(what, 0, 0, "", "") for what in sorted(failed))


def _hunks(diff: Path) -> Sequence[Hunk]:
    return parse_diff(_text(diff).split("\n"))


def _text(path: Path) -> str:
    """Return a file's text as git counts its lines: read_text() would end one at each \\r."""
    return path.read_bytes().decode("utf-8", "replace")


def _regions(text: str, ours: str) -> Sequence[conflict.Region]:
    try:
        return conflict.regions(text, ours)
    except ValueError:
        return ()


def _state(ours: str, text: str) -> str:
    if not ours:
        return "the tree no longer has this file"
    return "both add the file" if text else "the patch removes what the tree has changed"


def _shown(region: conflict.Region) -> str:
    """Return the region's three versions, a line each."""
    parts = (("base", region.base), ("tree", region.ours), ("patch", region.theirs))
    lines = [f"{name:5} | {line}" for name, part in parts for line in part or ("(nothing)",)]
    more = len(lines) - MAX_LINES
    return "\n".join([*lines[:MAX_LINES], *([f"{more} more lines"] if more > 0 else [])])
