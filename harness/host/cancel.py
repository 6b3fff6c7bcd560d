# SPDX-License-Identifier: GPL-2.0-only
"""Ending work that runs in another thread, where no signal is heard.

Whoever starts a thread gives it an event to look at; what waits in that thread (for a program, for
a lock) looks at it and raises KeyboardInterrupt, as the main thread's own waiting would.
"""

import contextlib
import threading
from collections.abc import Iterator
from contextvars import ContextVar

_asked: ContextVar[threading.Event | None] = ContextVar("_asked", default=None)


@contextlib.contextmanager
def stoppable(asked: threading.Event) -> Iterator[None]:
    """Let what this thread does until the block ends be ended by setting `asked`."""
    token = _asked.set(asked)
    try:
        yield
    finally:
        _asked.reset(token)


def is_stoppable() -> bool:
    """Whether this thread must look, because nobody can interrupt it."""
    return _asked.get() is not None


def check() -> None:
    """Raise KeyboardInterrupt if this thread has been asked to end."""
    asked = _asked.get()
    if asked is not None and asked.is_set():
        raise KeyboardInterrupt
