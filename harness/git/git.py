# SPDX-License-Identifier: GPL-2.0-only
"""Runs git without the user's configuration: no hooks, no signing, a fixed committer."""

from pathlib import Path

from harness.host.processes import process

#: Fixed, so that equal content gives equal commits on every machine.
COMMITTER = {
    "GIT_COMMITTER_NAME": "memmap-harness",
    "GIT_COMMITTER_EMAIL": "harness@memmap-harness.invalid",
    "GIT_COMMITTER_DATE": "1970-01-01T00:00:00Z",
}
#: For commits that have no author of their own.
AUTHOR = {name.replace("COMMITTER", "AUTHOR"): value for name, value in COMMITTER.items()}
#: git knows this tree in every SHA-1 repository.
EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
_SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.autocrlf=false",
    # Their defaults are files in the user's home.
    "core.attributesFile=/dev/null",
    "core.excludesFile=/dev/null",
    "commit.gpgSign=false",
    "log.showSignature=false",
    "gc.auto=0",
    "advice.detachedHead=false",
)


def configured(key: str, *, log: Path, deadline: process.Deadline) -> str:
    """Return a value of the user's own configuration, "" if unset.

    Only their name and address are read so, for what they sign.
    """
    done = process.run(
        ["git", "config", "--get", key], log=log, deadline=deadline, ok=(0, 1), called="git config"
    )
    return done.stdout.strip()


def settings(
    pattern: str, folder: Path, *, log: Path, deadline: process.Deadline
) -> dict[str, str]:
    """Return the user's own settings whose names match, and those of a repository at `folder`.

    Of a setting with several values, the last counts, as in git.
    """
    argv = ["git", "-C", str(folder), "config", "--null", "--get-regexp", pattern]
    done = process.run(argv, log=log, deadline=deadline, ok=(0, 1), called="git config")
    pairs = (entry.partition("\n") for entry in done.stdout.split("\0") if entry)
    return {key: value for key, _, value in pairs}


def mailed_patch_id(file: Path, *, log: Path, deadline: process.Deadline) -> str:
    """Return the stable patch-id of the first patch in a mail; "" for none."""
    argv = ["git", "patch-id", "--stable"]
    done = process.run(argv, log=log, deadline=deadline, called="git patch-id", stdin=file)
    return done.stdout.partition(" ")[0].strip()


def lines(text: str) -> list[str]:
    """Return the lines that git printed; names in them may hold what splitlines() splits at."""
    return [line for line in text.split("\n") if line]


class Git:
    """git on one repository or worktree, with one log and one deadline."""

    def __init__(
        self, folder: Path, *, log: Path, deadline: process.Deadline, git_dir: Path | None = None
    ) -> None:
        """`git_dir` keeps git from looking for a repository in the folders above `folder`."""
        self.folder = folder
        self.log = log
        self.deadline = deadline
        self._git_dir = () if git_dir is None else (f"--git-dir={git_dir}",)

    @property
    def environment(self) -> dict[str, str]:
        """Variables that keep the user's own configuration out."""
        return {
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
        }

    def __call__(
        self,
        *arguments: str,
        ok: tuple[int, ...] | None = (0,),
        env: dict[str, str] | None = None,
        stdin: Path | None = None,
    ) -> process.Finished:
        """Run one git command. Raises ToolFailed, TimedOut."""
        argv = ["git", "-C", str(self.folder), *self._git_dir]
        for setting in _SETTINGS:
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
        """Return the commit id of a name, or None."""
        done = self("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}", ok=None)
        return done.stdout.strip() if done.exit_code == 0 else None

    def head(self) -> str:
        """Return the commit id of HEAD. Raises ToolFailed if there is none."""
        return self("rev-parse", "--verify", "HEAD^{commit}").stdout.strip()

    def has_commit(self, commit: str) -> bool:
        """Return whether the repository has the commit."""
        return self.folder.exists() and self.commit(commit) is not None

    def has_tree(self, commit: str) -> bool:
        """Return whether the commit and its top-level tree can be read."""
        return self("cat-file", "-e", f"{commit}^{{tree}}", ok=None).exit_code == 0

    def tag(self, name: str, commit: str) -> None:
        """Set a lightweight tag; an existing one is moved."""
        self("update-ref", f"refs/tags/{name}", commit)

    def path(self, name: str) -> Path:
        """Return the path of a file or folder of the repository (`git rev-parse --git-path`)."""
        asked = ("rev-parse", "--path-format=absolute", "--git-path", name)
        return Path(self(*asked).stdout.removesuffix("\n"))

    def commits_since(self, base: str) -> list[tuple[str, str]]:
        """Return (commit, subject) from `base` to HEAD, oldest first."""
        done = self("log", "--reverse", "--format=%H %s", f"{base}..HEAD")
        pairs = (line.partition(" ") for line in lines(done.stdout))
        return [(commit, subject) for commit, _, subject in pairs]

    def clean_to(self, commit: str) -> None:
        """Bring a worktree to a commit and abort any `git am`; equal files are not rewritten."""
        self("am", "--abort", ok=None)
        self("checkout", "--quiet", "--force", "--detach", commit)
        self("clean", "-ffdxq")

    def am(self, file: Path) -> None:
        """Commit a mailed patch. Raises ToolFailed."""
        self("am", "--quiet", str(file))


class ForeignGit(Git):
    """git on the user's or a third party's repository: read-only, and executes nothing of it."""

    @property
    def environment(self) -> dict[str, str]:
        """Variables that keep git within this repository, and from writing to it."""
        return super().environment | {
            "GIT_CEILING_DIRECTORIES": str(self.folder.parent),
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
            "GIT_OPTIONAL_LOCKS": "0",
            # git would fetch what a partial clone lacks, and write it into the repository.
            "GIT_ALLOW_PROTOCOL": "",
        }


class UsersGit(Git):
    """git with the user's configuration, which has the proxies and credentials for a URL."""

    @property
    def environment(self) -> dict[str, str]:
        """Variables that only keep git from asking for a password."""
        return {"GIT_TERMINAL_PROMPT": "0"}
