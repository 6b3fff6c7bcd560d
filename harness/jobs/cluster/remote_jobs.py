# SPDX-License-Identifier: GPL-2.0-only
"""The jobs that are on a cluster now: who does which, who was lost, and what came of them."""

import queue
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from distributed import KilledWorker

from harness.errors import Defect, HarnessError, MachineError
from harness.events import Event, Note
from harness.host.cache import Cache
from harness.jobs.cluster import transfer
from harness.jobs.cluster.session import RETRIES, Session, TaskEnded, Told, lost
from harness.jobs.cluster.worker import Reply, WorkerStopped
from harness.jobs.graph import Failed, Job, Notify, Outcome
from harness.project.project import Project

if TYPE_CHECKING:
    from harness.jobs.cluster.session import Ordered

#: How long jobs wait for a worker that may take them: a batch system needs a while to start one.
PATIENCE_S = 3600.0
LOOK_EVERY_S = 1.0
#: Orders that a worker has at most: the one that it does, and the next. Dask deals out by what jobs
#: took before, and a kernel may take no time or ten minutes.
ORDERS_A_WORKER = 2


class Away:
    """Jobs ordered from the workers of a session. What is heard of them is told to `hear`."""

    def __init__(self, session: Session, project: Project, cache: Cache, notify: Notify) -> None:
        self.jobs: dict[str, Job] = {}
        self._session = session
        self._project = project
        self._cache = cache
        self._notify = notify
        self._needed: dict[str, Sequence[Any]] = {}
        self._futures: dict[str, Ordered] = {}
        self._names: dict[object, str] = {}
        self._doing: dict[str, str] = {}
        self._problems: dict[str, str] = {}
        self._workers = session.workers()
        self._lacking, self._lacking_since = "", time.monotonic()
        self._next_look = time.monotonic() + LOOK_EVERY_S

    def begin(self, job: Job, needed: Sequence[Any]) -> None:
        """Take a job, which is ordered as soon as a worker will have time for it."""
        self.jobs[job.name] = job
        self._needed[job.name] = needed

    def listen(self) -> list[tuple[str, Outcome]]:
        """Wait a while for what there is to hear; return what has ended, and how.

        Raises MachineError where the scheduler is lost.
        """
        if time.monotonic() > self._next_look:
            given_up = self._look_for_workers()
            self._next_look = time.monotonic() + LOOK_EVERY_S
            if given_up:
                return given_up
        self._order_next()
        try:
            heard = self._session.heard.get(timeout=LOOK_EVERY_S)
        except queue.Empty:
            return []
        if isinstance(heard, Told):
            self._told(heard)
        # Else it is of an earlier graph, or of an order that was given again.
        elif self._futures.get(heard.job) is heard.future:
            outcome = self._outcome(heard)
            self._forget(heard.job)
            return [(heard.job, outcome)]
        return []

    def cancel(self) -> None:
        """Withdraw all orders."""
        self._session.cancel(list(self._futures.values()))

    def _order(self, name: str) -> None:
        """Order a job, in place of an earlier order."""
        if name in self._futures:
            del self._names[self._futures[name].key]
        future = self._session.submit(self.jobs[name], self._needed[name])
        self._futures[name] = future
        self._names[future.key] = name

    def _order_next(self) -> None:
        """Order what is not ordered yet, as far as there are workers for it."""
        ordered = Counter(self.jobs[name].kind == "boot" for name in self._futures)
        for job in [job for job in self.jobs.values() if job.name not in self._futures]:
            measures = job.kind == "boot"
            if ordered[measures] < max(1, self._workers.places(job) * ORDERS_A_WORKER):
                ordered[measures] += 1
                self._order(job.name)

    def _forget(self, name: str) -> None:
        if name in self._futures:
            del self._names[self._futures.pop(name).key]
        del self.jobs[name], self._needed[name]
        self._doing.pop(name, None)

    def _told(self, told: Told) -> None:
        if told.problem:
            if self._problems.get(told.worker) != told.problem:
                self._problems[told.worker] = told.problem
                who = f"worker {told.worker} on {told.host}"
                self._notify("", Note(f"{who} gets no jobs: it {told.problem}"))
        elif not told.key:
            if told.worker not in self._session.first_workers:
                self._order_again()
        elif name := self._names.get(told.key):
            if told.event:
                self._notify(name, msgspec.json.decode(told.event, type=Event))
            else:
                self._begun(name, told)

    def _begun(self, name: str, told: Told) -> None:
        lost = self._doing.get(name)
        self._doing[name] = told.worker
        if lost is not None:
            here = f"on {told.worker} ({told.host})"
            self._notify(name, Note(f"its worker {lost} was lost: begun again {here}"))

    def _order_again(self) -> None:
        """Order again what nobody is doing, now that another worker may do it.

        Dask looks who can take a task when it is ordered, not when a worker is admitted.
        """
        self._workers = self._session.workers()
        alive = self._workers.addresses
        idle = [name for name in self._futures if self._doing.get(name) not in alive]
        self._session.cancel([self._futures[name] for name in idle])
        for name in idle:
            self._order(name)

    def _outcome(self, ended: TaskEnded) -> Outcome:
        """Return what came of a job. Raises MachineError where the scheduler is lost."""
        name, future = ended
        if future.status == "cancelled":
            raise lost()
        try:
            return self._brought_home(future.result())
        except KilledWorker as error:
            return Failed.of(
                MachineError(
                    f"{name}: every worker that tried it died",
                    hint="their logs tell why; too little memory, often",
                    detail=str(error),
                )
            )
        except WorkerStopped:
            return Failed.of(
                MachineError(
                    f"{name}: {RETRIES + 1} workers were stopped while they ran it",
                    hint="start workers with enough time for a whole comparison",
                )
            )
        except Exception as error:  # noqa: BLE001 (whatever a worker made of it)
            detail = "".join(traceback.format_exception(error))
            return Failed.of(Defect(f"{name}: {error!r}", detail=detail))

    def _brought_home(self, reply: Reply) -> Outcome:
        store = self._session.store
        try:
            for run in reply.runs:
                with self._cache.staging() as work:
                    transfer.get(store, f"runs/{run}", work / "packed")
                    transfer.unpack(work / "packed", self._project.results / Path(run))
        except HarnessError as error:
            return Failed.of(error)
        return reply.outcome

    def _look_for_workers(self) -> list[tuple[str, Outcome]]:
        """Say that jobs wait for a worker; after a while, that none came."""
        self._workers = self._session.workers()
        lacking, what = self._workers.lacking(list(self.jobs.values()))
        now = time.monotonic()
        if what != self._lacking:
            self._lacking, self._lacking_since = what, now
            if what:
                self._notify("", Note(f"waiting for {what}"))
        elif lacking and now - self._lacking_since > PATIENCE_S and self._session.heard.empty():
            return [(job.name, self._never_begun(job, what)) for job in lacking]
        return []

    def _never_begun(self, job: Job, what: str) -> Outcome:
        if job.name in self._futures:
            self._session.cancel([self._futures[job.name]])
        self._forget(job.name)
        return Failed.of(
            MachineError(
                f"{job.name}: no worker could take it for {PATIENCE_S:.0f} s",
                expected=what,
                hint="docs/cluster.md says how to start workers",
                detail="\n".join(f"{who}: {why}" for who, why in self._problems.items()) or None,
            )
        )
