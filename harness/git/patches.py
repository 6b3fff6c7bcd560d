# SPDX-License-Identifier: GPL-2.0-only
"""Applies, merges, commits and writes patches with git.

What applies or merges works on index and files of a worktree and leaves the commit to
`commit_as`, which keeps author and message: equal content on an equal parent is an equal commit.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from harness.errors import ToolFailed
from harness.git.git import Git
from harness.host.processes.process import Finished

Picked = Literal["merged", "recorded", "empty", "conflict"]

#: Conflicts show their base; resolutions are recorded and used when the conflict comes back.
_MERGING = {
    "GIT_CONFIG_COUNT": "3",
    "GIT_CONFIG_KEY_0": "rerere.enabled",
    "GIT_CONFIG_VALUE_0": "true",
    "GIT_CONFIG_KEY_1": "rerere.autoUpdate",
    "GIT_CONFIG_VALUE_1": "true",
    "GIT_CONFIG_KEY_2": "merge.conflictStyle",
    "GIT_CONFIG_VALUE_2": "diff3",
}
#: Percentage of a patch that may change before git range-diff calls it another (default 60).
CREATION_FACTOR = 75
_FAILED = re.compile(r"error: patch failed: (.+:\d+)$", re.MULTILINE)
_ERROR = re.compile(r"error: (.+)$", re.MULTILINE)


def diff_of(git: Git, commit: str, into: Path) -> Path:
    """Write a commit's own diff to a file, byte for byte."""
    git("diff-tree", "--patch", "--binary", "--full-index", f"--output={into}", commit)
    return into


def apply(git: Git, diff: Path) -> list[str]:
    """Apply a diff to index and files, completely or not at all; return where it fails.

    A place is `file:line`, or git's error message.
    """
    return _failures(git("apply", "--index", "--whitespace=nowarn", str(diff), ok=None))


def check(git: Git, mail: Path) -> str | None:
    """Return None if a mailed patch applies, else `file:line` of the first hunk that fails."""
    return next(iter(_failures(git("apply", "--check", str(mail), ok=None))), None)


def revert(git: Git, diff: Path, env: dict[str, str]) -> list[str]:
    """Apply a diff in reverse to an index, three-way if need be; return where it fails."""
    arguments = ("apply", "--reverse", "--cached", "--whitespace=nowarn")
    places = _failures(git(*arguments, str(diff), ok=None, env=env))
    if places and git(*arguments, "--3way", str(diff), ok=None, env=env).exit_code == 0:
        return []
    return places


def patch_ids(git: Git, commits: Sequence[str], work: Path) -> list[str]:
    """Return git's stable patch-id of each commit. Writes files into `work`."""
    (work / "commits").write_text("".join(f"{commit}\n" for commit in commits))
    diffs = f"--output={work / 'diffs'}"
    git("diff-tree", "--stdin", "--patch", diffs, stdin=work / "commits")
    listed = git("patch-id", "--stable", stdin=work / "diffs").stdout
    found = {commit: patch_id for patch_id, commit in map(str.split, listed.splitlines())}
    return [found.get(commit, "") for commit in commits]


def patch_id_of(git: Git, diff: Path) -> str:
    """Return git's stable patch-id of a diff."""
    return git("patch-id", "--stable", stdin=diff).stdout.partition(" ")[0].strip()


def is_applied(git: Git, diff: Path) -> bool:
    """Return whether the worktree has the change already: whether it applies in reverse."""
    arguments = ("apply", "--check", "--reverse", "--index", "--whitespace=nowarn", str(diff))
    return git(*arguments, ok=None).exit_code == 0


def apply_rejecting(git: Git, diff: Path) -> list[str]:
    """Apply the hunks of a diff that fit; return where the others fail."""
    arguments = ("apply", "--index", "--whitespace=nowarn", "--reject", str(diff))
    return _failures(git(*arguments, ok=None))


def _failures(done: Finished) -> list[str]:
    if done.exit_code == 0:
        return []
    text = done.stderr
    return list(dict.fromkeys(_FAILED.findall(text))) or _ERROR.findall(text) or ["git apply"]


def pick(git: Git, commit: str) -> Picked:
    """Merge a commit's change into index and files, three-way, and return the result.

    `recorded`: conflicts that were resolved before; `conflict`: left in the files; `empty`: the
    worktree has the change already. Raises ToolFailed if git cannot attempt the merge.
    """
    done = git("cherry-pick", "--no-commit", commit, env=_MERGING, ok=(0, 1))
    resolved = "using previous resolution" in done.stderr
    if unmerged(git):
        return "conflict"
    if done.exit_code != 0 and not resolved:
        # For example files in the way: not to be mistaken for an empty change.
        raise ToolFailed(
            f"git cherry-pick of {commit[:12]} failed",
            hint=f"the whole log is in {git.log}",
            detail=done.stdout + done.stderr,
        )
    if not has_changes(git):
        return "empty"
    return "recorded" if done.exit_code else "merged"


def record_resolution(git: Git) -> None:
    """Record how the conflicts were resolved, and apply recorded resolutions (git rerere)."""
    git("rerere", env=_MERGING)


def forget_conflict(git: Git) -> None:
    """Forget this worktree's conflict; other worktrees' and all recorded resolutions remain."""
    git.path("MERGE_RR").unlink(missing_ok=True)


def unmerged(git: Git) -> list[str]:
    """Return the paths in conflict."""
    done = git("diff", "--name-only", "-z", "--diff-filter=U")
    return sorted(filter(None, done.stdout.split("\0")))


def has_changes(git: Git) -> bool:
    """Return whether the index differs from HEAD."""
    return git("diff", "--cached", "--quiet", ok=(0, 1)).exit_code == 1


def commit_as(git: Git, commit: str) -> str:
    """Commit the index with another commit's author, date and message; return the new commit."""
    arguments = ("--quiet", "--no-verify", "--cleanup=verbatim", "--allow-empty-message")
    git("commit", *arguments, "-C", commit)
    return git.head()


def range_diff(git: Git, old: tuple[str, str], new: tuple[str, str]) -> str:
    """Return the output of git range-diff for two series, each (base, tip)."""
    ranges = (f"{base}..{tip}" for base, tip in (old, new))
    arguments = ("--no-color", "--no-notes", f"--creation-factor={CREATION_FACTOR}")
    return git("range-diff", *arguments, *ranges).stdout


def format_patches(git: Git, base: str, tip: str, into: Path, version: int = 1) -> list[Path]:
    """Write a series with git format-patch, reproducibly; return the files in order.

    The options are those that a repository's own configuration may change.
    """
    arguments = ("--quiet", "--zero-commit", "--no-signature", "--numbered", "--abbrev=12")
    plain = ("--no-renames", "--no-thread", "--no-base", "--no-notes", "--no-encode-email-headers")
    mail = (
        "--no-attach",
        "--no-cover-letter",
        "--no-from",
        "--no-to",
        "--no-cc",
        "--no-add-header",
    )
    named = ("--subject-prefix=PATCH", "--suffix=.patch", "--start-number=1")
    diff = ("--src-prefix=a/", "--dst-prefix=b/", "--unified=3", "--inter-hunk-context=0")
    how = ("--diff-algorithm=myers", "--no-ext-diff", "--no-textconv", "--submodule=short")
    reroll = (f"--reroll-count={version}",) if version > 1 else ()
    options = (*arguments, *plain, *mail, *named, *diff, *how, *reroll)
    # A path leaves out commits that change nothing, from the numbers too.
    git("format-patch", *options, f"--output-directory={into}", f"{base}..{tip}", "--", ":/")
    return sorted(into.glob("*.patch"))
