# SPDX-License-Identifier: GPL-2.0-only
"""Commits as files that another machine's cache repository takes in: git's own packs.

git names everything by its content and checks it on the way in, so a commit that has arrived is
the commit that was sent.
"""

from pathlib import Path

from harness.errors import MachineError
from harness.git.git import Git

#: Looking for better deltas than the repository has costs minutes, to save a tenth.
_PACKING = ("--quiet", "--window=0", "--delta-base-offset")


def make(git: Git, commit: str, base: str | None, folder: Path) -> Path:
    """Write a pack with a commit, without history, into `folder` and return its path.

    With `base`, it has the commits since then and only what they changed. Raises ToolFailed.
    """
    since = ("--no-walk", commit) if base is None else (f"^{base}", commit)
    names = folder / "objects"
    names.write_bytes(git("rev-list", "--objects", *since).output)
    packed = git("pack-objects", *_PACKING, str(folder / "pack"), stdin=names)
    return folder / f"pack-{packed.stdout.strip()}.pack"


def take(git: Git, pack: Path, commit: str) -> None:
    """Take a pack into a repository and keep `commit` there. Raises ToolFailed, MachineError."""
    git("index-pack", "--stdin", stdin=pack)
    if git.commit(commit) != commit:
        raise MachineError(f"holds no commit {commit[:12]}", where=str(pack))
    git("update-ref", f"refs/received/{commit}", commit)
