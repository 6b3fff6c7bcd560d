# SPDX-License-Identifier: GPL-2.0-only
"""Which workers of a cluster may take jobs: those that run the very harness that the user runs.

This module goes to workers as code, not by name, so that it can say of one that it has no harness,
or another. So it imports nothing of ours before it has looked.
"""

import importlib
import socket
from typing import Any

from distributed import Worker, WorkerPlugin


class Admission(WorkerPlugin):
    """Offers a worker's one place for jobs of a session, or tells why it has none."""

    def __init__(
        self, session: str, source: str, described: str, store: str, *, unconfined: bool
    ) -> None:
        """`source` is the fingerprint's, `described` the fingerprint in words; `store` a URL.

        `unconfined` lets workers take jobs that cannot confine what they build and boot.
        """
        self.name = f"memmap-harness-{session}"
        self._session = session
        self._source = source
        self._described = described
        self._store = store
        self._unconfined = unconfined
        self._jobs: Any = None

    async def setup(self, worker: Worker) -> None:
        """Look at a worker, whether it was there before or joins later."""
        problem = self._problem()
        if problem is None:
            self._jobs = importlib.import_module("harness.jobs.cluster.worker")
            await worker.set_resources(**{place(self._session): 1})
        told = {"worker": worker.address, "host": socket.gethostname(), "problem": problem or ""}
        # Not by the worker's own stream, which it does not have while it is joining.
        await worker.scheduler.log_event(topic=self._session, msg=told)

    def transition(self, key: Any, start: str, finish: str, **kwargs: Any) -> None:
        """End the job of a task that nobody waits for any longer: Dask itself lets it run on."""
        given_up = (start, finish) == ("executing", "released")
        if given_up and self._jobs is not None and self._session in str(key):
            self._jobs.stop_job(str(key))

    async def teardown(self, worker: Worker) -> None:
        """End the session's jobs, with the session or with the worker."""
        if self._jobs is not None:
            await self._jobs.stop_all(self._session)

    def _problem(self) -> str | None:
        try:
            theirs = importlib.import_module("harness.jobs.cluster.fingerprint").own()
        except Exception as error:  # noqa: BLE001 (whatever a stranger's installation raises)
            return f"has no harness: {type(error).__name__}: {error}"
        if theirs.source != self._source:
            return f"runs {theirs}, not {self._described}"
        try:
            store = importlib.import_module("harness.jobs.cluster.store").Store(self._store)
            seen = store.find(mark(self._session))
        except Exception as error:  # noqa: BLE001 (as above)
            return f"cannot use the store: {error}"
        if not seen:
            return f"sees another store than you at {self._store}"
        return None if self._unconfined else self._cannot_confine()

    def _cannot_confine(self) -> str | None:
        """The user's build can vouch for its own bubblewrap only."""
        cache = importlib.import_module("harness.host.cache").Cache.default()
        reason = cache.sandbox.unusable
        if reason is None:
            return None
        return f"cannot confine what it builds and boots ({reason}); --no-sandbox lets it"


def mark(session: str) -> str:
    """Return the name under which the user's build leaves something in the store to be found."""
    return f"sessions/{session}"


def place(session: str) -> str:
    """Return the name of the resource of which each worker that is admitted offers one."""
    return f"memmap-harness-{session}"
