# SPDX-License-Identifier: GPL-2.0-only
"""How slow this machine is at the moment. Deadlines of boots follow it."""

import os
import time

_STEPS = 50_000
#: What _work() takes on an idle server of 2021, in seconds.
_COMMON_S = 0.005
_REPEATS = 3
#: An emulated host is about 20 times slower; a machine that is slower still is out of order.
MOST = 50.0


def slowness() -> float:
    """Return how many times longer than a common server this machine takes, from 1 to MOST.

    The larger of the wall time of a fixed amount of work, in which it competes with other programs
    for a moment, and the load average per CPU.
    """
    started = time.monotonic()
    for _ in range(_REPEATS):
        _work()
    each = (time.monotonic() - started) / _REPEATS
    crowd = os.getloadavg()[0] / len(os.sched_getaffinity(0))
    return min(MOST, max(1.0, each / _COMMON_S, crowd))


def _work() -> None:
    number = 1
    for _ in range(_STEPS):
        number = (number * 1103515245 + 12345) & 0x7FFFFFFF
