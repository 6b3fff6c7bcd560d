# SPDX-License-Identifier: GPL-2.0-only
"""Commits the patch whose conflict the user resolved, or leaves it out."""

import msgspec

from harness.errors import DoesNotApply, InputError
from harness.git import patches
from harness.git.git import Git
from harness.series.rebase.outcome import Conflict, PatchStep
from harness.series.rebase.state import RebaseState

#: Not "=======": a document's heading may be underlined so.
_MARKERS = (b"<<<<<<< ", b">>>>>>> ")


def resolved(git: Git, state: RebaseState, conflict: Conflict) -> PatchStep:
    """Commit the resolved patch from the worktree.

    Raises DoesNotApply if the conflict is still there, InputError if nothing is left of the patch.
    """
    step = PatchStep(conflict.number, conflict.subject, "by hand", detail=conflict.note)
    if git.commit("HEAD") != state.head:
        return msgspec.structs.replace(step, commit=_recommitted(git, state))
    # The same conflict may have been resolved elsewhere since.
    patches.record_resolution(git)
    _require_resolved(git, conflict)
    git("add", "--update")
    patches.record_resolution(git)
    if not patches.has_changes(git):
        raise InputError(
            f"nothing is left of patch {step.number} ({step.subject})",
            where=str(git.folder),
            hint="leave it out with --skip",
        )
    commit = state.origin.commits[step.number - 1]
    return msgspec.structs.replace(step, commit=patches.commit_as(git, commit))


def skipped(git: Git, state: RebaseState, conflict: Conflict) -> PatchStep:
    """Leave the patch in conflict out."""
    patches.forget_conflict(git)
    git.clean_to(state.head)
    return PatchStep(conflict.number, conflict.subject, "dropped", detail=conflict.note)


def _recommitted(git: Git, state: RebaseState) -> str:
    """Commit the user's own commit again with our committer, so that its id is reproducible."""
    if git.commit("HEAD^") != state.head or git("diff", "HEAD", "--quiet", ok=None).exit_code:
        raise InputError(
            "holds other commits than the one that resolves the conflict",
            where=str(git.folder),
            expected=f"one commit on top of {state.head[:12]}, or none",
        )
    git("commit", "--quiet", "--no-verify", "--amend", "--cleanup=verbatim", "-C", "HEAD")
    return git.head()


def _require_resolved(git: Git, conflict: Conflict) -> None:
    files = {place.file for place in conflict.places} | set(patches.unmerged(git))
    for file in sorted(files):
        path = git.folder / file
        rejected = path.with_name(f"{path.name}.rej")
        if rejected.exists():
            raise DoesNotApply(
                "holds hunks that did not apply",
                where=str(rejected),
                hint="put them into the file and remove this one",
            )
        # Bytes: text would take a lone \r for the end of a line.
        lines = path.read_bytes().split(b"\n") if path.is_file() else []
        for number, line in enumerate(lines, 1):
            if line.startswith(_MARKERS):
                raise DoesNotApply("the conflict is still there", where=f"{path}:{number}")
