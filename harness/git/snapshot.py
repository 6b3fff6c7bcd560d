# SPDX-License-Identifier: GPL-2.0-only
"""Commits a folder of sources, without parents and with the same id on every machine."""

from collections.abc import Callable
from pathlib import Path

from harness.git.git import AUTHOR, Git

#: Above this size `git add` writes objects into one pack instead of a file each, a fifth of the
#: disk writes; compression level 1 takes less time than writing uncompressed objects.
_PACKED = {
    "GIT_CONFIG_COUNT": "2",
    "GIT_CONFIG_KEY_0": "core.bigFileThreshold",
    "GIT_CONFIG_VALUE_0": "1",
    "GIT_CONFIG_KEY_1": "core.compression",
    "GIT_CONFIG_VALUE_1": "1",
}


def snapshot(
    repository: Git,
    source: Path,
    index: Path,
    message: str,
    advanced: Callable[[int, int], None],
) -> str:
    """Commit everything in `source` to a bare repository and return the commit id.

    `index` is created and fits `source` as a worktree's index. `advanced` is called with the number
    of top-level entries done and their total. Raises ToolFailed.
    """
    folder = repository.folder
    git = Git(source, log=repository.log, deadline=repository.deadline, git_dir=folder)
    env = {"GIT_INDEX_FILE": str(index), "GIT_WORK_TREE": str(source), "GIT_LITERAL_PATHSPECS": "1"}
    for left in (folder / "objects" / "pack").glob("tmp_*"):
        left.unlink()  # left by a killed run
    entries = sorted(path.name for path in source.iterdir())
    # Entry by entry: the time of one command grows with the square of its files.
    for done, name in enumerate(entries):
        advanced(done, len(entries))
        # Forced: .gitignore excludes files that are part of the source.
        git("add", "--force", "--", name, env=env | _PACKED)
    tree = git("write-tree", env=env).stdout.strip()
    return git("commit-tree", "-m", message, tree, env=env | AUTHOR).stdout.strip()
