# SPDX-License-Identifier: GPL-2.0-only
"""One patch after the other onto a worktree: plainly, else merged, else as somebody resolved it.

What a patch needed is told of it. What nothing could place is left in the index and files for a
person, with everything known of the other side.
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from harness.errors import TimedOut, ToolFailed
from harness.git import conflict, patches
from harness.git.diff import Hunk, parse_diff
from harness.git.git import Git
from harness.series.base import SeriesCommits
from harness.series.rebase.history import History, Merged, told
from harness.series.rebase.outcome import ConflictPlace, PatchStep

#: What of a region is shown.
MAX_LINES = 40


class Stopped(Exception):
    """A patch met something else; `places` are where, the worktree holds what there is of it."""

    def __init__(self, places: tuple[ConflictPlace, ...], note: str) -> None:
        super().__init__(note)
        self.places = places
        self.note = note


class Carrier:
    """What is needed for each patch of one series on its way to one tree.

    `new` is the tree's own commit, without any patch of the series.
    """

    def __init__(
        self,
        git: Git,
        origin: SeriesCommits,
        new: str,
        history: History,
        merged: Merged,
        work: Path,
    ) -> None:
        self.git = git
        self._origin = origin
        self._new = new
        self._history = history
        self._merged = merged
        self._work = work

    def place(self, number: int, subject: str, commit: str) -> PatchStep:
        """Put a patch on top of HEAD and commit it. Raises Stopped, ToolFailed."""
        diff = patches.diff_of(self.git, commit, self._work / f"{number}.diff")
        as_patch_id = self._merged.by_patch_id.get(self.git.patch_id(commit))
        as_subject = self._merged.by_subject.get(subject)
        if as_patch_id and patches.is_applied(self.git, diff):
            return PatchStep(
                number, subject, "upstream", detail=f"as {as_patch_id} (same patch-id)"
            )
        failed = patches.apply(self.git, diff)
        if not failed:
            return PatchStep(number, subject, "plain", patches.commit_as(self.git, commit))
        if patches.is_applied(self.git, diff):
            by = as_patch_id or as_subject
            detail = f"as {by} (same subject)" if by else "the tree has all that it changes"
            return PatchStep(number, subject, "upstream", detail=detail)
        why = f"plainly it fails at {', '.join(failed)}"
        if as_patch_id:
            why += f"; the tree has it as {as_patch_id} (same patch-id), and changed it since"
        elif as_subject:
            why += f"; {as_subject} has its subject, but not its content"
        if not self._origin.is_whole:
            raise Stopped(
                self._unmerged_places(diff), f"{why}; no merge is possible: {self._origin.told}"
            )
        return self._merge(PatchStep(number, subject, "three-way", detail=why), commit, diff)

    def _merge(self, step: PatchStep, commit: str, diff: Path) -> PatchStep:
        match patches.pick(self.git, commit):
            case "conflict":
                raise Stopped(tuple(self._places(diff)), f"{step.detail}; a merge meets a conflict")
            case "empty":
                return msgspec.structs.replace(
                    step, how="upstream", detail=f"nothing is left of it ({step.detail})"
                )
            case "recorded":
                detail = f"{step.detail}; a conflict that somebody resolved before"
                step = msgspec.structs.replace(step, how="recorded", detail=detail)
            case "merged":
                pass
        made = patches.commit_as(self.git, commit)
        return msgspec.structs.replace(step, commit=made)

    def _places(self, diff: Path) -> list[ConflictPlace]:
        """Where the merge that the index holds did not come out."""
        hunks = _hunks(diff)
        places = []
        for file in patches.unmerged(self.git):
            path = self.git.folder / file
            # The lines are counted in the tree as it is without the series.
            shown = self.git("show", f"{self._new}:{file}", ok=None)
            ours = shown.stdout if shown.exit_code == 0 else ""
            text = _text(path) if path.is_file() else ""
            found = _regions(text, ours)
            if not found:
                touched_by, unknown = told(self._history, file, 0, 0)
                places.append(
                    ConflictPlace(file, 0, 0, "", _state(ours, text), touched_by, unknown)
                )
            for region in found:
                hunk = conflict.hunk_of(region, file, hunks)
                touched_by, unknown = told(self._history, file, region.first, region.last)
                places.append(
                    ConflictPlace(
                        file,
                        region.first,
                        region.last,
                        "" if hunk is None else hunk.text.split("\n")[0],
                        _shown(region),
                        touched_by,
                        unknown,
                    )
                )
        return places

    def _unmerged_places(self, diff: Path) -> tuple[ConflictPlace, ...]:
        """Where a plain application fails, hunk by hunk; the others are applied to the files."""
        failed = set(patches.apply_rejecting(self.git, diff))
        places = [
            ConflictPlace(
                h.file,
                h.old_start,
                h.old_start + sum(not line.startswith("+") for line in h.lines) - 1,
                h.text.split("\n")[0],
                h.text,
                unknown=self._history.lacking or "without its base, its lines cannot be found",
            )
            for h in _hunks(diff)
            if f"{h.file}:{h.old_start}" in failed
        ]
        return tuple(places) or tuple(ConflictPlace(said, 0, 0, "", "") for said in sorted(failed))


def merged_upstream(history: History, git: Git, origin: SeriesCommits) -> tuple[Merged, str]:
    """Return what the tree's history has of the series' files, or a note why nobody can tell."""
    files = git("diff", "--name-only", "-z", origin.base, origin.tip).stdout.split("\0")
    try:
        return history.merged([file for file in files if file]), ""
    except (ToolFailed, TimedOut) as error:
        return Merged({}, {}), f"the tree's history could not be searched: {error.what}"


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
        return "the tree has no such file any more"
    return "the file is new in both" if text else "the patch takes away what the tree has changed"


def _shown(region: conflict.Region) -> str:
    """The region: what its base was, then what the tree and the patch made of it."""
    parts = (("base", region.base), ("tree", region.ours), ("patch", region.theirs))
    lines = [f"{name:5} | {line}" for name, part in parts for line in part or ("(nothing)",)]
    more = len(lines) - MAX_LINES
    return "\n".join([*lines[:MAX_LINES], *([f"{more} more lines"] if more > 0 else [])])
