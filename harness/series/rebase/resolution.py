# SPDX-License-Identifier: GPL-2.0-only
"""What somebody made of a conflict: looked at, and committed as the patch it belongs to."""

import msgspec

from harness.errors import DoesNotApply, InputError
from harness.git import patches
from harness.git.git import Git
from harness.series.rebase.outcome import How, PatchStep
from harness.series.rebase.state import Journey

#: What git writes into files; a line of equal signs may be a document's own.
_MARKERS = (b"<<<<<<< ", b">>>>>>> ")


def taken(git: Git, journey: Journey) -> PatchStep:
    """Commit what a worktree has of the patch that stopped there.

    Raises DoesNotApply where the conflict is still there, InputError where nothing is.
    """
    step = _step(journey, "by hand")
    if git.commit("HEAD") != journey.head:
        return msgspec.structs.replace(step, commit=_recommitted(git, journey))
    # Somebody may have resolved the same conflict elsewhere meanwhile.
    patches.record_resolution(git)
    _require_resolved(git, journey)
    git("add", "--update")
    patches.record_resolution(git)
    if not patches.has_changes(git):
        raise InputError(
            f"nothing is left of patch {step.number} ({step.subject})",
            where=str(git.folder),
            hint="leave it out with --skip",
        )
    commit = journey.origin.commits[step.number - 1]
    return msgspec.structs.replace(step, commit=patches.commit_as(git, commit))


def skipped(git: Git, journey: Journey) -> PatchStep:
    """Leave the patch out that stopped there."""
    patches.forget_conflict(git)
    git.clean_to(journey.head)
    return _step(journey, "dropped")


def _step(journey: Journey, how: How) -> PatchStep:
    conflict = journey.conflict
    assert conflict is not None  # noqa: S101 (only then is there anything to resolve)
    return PatchStep(conflict.number, conflict.subject, how, detail=conflict.note)


def _recommitted(git: Git, journey: Journey) -> str:
    """Take a commit that somebody made themselves, with our committer, so that it is ours again."""
    if git.commit("HEAD^") != journey.head or git("diff", "HEAD", "--quiet", ok=None).exit_code:
        raise InputError(
            "holds other commits than the one that resolves the conflict",
            where=str(git.folder),
            expected=f"one commit on top of {journey.head[:12]}, or none",
        )
    git("commit", "--quiet", "--no-verify", "--amend", "--cleanup=verbatim", "-C", "HEAD")
    made = git.commit("HEAD")
    assert made is not None  # noqa: S101 (git committed)
    return made


def _require_resolved(git: Git, journey: Journey) -> None:
    assert journey.conflict is not None  # noqa: S101 (only then is there anything to resolve)
    files = {place.file for place in journey.conflict.places} | set(patches.unmerged(git))
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
