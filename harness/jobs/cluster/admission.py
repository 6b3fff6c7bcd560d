# SPDX-License-Identifier: GPL-2.0-only
"""Decides on each worker if it may take jobs: it must run the same harness as the user.

This module is pickled by value, because a worker may have no harness, or another one, and must be
able to say so. So it imports ours only where a failure is handled.
"""

import importlib
import socket
from typing import Any

from distributed import Worker, WorkerPlugin


class Admission(WorkerPlugin):
    """Offers one place per worker for jobs of a session, or reports why the worker gets none."""

    def __init__(
        self, session: str, source: str, described: str, store: str, *, unconfined: bool
    ) -> None:
        """`source` is the user's fingerprint, `described` a text with it; `store` is a URL.

        `unconfined` admits workers that have no sandbox.
        """
        self.name = f"memmap-harness-{session}"
        self._session = session
        self._source = source
        self._described = described
        self._store = store
        self._unconfined = unconfined
        self._jobs: Any = None

    async def setup(self, worker: Worker) -> None:
        """Admit or refuse a worker; Dask calls this on each, also on one that joins later."""
        problem = self._problem()
        if problem is None:
            self._jobs = importlib.import_module("harness.jobs.cluster.worker")
            await worker.set_resources(**{place(self._session): 1})
        report = {"worker": worker.address, "host": socket.gethostname(), "problem": problem or ""}
        # By a call to the scheduler: a worker that is joining has no stream to it yet.
        await worker.scheduler.log_event(topic=self._session, msg=report)

    def transition(self, key: Any, start: str, finish: str, **kwargs: Any) -> None:
        """Stop the job of a task that was cancelled: Dask itself lets it run on."""
        cancelled = (start, finish) == ("executing", "released")
        if cancelled and self._jobs is not None and self._session in str(key):
            self._jobs.stop_job(str(key))

    async def teardown(self, worker: Worker) -> None:
        """Stop the session's jobs, because the session or the worker ends."""
        if self._jobs is not None:
            await self._jobs.stop_all(self._session)

    def _problem(self) -> str | None:
        try:
            theirs = importlib.import_module("harness.jobs.cluster.fingerprint").own()
        except Exception as error:  # noqa: BLE001 (an unknown installation can raise anything)
            return f"has no harness: {type(error).__name__}: {error}"
        if theirs.source != self._source:
            return f"runs {theirs}, not {self._described}"
        try:
            store = importlib.import_module("harness.jobs.cluster.store").Store(self._store)
            seen = store.find(mark(self._session))
        except Exception as error:  # noqa: BLE001 (fsspec can raise anything)
            return f"cannot use the store: {error}"
        if not seen:
            return f"sees another store at {self._store} than this machine"
        return None if self._unconfined else self._without_sandbox()

    def _without_sandbox(self) -> str | None:
        """Return why bubblewrap does not work on this worker; None if it does."""
        cache = importlib.import_module("harness.host.cache").Cache.default()
        reason = cache.sandbox.unusable
        if reason is None:
            return None
        return f"has no working sandbox ({reason}); --no-sandbox admits it"


def mark(session: str) -> str:
    """Return the name of an entry that the user puts into the store, for workers to find."""
    return f"sessions/{session}"


def place(session: str) -> str:
    """Return the name of the resource of which each admitted worker offers one."""
    return f"memmap-harness-{session}"
