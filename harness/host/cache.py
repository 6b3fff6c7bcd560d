# SPDX-License-Identifier: GPL-2.0-only
"""Where trees, builds and kernels are kept between runs: locks, and folders whole or not there.

Nothing may depend on the cache: whatever is missing is made again. What is there is whole, because
it is made under staging/ and renamed into place.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from harness.errors import MachineError
from harness.host import cancel
from harness.host.sandbox import Sandbox

#: How often a thread that nobody can interrupt looks whether a lock is free.
POLL_S = 0.1
#: The lock that everybody shares who uses the cache: `harness cache prune` wants it alone.
USERS = "users"
NOTICED_S = 0.5


class Cache:
    """The cache folder, and the sandbox of the programs that work in it.

    Constructing it creates nothing. Without a `sandbox`, bubblewrap is probed when it is first
    asked for.
    """

    def __init__(self, root: Path, sandbox: Sandbox | None = None) -> None:
        self.root = root
        self._sandbox = sandbox
        self.repository = root / "trees.git"
        self.apt = root / "apt"
        self.worktrees = root / "worktrees"
        self.objects = root / "objects"
        self.kernels = root / "kernels"
        self.applied = root / "applied"
        self.roots = root / "roots"
        self.mails = root / "mails"
        self.cells = root / "cells"
        self.logs = root / "logs"
        self._in_use: IO[str] | None = None

    @classmethod
    def default(cls, sandbox: Sandbox | None = None) -> "Cache":
        """Return the user's: $XDG_CACHE_HOME/memmap-harness, or ~/.cache/memmap-harness."""
        named = os.environ.get("XDG_CACHE_HOME", "")
        # The XDG base directory specification: a relative path is to be ignored.
        base = Path(named) if named.startswith("/") else Path.home() / ".cache"
        return cls(base / "memmap-harness", sandbox)

    @property
    def sandbox(self) -> Sandbox:
        """How programs that patches steer are run: decided once."""
        if self._sandbox is None:
            with self.staging() as folder:
                self._sandbox = Sandbox.probe(folder, self.log("bwrap"))
        return self._sandbox

    def log(self, name: str) -> Path:
        """Return a log for the commands of one stage; the stage's previous one is overwritten."""
        self._use()
        self.logs.mkdir(parents=True, exist_ok=True)
        path = self.logs / f"{name}.log"
        path.unlink(missing_ok=True)
        return path

    @contextlib.contextmanager
    def locked(
        self, name: str, *, shared: bool = False, waiting: Callable[[], None] | None = None
    ) -> Iterator[None]:
        """Hold a lock that dies with its process; wait for whoever holds it now.

        Those who hold it `shared` hold it together. `waiting` is called if there is a wait
        that somebody would notice.
        """
        self._use()
        with self.lock_file(name).open("w") as handle:
            _lock(handle, fcntl.LOCK_SH if shared else fcntl.LOCK_EX, waiting)
            yield

    @contextlib.contextmanager
    def free(self, name: str) -> Iterator[bool]:
        """Hold a lock if nobody does; say whether. The lock's file does not show that we asked."""
        with _opened(self.lock_file(name)) as handle:
            yield _try_lock(handle, fcntl.LOCK_EX)

    @contextlib.contextmanager
    def alone(self) -> Iterator[bool]:
        """Keep others from beginning to use the cache, if nobody does; say whether."""
        if self._in_use is not None:
            self._in_use.close()
            self._in_use = None
        with _opened(self.lock_file(USERS)) as handle:
            is_alone = _try_lock(handle, fcntl.LOCK_EX)
            if not is_alone:
                _lock(handle, fcntl.LOCK_SH, None)
            self._in_use = handle
            try:
                yield is_alone
            finally:
                self._in_use = None

    def lock_file(self, name: str) -> Path:
        """Return the file of a lock. Its time of modification is when the lock was last taken."""
        folder = self.root / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{name}.lock"

    def _use(self) -> None:
        """Let whoever prunes know that somebody uses the cache, until this object is gone."""
        if self._in_use is None:
            handle = self.lock_file(USERS).open("a")
            _lock(handle, fcntl.LOCK_SH, None)
            self._in_use = handle

    @contextlib.contextmanager
    def staging(self) -> Iterator[Path]:
        """Make a folder on the cache's file system that is gone afterwards, or after our death.

        What a killed run left is removed by the next one: the lock on it died with its owner.
        """
        parent = self.root / "staging"
        parent.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as stack:
            with self.locked("staging"):
                _sweep(parent)
                folder = Path(tempfile.mkdtemp(dir=parent))
                owner = stack.enter_context((folder / "owner").open("w"))
                fcntl.flock(owner, fcntl.LOCK_EX)
            try:
                (folder / "work").mkdir()
                yield folder / "work"
            finally:
                shutil.rmtree(folder, ignore_errors=True)

    def require_room(self, nr_bytes: int, what: str) -> None:
        """Raise MachineError unless the cache's file system has `nr_bytes` free."""
        require_room(self.root, nr_bytes, what)


def used(path: Path) -> None:
    """Note that something that is kept is used now, for `harness cache` to know."""
    with contextlib.suppress(OSError):
        os.utime(path)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[IO[str]]:
    # Without truncating it, which would change its time.
    with path.open("a") as handle:
        yield handle


def host_boot() -> str:
    """Return what names this machine, and this boot of it, among all that may share a cache."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def require_room(folder: Path, nr_bytes: int, what: str) -> None:
    """Raise MachineError unless the file system that holds `folder` has `nr_bytes` free."""
    existing = folder
    while not existing.exists():
        existing = existing.parent
    free = shutil.disk_usage(existing).free
    if free < nr_bytes:
        raise MachineError(
            f"{free / 2**30:.1f} GiB free, too little {what}",
            where=str(folder),
            expected=f"{nr_bytes / 2**30:.1f} GiB",
            hint="free some space or set XDG_CACHE_HOME to a folder with room",
        )


def publish(made: Path, destination: Path) -> None:
    """Move a finished file or folder to its place; a finished one that is there already stays."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    try:
        made.rename(destination)
    except OSError:
        if not destination.exists():
            raise


def _lock(handle: IO[str], how: int, waiting: Callable[[], None] | None) -> None:
    """Take a lock; a thread that is asked to end stops waiting for it."""
    if waiting is not None:
        end = time.monotonic() + NOTICED_S
        while time.monotonic() < end:
            if _try_lock(handle, how):
                return
            time.sleep(POLL_S / 10)
        waiting()
    if not cancel.is_stoppable():
        fcntl.flock(handle, how)
        return
    while not _try_lock(handle, how):
        cancel.check()
        time.sleep(POLL_S)


def _try_lock(handle: IO[str], how: int) -> bool:
    try:
        fcntl.flock(handle, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sweep(parent: Path) -> None:
    for folder in parent.iterdir():
        try:
            with (folder / "owner").open("r") as handle:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue  # in use
        except FileNotFoundError:
            pass  # its owner died before, or while, removing it
        shutil.rmtree(folder, ignore_errors=True)
