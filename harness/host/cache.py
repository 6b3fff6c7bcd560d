# SPDX-License-Identifier: GPL-2.0-only
"""The cache folder: trees, objects and kernels between runs, and locks on them.

What is missing is made again. What is there is complete: it is made under staging/ and renamed.
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
from harness.host.processes import cancel
from harness.host.processes.sandbox import Sandbox

#: How often a thread that no signal interrupts tries to take a lock.
_POLL_S = 0.1
#: The lock that every user of the cache shares. `harness cache prune` takes it exclusively.
_USERS = "users"
NOTICED_S = 0.5
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Cache:
    """The cache folder, and the sandbox of the programs that work in it.

    Constructing it creates nothing. Without `sandbox`, bubblewrap is probed at the first use.
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
        """Return the user's cache: $XDG_CACHE_HOME/memmap-harness, or ~/.cache/memmap-harness."""
        named = os.environ.get("XDG_CACHE_HOME", "")
        # The XDG base directory specification: a relative path is to be ignored.
        base = Path(named) if named.startswith("/") else Path.home() / ".cache"
        return cls(base / "memmap-harness", sandbox)

    @property
    def sandbox(self) -> Sandbox:
        """Return how programs that patches steer are run; probed once."""
        if self._sandbox is None:
            with self.staging() as folder:
                self._sandbox = Sandbox.probe(folder, self.log("bwrap"))
        return self._sandbox

    def log(self, name: str) -> Path:
        """Return an empty log for the commands of one stage, in place of its previous one."""
        self._use()
        self.logs.mkdir(parents=True, exist_ok=True)
        path = self.logs / f"{name}.log"
        path.unlink(missing_ok=True)
        return path

    @contextlib.contextmanager
    def locked(
        self, name: str, *, shared: bool = False, waiting: Callable[[], None] | None = None
    ) -> Iterator[None]:
        """Hold a lock, which ends with the process; wait until it is free.

        Several may hold it `shared`. `waiting` is called if it takes longer than NOTICED_S.
        """
        self._use()
        with self.lock_file(name).open("w") as handle:
            _lock(handle, fcntl.LOCK_SH if shared else fcntl.LOCK_EX, waiting)
            yield

    @contextlib.contextmanager
    def free(self, name: str) -> Iterator[bool]:
        """Hold a lock if it is free; yield whether. Its file's modification time stays."""
        with _opened(self.lock_file(name)) as handle:
            yield _try_lock(handle, fcntl.LOCK_EX)

    @contextlib.contextmanager
    def alone(self) -> Iterator[bool]:
        """Lock the cache exclusively if it has no other user; yield whether."""
        if self._in_use is not None:
            self._in_use.close()
            self._in_use = None
        with _opened(self.lock_file(_USERS)) as handle:
            is_alone = _try_lock(handle, fcntl.LOCK_EX)
            if not is_alone:
                _lock(handle, fcntl.LOCK_SH, None)
            self._in_use = handle
            try:
                yield is_alone
            finally:
                self._in_use = None

    def lock_file(self, name: str) -> Path:
        """Return the file of a lock. Its modification time is when the lock was last taken."""
        folder = self.root / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{name}.lock"

    def _use(self) -> None:
        """Hold the lock _USERS, shared, until this object is gone."""
        if self._in_use is None:
            handle = self.lock_file(_USERS).open("a")
            _lock(handle, fcntl.LOCK_SH, None)
            self._in_use = handle

    @contextlib.contextmanager
    def staging(self) -> Iterator[Path]:
        """Yield a folder on the cache's file system and remove it afterwards.

        Folders of killed processes are removed by the next call: their locks are free.
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
    """Set the time of last use of a cached file or folder, for `harness cache prune`."""
    with contextlib.suppress(OSError):
        os.utime(path)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[IO[str]]:
    # Without truncating it, which would change its time.
    with path.open("a") as handle:
        yield handle


def host_boot() -> str:
    """Return an id of this machine and its present boot. Several machines may share a cache.

    Where /proc/sys is hidden, the id is the time of the boot.
    """
    with contextlib.suppress(OSError):
        return BOOT_ID.read_text().strip()
    lines = Path("/proc/stat").read_text().splitlines()
    return next(line for line in lines if line.startswith("btime"))


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
    """Move a finished file or folder to its place, unless one is there already."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    try:
        made.rename(destination)
    except OSError:
        if not destination.exists():
            raise


def _lock(handle: IO[str], how: int, waiting: Callable[[], None] | None) -> None:
    """Take a lock. Raises KeyboardInterrupt in a thread that is asked to stop."""
    if waiting is not None:
        end = time.monotonic() + NOTICED_S
        while time.monotonic() < end:
            if _try_lock(handle, how):
                return
            time.sleep(_POLL_S / 10)
        waiting()
    if not cancel.is_stoppable():
        fcntl.flock(handle, how)
        return
    while not _try_lock(handle, how):
        cancel.check()
        time.sleep(_POLL_S)


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
            pass  # its owner was killed while making or removing it
        shutil.rmtree(folder, ignore_errors=True)
