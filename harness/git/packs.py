# SPDX-License-Identifier: GPL-2.0-only
"""Moves commits between machines as git packs.

git checks every object against its id on the way in, so the received commit is the one sent.
"""

from pathlib import Path

from harness.errors import MachineError
from harness.git.git import Git

#: A search for better deltas takes minutes and saves a tenth of the size.
_PACKING = ("--quiet", "--window=0", "--delta-base-offset")


def make(git: Git, commit: str, base: str | None, folder: Path) -> Path:
    """Write a pack of one commit without history into `folder` and return its path.

    With `base`, the pack has the commits since then. Raises ToolFailed.
    """
    since = ("--no-walk", commit) if base is None else (f"^{base}", commit)
    names = folder / "objects"
    names.write_bytes(git("rev-list", "--objects", *since).output)
    packed = git("pack-objects", *_PACKING, str(folder / "pack"), stdin=names)
    return folder / f"pack-{packed.stdout.strip()}.pack"


def take(git: Git, pack: Path, commit: str) -> None:
    """Add a pack to a repository, with a ref on `commit`. Raises ToolFailed, MachineError."""
    git("index-pack", "--stdin", stdin=pack)
    if git.commit(commit) != commit:
        raise MachineError(f"holds no commit {commit[:12]}", where=str(pack))
    git("update-ref", f"refs/received/{commit}", commit)
