# SPDX-License-Identifier: GPL-2.0-only
"""Private worktrees of the cache repository, which commits are checked out in.

Kernels are built from them with O=, so a checkout may touch only files that differ. git always gets
--git-dir: without its .git file, a worktree would lead git to a repository further up.
"""

import shutil
from pathlib import Path

from harness.errors import ToolFailed
from harness.git.git import Git

_ALL_PROCESSORS = {
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "checkout.workers",
    "GIT_CONFIG_VALUE_0": "0",
}


class Worktree:
    """The worktree `folder` of a bare repository, created at the first checkout."""

    def __init__(self, repository: Git, folder: Path) -> None:
        self._repository = repository
        self._folder = folder
        self._admin = _admin(repository.folder, folder)
        log, deadline = repository.log, repository.deadline
        self._git = Git(folder, log=log, deadline=deadline, git_dir=self._admin)

    def bring_to(self, commit: str) -> None:
        """Check out a commit, with no other files; a damaged worktree is made anew.

        Files that do not differ keep their modification time. Raises ToolFailed.
        """
        if self._is_ours():
            try:
                self._switch(commit)
            except ToolFailed:
                pass  # a new worktree repairs any damage
            else:
                return
        remove(self._repository.folder, self._folder)
        self._repository(
            "worktree", "add", "--quiet", "--detach", str(self._folder), commit, env=_ALL_PROCESSORS
        )

    def adopt(self, source: Path, index: Path, commit: str) -> None:
        """Turn a folder with exactly a commit's files, and their index, into the worktree."""
        remove(self._repository.folder, self._folder)
        self._folder.parent.mkdir(parents=True, exist_ok=True)
        arguments = ("--quiet", "--detach", "--no-checkout", str(self._folder), commit)
        self._repository("worktree", "add", *arguments)
        (self._folder / ".git").rename(source / ".git")
        self._folder.rmdir()
        index.rename(self._admin / "index")
        source.rename(self._folder)

    def _is_ours(self) -> bool:
        try:
            forth = (self._folder / ".git").read_text()
            back = (self._admin / "gitdir").read_text()
        except OSError:
            return False
        return forth == f"gitdir: {self._admin}\n" and back == f"{self._folder}/.git\n"

    def _switch(self, commit: str) -> None:
        # We hold the worktree's lock, so git's lock files are left by a killed run.
        for name in ("index.lock", "HEAD.lock"):
            (self._admin / name).unlink(missing_ok=True)
        # A killed `git am` leaves this, and the next one would refuse to start.
        shutil.rmtree(self._admin / "rebase-apply", ignore_errors=True)
        env = {"GIT_WORK_TREE": str(self._folder)}
        # Otherwise a file whose time changed but not its content would be rewritten.
        self._git("update-index", "-q", "--refresh", env=env, ok=None)
        self._git("checkout", "--quiet", "--force", "--detach", commit, env=env)
        self._git("clean", "-ffdxq", env=env)


def remove(repository: Path, folder: Path) -> None:
    """Remove a worktree of a bare repository, whole or damaged."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(_admin(repository, folder), ignore_errors=True)


def _admin(repository: Path, folder: Path) -> Path:
    """Return the folder that `git worktree add` makes in the repository."""
    return repository / "worktrees" / folder.name
