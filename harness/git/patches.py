# SPDX-License-Identifier: GPL-2.0-only
"""git's ways to move a commit elsewhere, and to say what became of a series on its way.

All work on the index and files of a worktree and leave committing to `commit_as`, which keeps the
author and message: equal content on an equal parent is the same commit again.
"""

from pathlib import Path
from typing import Literal

from harness.errors import ToolFailed
from harness.git.git import Git, failures

Picked = Literal["merged", "recorded", "empty", "conflict"]

#: Conflicts show their base; what a person made of one is kept, and used again when it comes back.
_MERGING = {
    "GIT_CONFIG_COUNT": "3",
    "GIT_CONFIG_KEY_0": "rerere.enabled",
    "GIT_CONFIG_VALUE_0": "true",
    "GIT_CONFIG_KEY_1": "rerere.autoUpdate",
    "GIT_CONFIG_VALUE_1": "true",
    "GIT_CONFIG_KEY_2": "merge.conflictStyle",
    "GIT_CONFIG_VALUE_2": "diff3",
}
#: More alike than that, and two patches are versions of one (git's own default is 60).
CREATION_FACTOR = 75


def diff_of(git: Git, commit: str, into: Path) -> Path:
    """Write a commit's own diff to a file, byte for byte."""
    git("diff-tree", "--patch", "--binary", "--full-index", f"--output={into}", commit)
    return into


def apply(git: Git, diff: Path) -> list[str]:
    """Apply a diff to index and files: exact context, at any line. Return where it fails.

    What fails is `file:line`, or git's own words; then nothing was changed.
    """
    done = git("apply", "--index", "--whitespace=nowarn", str(diff), ok=None)
    return [] if done.exit_code == 0 else failures(done)


def is_applied(git: Git, diff: Path) -> bool:
    """Whether the worktree has all that a diff makes: it applies in reverse."""
    arguments = ("apply", "--check", "--reverse", "--index", "--whitespace=nowarn", str(diff))
    return git(*arguments, ok=None).exit_code == 0


def apply_rejecting(git: Git, diff: Path) -> list[str]:
    """Apply the hunks of a diff that fit to index and files. Return where the others fail."""
    return failures(git("apply", "--index", "--whitespace=nowarn", "--reject", str(diff), ok=None))


def pick(git: Git, commit: str) -> Picked:
    """Merge a commit's change into index and files, three-way, and say what came of it.

    `recorded` were conflicts that somebody resolved before; a `conflict` is left as it is; `empty`
    means that all of it is there already. Raises ToolFailed where git cannot even try.
    """
    done = git("cherry-pick", "--no-commit", commit, env=_MERGING, ok=(0, 1))
    resolved = "using previous resolution" in done.stderr
    if unmerged(git):
        return "conflict"
    if done.exit_code != 0 and not resolved:
        # Files in the way, say. That nothing changed must not pass for nothing to change.
        raise ToolFailed(
            f"git cherry-pick of {commit[:12]} failed",
            hint=f"the whole log is in {git.log}",
            detail=done.stdout + done.stderr,
        )
    if not has_changes(git):
        return "empty"
    return "recorded" if done.exit_code else "merged"


def record_resolution(git: Git) -> None:
    """Keep what was made of the conflicts, for when they come back."""
    git("rerere", env=_MERGING)


def forget_conflict(git: Git) -> None:
    """Give up a conflict in this worktree; another may still be waiting for its resolution."""
    done = git("rev-parse", "--path-format=absolute", "--git-path", "MERGE_RR")
    Path(done.stdout.strip()).unlink(missing_ok=True)


def unmerged(git: Git) -> list[str]:
    """Return the paths that are still in conflict."""
    done = git("diff", "--name-only", "-z", "--diff-filter=U")
    return sorted(filter(None, done.stdout.split("\0")))


def has_changes(git: Git) -> bool:
    """Whether the index differs from HEAD."""
    return git("diff", "--cached", "--quiet", ok=(0, 1)).exit_code == 1


def commit_as(git: Git, commit: str) -> str:
    """Commit the index with another commit's author, date and message; return the new commit."""
    arguments = ("--quiet", "--no-verify", "--cleanup=verbatim", "--allow-empty-message")
    git("commit", *arguments, "-C", commit)
    made = git.commit("HEAD")
    assert made is not None  # noqa: S101 (git committed)
    return made


def range_diff(git: Git, old: tuple[str, str], new: tuple[str, str]) -> str:
    """Return git's comparison of two series, each given as (base, tip)."""
    ranges = (f"{base}..{tip}" for base, tip in (old, new))
    arguments = ("--no-color", "--no-notes", f"--creation-factor={CREATION_FACTOR}")
    return git("range-diff", *arguments, *ranges).stdout


def format_patches(git: Git, base: str, tip: str, into: Path) -> list[Path]:
    """Write a series as the files of git format-patch, equal on every machine, in order."""
    arguments = ("--quiet", "--zero-commit", "--no-signature", "--numbered", "--abbrev=12")
    plain = ("--no-renames", "--no-thread", "--no-base", "--no-notes", "--no-encode-email-headers")
    git("format-patch", *arguments, *plain, f"--output-directory={into}", f"{base}..{tip}")
    return sorted(into.glob("*.patch"))
