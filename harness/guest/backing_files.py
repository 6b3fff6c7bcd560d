# SPDX-License-Identifier: GPL-2.0-only
"""The files behind emulated NVDIMMs: sparse, in memory where there is room, gone when we are.

Binding with map=dev writes the struct pages into them, and hardly anything else: 3.2 GB of the two
100 GiB that the author's guest has.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

from harness.events import Listener, Note, silent
from harness.host.cache import Cache
from harness.host.units import MIB
from harness.project.guest import Guest

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 (a private folder in it)
PREFIX = "memmap-harness-"
#: Between making a folder and locking it, its owner has this long.
YOUNG_S = 5.0
#: Beside the memmap: info blocks, labels, what QEMU and the agent's channel take.
MARGIN_BYTES = 256 * MIB


def room_bytes(guest: Guest) -> int:
    """What a boot of this guest writes into its backing files, with a margin."""
    return guest.memmap_bytes + guest.memmap_bytes // 50 + MARGIN_BYTES


class Images:
    """The backing files of one boot, by driver.

    `named` is for QEMU to open. Once it has, `forget_names` takes the names away, so that nothing
    is left of the content when the last process that has it open is gone, however it went.
    """

    def __init__(self, named: Mapping[str, Path], open_files: ExitStack) -> None:
        self.named = named
        self._handles = {
            driver: open_files.enter_context(path.open("rb")) for driver, path in named.items()
        }

    def forget_names(self) -> None:
        """Unlink the files, which stay as long as they are open."""
        for path in self.named.values():
            path.unlink(missing_ok=True)

    @property
    def readable(self) -> dict[str, Path]:
        """Paths that any process of this user may open while we have the files open."""
        folder = Path(f"/proc/{os.getpid()}/fd")
        return {driver: folder / str(file.fileno()) for driver, file in self._handles.items()}


@contextlib.contextmanager
def images(cache: Cache, guest: Guest, listen: Listener = silent) -> Iterator[Images]:
    """Give a sparse file for each namespace, all in one folder that is ours alone.

    Raises MachineError when neither memory nor the cache's file system has the room.
    """
    if fits_in_memory(guest):
        place = _in_memory()
    else:
        cache.require_room(room_bytes(guest), "for the guest's memmaps")
        listen(Note(f"too little memory for the memmaps: backing files in {cache.root}"))
        place = cache.staging()
    with place as folder, ExitStack() as open_files:
        backed = () if guest.in_ram else guest.namespaces
        named = {ns.driver: folder / f"{ns.driver}.img" for ns in backed}
        for namespace in backed:
            named[namespace.driver].touch(mode=0o600)
            os.truncate(named[namespace.driver], namespace.size_bytes)
        yield Images(named, open_files)


def fits_in_memory(guest: Guest) -> bool:
    """Whether /dev/shm has the room, and the machine the memory for it and for the guest."""
    _sweep()
    try:
        free = shutil.disk_usage(SHARED_MEMORY).free
    except OSError:
        return False
    needed = room_bytes(guest)
    return free >= needed and available_bytes() >= needed + guest.ram_bytes


@contextlib.contextmanager
def _in_memory() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=SHARED_MEMORY))
    try:
        with (folder / "owner").open("w") as owner:
            fcntl.flock(owner, fcntl.LOCK_EX)
            owner.write(f"{os.getpid()}\n")
            owner.flush()
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sweep() -> None:
    """Remove the folders that killed runs of ours left: the lock on them died with its owner."""
    for folder in SHARED_MEMORY.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):  # somebody else sweeps, or it is somebody else's
            status = folder.lstat()
            if status.st_uid != os.getuid() or time.time() - status.st_mtime < YOUNG_S:
                continue
            with contextlib.suppress(FileNotFoundError), (folder / "owner").open() as owner:
                fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)  # or BlockingIOError: in use
            shutil.rmtree(folder, ignore_errors=True)


def available_bytes() -> int:
    """Memory that can be used without swapping: MemAvailable of /proc/meminfo."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name == "MemAvailable":
            return int(rest.split()[0]) * 1024
    return 0
