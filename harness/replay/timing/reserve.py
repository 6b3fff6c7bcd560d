# SPDX-License-Identifier: GPL-2.0-only
"""Reserves memory before it is needed.

A hypervisor may reclaim memory that its guest has not used for a while and returns it page by page:
4 to 5 s for the 1.6 GB memmap of a 100 GiB namespace. That is not a cost of the function, so the
memory is faulted in while objects are compiled.
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
def reserved(nr_bytes: int) -> Iterator[None]:
    """Fault in this much memory while the block runs; all of it has been at the end.

    Does nothing unless a quarter more is available.
    """
    if not nr_bytes or backing_files.available_bytes() < with_spare(nr_bytes):
        yield
        return
    stop = threading.Event()
    with mmap.mmap(-1, nr_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as area:
        with contextlib.suppress(OSError):  # a kernel without transparent huge pages
            area.madvise(mmap.MADV_HUGEPAGE)

        def fault_in() -> None:
            first = (ctypes.c_char * nr_bytes).from_buffer(area)
            for start in range(0, nr_bytes - _AT_ONCE + 1, _AT_ONCE):
                if stop.is_set():
                    return
                # Releases the GIL, which a slice assignment does not.
                ctypes.memset(ctypes.byref(first, start), 0, _AT_ONCE)

        thread = threading.Thread(target=fault_in)
        thread.start()
        try:
            yield
        except BaseException:
            stop.set()
            raise
        finally:
            thread.join()
