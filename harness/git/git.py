# SPDX-License-Identifier: GPL-2.0-only
"""git, steered by nobody's configuration: no hooks, no signing, no editor, pinned committer."""

import re
import tempfile
from pathlib import Path
from typing import ClassVar

from harness.host import process

#: Equal content must give equal commits on every machine.
COMMITTER = {
    "GIT_COMMITTER_NAME": "memmap-harness",
    "GIT_COMMITTER_EMAIL": "harness@memmap-harness.invalid",
    "GIT_COMMITTER_DATE": "1970-01-01T00:00:00Z",
}
#: Where nobody else is the author either.
AUTHOR = {name.replace("COMMITTER", "AUTHOR"): value for name, value in COMMITTER.items()}
_QUIET = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.autocrlf=false",
    # Their defaults lie in the user's home, whatever the configuration says.
    "core.attributesFile=/dev/null",
    "core.excludesFile=/dev/null",
    "commit.gpgSign=false",
    "log.showSignature=false",
    "gc.auto=0",
    "advice.detachedHead=false",
)
_FAILED = re.compile(r"error: patch failed: (.+:\d+)$", re.MULTILINE)
_ERROR = re.compile(r"error: (.+)$", re.MULTILINE)


def failures(done: process.Finished) -> list[str]:
    """Return where a git apply failed, as `file:line`, or git's own words for it."""
    said = done.stderr
    return list(dict.fromkeys(_FAILED.findall(said))) or _ERROR.findall(said) or ["git apply"]


def configured(key: str, *, log: Path, deadline: process.Deadline) -> str:
    """Return what the user's own configuration says; "" where it says nothing.

    The one question that their configuration is asked: who they are, for what they sign.
    """
    done = process.run(
        ["git", "config", "--get", key], log=log, deadline=deadline, ok=(0, 1), called="git config"
    )
    return done.stdout.strip()


def mailed_patch_id(file: Path, *, log: Path, deadline: process.Deadline) -> str:
    """Return the stable patch-id of the first patch in a mail; "" where there is none."""
    argv = ["git", "patch-id", "--stable"]
    done = process.run(argv, log=log, deadline=deadline, called="git patch-id", stdin=file)
    return done.stdout.partition(" ")[0].strip()


class Git:
    """git on one repository or worktree, under one deadline and with one log."""

    #: What keeps the user's own configuration out.
    environment: ClassVar[dict[str, str]] = {
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
    }

    def __init__(
        self, folder: Path, *, log: Path, deadline: process.Deadline, git_dir: Path | None = None
    ) -> None:
        """`git_dir` keeps git from looking for a repository in the folders above `folder`."""
        self.folder = folder
        self.log = log
        self.deadline = deadline
        self._git_dir = () if git_dir is None else (f"--git-dir={git_dir}",)

    def __call__(
        self,
        *arguments: str,
        ok: tuple[int, ...] | None = (0,),
        env: dict[str, str] | None = None,
        stdin: Path | None = None,
    ) -> process.Finished:
        """Run one git command. Raises ToolFailed, TimedOut."""
        argv = ["git", "-C", str(self.folder), *self._git_dir]
        for setting in _QUIET:
            argv += ["-c", setting]
        return process.run(
            [*argv, *arguments],
            log=self.log,
            deadline=self.deadline,
            env=self.environment | COMMITTER | (env or {}),
            ok=ok,
            called=f"git {arguments[0]}",
            stdin=stdin,
        )

    def commit(self, name: str) -> str | None:
        """Return the full commit id that a name stands for, or None."""
        done = self("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}", ok=None)
        return done.stdout.strip() if done.exit_code == 0 else None

    def has_commit(self, commit: str) -> bool:
        """Whether the commit is there."""
        return self.folder.exists() and self.commit(commit) is not None

    def has_tree(self, commit: str) -> bool:
        """Whether the commit and the list of its files can be read."""
        return self("cat-file", "-e", f"{commit}^{{tree}}", ok=None).exit_code == 0

    def tag(self, name: str, commit: str) -> None:
        """Set a lightweight tag, wherever it pointed before."""
        self("update-ref", f"refs/tags/{name}", commit)

    def commits_since(self, base: str) -> list[tuple[str, str]]:
        """Return (commit, subject) from `base` to HEAD, oldest first."""
        done = self("log", "--reverse", "--format=%H %s", f"{base}..HEAD")
        pairs = (line.partition(" ") for line in done.stdout.split("\n")[:-1])
        return [(commit, subject) for commit, _, subject in pairs]

    def clean_to(self, commit: str) -> None:
        """Bring a worktree to a commit, whatever was going on in it; equal files stay untouched."""
        self("am", "--abort", ok=None)
        self("checkout", "--quiet", "--force", "--detach", commit)
        self("clean", "-ffdxq")

    def patch_id(self, commit: str) -> str:
        """Return git's stable patch-id of a commit."""
        with tempfile.TemporaryDirectory(prefix="memmap-harness-") as work:
            file = Path(work) / "diff"
            self("diff-tree", "--patch", f"--output={file}", commit)
            return self("patch-id", "--stable", stdin=file).stdout.split(" ")[0]

    def check_patch(self, file: Path) -> str | None:
        """Return None if a mailed patch applies, else `file:line` of the first hunk that fails."""
        done = self("apply", "--check", str(file), ok=None)
        return None if done.exit_code == 0 else failures(done)[0]

    def am(self, file: Path) -> None:
        """Commit a mailed patch. Raises ToolFailed."""
        self("am", "--quiet", str(file))


class ForeignGit(Git):
    """git on a repository that may be somebody else's: only read, and nothing of it is executed."""

    environment: ClassVar[dict[str, str]] = Git.environment | {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
        "GIT_OPTIONAL_LOCKS": "0",
        # git would fetch what a partial clone lacks, and write it into the repository.
        "GIT_ALLOW_PROTOCOL": "",
    }

    def __call__(
        self,
        *arguments: str,
        ok: tuple[int, ...] | None = (0,),
        env: dict[str, str] | None = None,
        stdin: Path | None = None,
    ) -> process.Finished:
        """Run one git command, on this folder's repository and on none further up."""
        within = {"GIT_CEILING_DIRECTORIES": str(self.folder.parent)}
        return super().__call__(*arguments, ok=ok, env=within | (env or {}), stdin=stdin)
