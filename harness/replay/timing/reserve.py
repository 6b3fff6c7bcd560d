# SPDX-License-Identifier: GPL-2.0-only
"""Memory that is asked for before it is needed.

A hypervisor may take back what its guest has not used for a while, and gives it again a page at a
time: 4 to 5 s for the 1.6 GB of a 100 GiB namespace's memmap, which is no cost of the function's
first pass. While objects are compiled, somebody else can wait for that.
"""

import contextlib
import ctypes
import mmap
import threading
from collections.abc import Iterator

from harness.guest import backing_files
from harness.host.units import MIB
from harness.replay.timing.schedule import with_spare

_AT_ONCE = 2 * MIB


@contextlib.contextmanager
def asked_for(nr_bytes: int) -> Iterator[None]:
    """Use that much memory while the block runs; when it is left, all of it has been given.

    Does nothing where there is less than a quarter more.
    """
    if not nr_bytes or backing_files.available_bytes() < with_spare(nr_bytes):
        yield
        return
    is_unwanted = threading.Event()
    with mmap.mmap(-1, nr_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as area:
        with contextlib.suppress(OSError):  # a kernel without transparent huge pages
            area.madvise(mmap.MADV_HUGEPAGE)

        def use() -> None:
            first = (ctypes.c_char * nr_bytes).from_buffer(area)
            for start in range(0, nr_bytes - _AT_ONCE + 1, _AT_ONCE):
                if is_unwanted.is_set():
                    return
                # Lets other threads run meanwhile, as a slice's assignment does not.
                ctypes.memset(ctypes.byref(first, start), 0, _AT_ONCE)

        user = threading.Thread(target=use)
        user.start()
        try:
            yield
        except BaseException:
            is_unwanted.set()
            raise
        finally:
            user.join()
