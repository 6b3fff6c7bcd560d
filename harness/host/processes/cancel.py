# SPDX-License-Identifier: GPL-2.0-only
"""Cancels work in a thread, which no signal interrupts.

The thread's creator sets an event. What waits in the thread (for a program, for a lock) polls it
and raises KeyboardInterrupt.
"""

import contextlib
import threading
from collections.abc import Iterator
from contextvars import ContextVar

_asked: ContextVar[threading.Event | None] = ContextVar("_asked", default=None)


@contextlib.contextmanager
def stoppable(asked: threading.Event) -> Iterator[None]:
    """Make this thread raise KeyboardInterrupt once `asked` is set, until the block ends."""
    token = _asked.set(asked)
    try:
        yield
    finally:
        _asked.reset(token)


def is_stoppable() -> bool:
    """Return whether this thread must call check() while it waits."""
    return _asked.get() is not None


def check() -> None:
    """Raise KeyboardInterrupt if this thread was asked to stop."""
    asked = _asked.get()
    if asked is not None and asked.is_set():
        raise KeyboardInterrupt
