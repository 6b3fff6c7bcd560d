# SPDX-License-Identifier: GPL-2.0-only
"""The sparse files behind emulated NVDIMMs, in memory if there is room.

Binding with map=dev writes the struct pages into them, and little else: 3.2 GB for two namespaces
of 100 GiB.
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
from harness.guest.qemu import huge_pages
from harness.host.cache import Cache
from harness.host.units import MIB
from harness.project.guest import Guest

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 (a private folder in it)
PREFIX = "memmap-harness-"
#: A younger folder may not be locked by its owner yet, or have no owner's file yet: on a busy
#: machine a process may not run for seconds.
YOUNG_S, WITHOUT_OWNER_S = 5.0, 60.0
#: For info blocks, labels, QEMU and the agent's channel.
MARGIN_BYTES = 256 * MIB


def room_bytes(guest: Guest) -> int:
    """Return how much a boot of this guest writes into its backing files, with a margin."""
    return guest.memmap_bytes + guest.memmap_bytes // 50 + MARGIN_BYTES


class Images:
    """The backing files of one boot, by driver.

    QEMU opens `named`. Then `forget_names` unlinks them, so that their content is freed when the
    last process that has them open ends, even by SIGKILL.
    """

    def __init__(self, named: Mapping[str, Path], open_files: ExitStack) -> None:
        self.named = named
        self._handles = {
            driver: open_files.enter_context(path.open("rb")) for driver, path in named.items()
        }

    def forget_names(self) -> None:
        """Unlink the files. They exist until they are closed."""
        for path in self.named.values():
            path.unlink(missing_ok=True)

    @property
    def readable(self) -> dict[str, Path]:
        """Return paths that work until the files are closed, for any process of this user."""
        folder = Path(f"/proc/{os.getpid()}/fd")
        return {driver: folder / str(file.fileno()) for driver, file in self._handles.items()}


@contextlib.contextmanager
def images(cache: Cache, guest: Guest, listen: Listener = silent) -> Iterator[Images]:
    """Yield a sparse file per namespace, in a private folder.

    Raises MachineError if neither memory nor the cache's file system has room.
    """
    if huge := huge_pages.for_namespaces(guest, room_bytes(guest)):
        _sweep(huge)
        place = _in_memory(huge)
    elif fits_in_memory(guest):
        place = _in_memory(SHARED_MEMORY)
    else:
        cache.require_room(room_bytes(guest), "for the guest's memmaps")
        listen(Note(f"too little memory for the memmaps: backing files are in {cache.root}"))
        place = cache.staging()
    with place as folder, ExitStack() as open_files:
        backed = () if guest.in_ram else guest.namespaces
        named = {ns.driver: folder / f"{ns.driver}.img" for ns in backed}
        for namespace in backed:
            named[namespace.driver].touch(mode=0o600)
            os.truncate(named[namespace.driver], namespace.size_bytes)
        yield Images(named, open_files)


def fits_in_memory(guest: Guest) -> bool:
    """Return whether /dev/shm has room, and the machine memory for that and for the guest."""
    _sweep(SHARED_MEMORY)
    try:
        free = shutil.disk_usage(SHARED_MEMORY).free
    except OSError:
        return False
    needed = room_bytes(guest)
    return free >= needed and available_bytes() >= needed + guest.ram_bytes


@contextlib.contextmanager
def _in_memory(parent: Path) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    try:
        with (folder / "owner").open("w") as owner:
            fcntl.flock(owner, fcntl.LOCK_EX)
            with contextlib.suppress(OSError):  # hugetlbfs has no write()
                os.write(owner.fileno(), f"{os.getpid()}\n".encode())
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(parent: Path) -> None:
    """Remove the folders of killed runs: their locks are free."""
    for folder in parent.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):  # another process sweeps, or another user owns it
            status = folder.lstat()
            young_s = YOUNG_S if (folder / "owner").exists() else WITHOUT_OWNER_S
            if status.st_uid != os.getuid() or time.time() - status.st_mtime < young_s:
                continue
            with contextlib.suppress(FileNotFoundError), (folder / "owner").open() as owner:
                fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)  # or BlockingIOError: in use
            shutil.rmtree(folder, ignore_errors=True)


def available_bytes() -> int:
    """Return the memory that can be used without swapping: MemAvailable of /proc/meminfo."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name == "MemAvailable":
            return int(rest.split()[0]) * 1024
    return 0
