# SPDX-License-Identifier: GPL-2.0-only
"""The jobs of a graph that are on a cluster: submits them, and returns their outcomes."""

import dataclasses
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
from harness.jobs.cluster.session import RETRIES, Session, TaskEnded, WorkerMessage, lost
from harness.jobs.cluster.worker import Reply, WorkerStopped
from harness.jobs.graph import Failed, Job, Notify, Outcome
from harness.project.project import Project

if TYPE_CHECKING:
    from harness.jobs.cluster.session import Task

#: How long jobs wait for a worker that can take them: a batch system needs time to start one.
PATIENCE_S = 3600.0
LOOK_EVERY_S = 1.0
#: Tasks per worker: one that runs, and the next. Dask would assign all at once, by the durations of
#: earlier tasks; but a kernel takes no time if it is cached, or ten minutes.
TASKS_PER_WORKER = 2


@dataclasses.dataclass
class _Remote:
    """A job, the results of its needs and, once it is submitted, its task and its worker."""

    job: Job
    needed: Sequence[Any]
    task: "Task | None" = None
    worker: str = ""


class RemoteJobs:
    """The jobs that the workers of a session are to run; `notify` gets their events."""

    def __init__(self, session: Session, project: Project, cache: Cache, notify: Notify) -> None:
        self.jobs: dict[str, _Remote] = {}
        self._session = session
        self._project = project
        self._cache = cache
        self._notify = notify
        self._problems: dict[str, str] = {}
        self._workers = session.workers()
        self._lacking, self._lacking_since = "", time.monotonic()
        self._next_look = time.monotonic() + LOOK_EVERY_S

    def add(self, job: Job, needed: Sequence[Any]) -> None:
        """Take a job; it is submitted as soon as a worker will have time for it."""
        self.jobs[job.name] = _Remote(job, needed)

    def ended(self) -> list[tuple[str, Outcome]]:
        """Wait for one message at most; return the jobs that ended, with their outcomes.

        Raises MachineError if the scheduler is lost.
        """
        if time.monotonic() > self._next_look:
            given_up = self._look_for_workers()
            self._next_look = time.monotonic() + LOOK_EVERY_S
            if given_up:
                return given_up
        self._submit_next()
        try:
            message = self._session.messages.get(timeout=LOOK_EVERY_S)
        except queue.Empty:
            return []
        if isinstance(message, WorkerMessage):
            self._receive(message)
            return []
        remote = self.jobs.get(message.job)
        if remote is None or remote.task is not message.task:
            return []  # a task of an earlier graph, or one that was submitted again
        outcome = self._outcome(message)
        del self.jobs[message.job]
        return [(message.job, outcome)]

    def cancel(self) -> None:
        """Cancel all tasks."""
        self._session.cancel([one.task for one in self.jobs.values() if one.task is not None])

    def _submit(self, remote: _Remote) -> None:
        remote.task = self._session.submit(remote.job, remote.needed)

    def _submit_next(self) -> None:
        """Submit as many jobs as there are workers for."""
        tasks = Counter(one.job.kind == "boot" for one in self.jobs.values() if one.task)
        for remote in self.jobs.values():
            measures = remote.job.kind == "boot"
            room = max(1, self._workers.places(remote.job) * TASKS_PER_WORKER)
            if remote.task is None and tasks[measures] < room:
                tasks[measures] += 1
                self._submit(remote)

    def _receive(self, message: WorkerMessage) -> None:
        if message.problem:
            if self._problems.get(message.worker) != message.problem:
                self._problems[message.worker] = message.problem
                worker = f"worker {message.worker} on {message.host}"
                self._notify("", Note(f"{worker} gets no jobs: it {message.problem}"))
        elif not message.key:
            if message.worker not in self._session.first_workers:
                self._submit_again()
        else:
            remote = self.jobs.get(message.job)
            if remote is not None and remote.task and remote.task.key == message.key:
                self._progress(remote, message)

    def _progress(self, remote: _Remote, message: WorkerMessage) -> None:
        name = remote.job.name
        if message.event:
            self._notify(name, msgspec.json.decode(message.event, type=Event))
            return
        if remote.worker:
            here = f"{message.worker} ({message.host})"
            self._notify(name, Note(f"worker {remote.worker} was lost: started again on {here}"))
        remote.worker = message.worker

    def _submit_again(self) -> None:
        """Submit again the jobs that no worker runs, because a worker was admitted.

        Dask decides which workers can take a task when it is submitted, not when one is admitted.
        """
        self._workers = self._session.workers()
        idle = [
            one
            for one in self.jobs.values()
            if one.task and one.worker not in self._workers.addresses
        ]
        self._session.cancel([one.task for one in idle if one.task])
        for one in idle:
            self._submit(one)

    def _outcome(self, ended: TaskEnded) -> Outcome:
        """Return the outcome of a job. Raises MachineError if the scheduler is lost."""
        name, task = ended
        if task.status == "cancelled":
            raise lost()
        try:
            return self._with_runs(task.result())
        except KilledWorker as error:
            return Failed.of(
                MachineError(
                    f"{name}: every worker that tried it died",
                    hint="read the workers' logs; often there is too little memory",
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
        except Exception as error:  # noqa: BLE001 (a worker can raise anything)
            detail = "".join(traceback.format_exception(error))
            return Failed.of(Defect(f"{name}: {error!r}", detail=detail))

    def _with_runs(self, reply: Reply) -> Outcome:
        """Fetch the runs of a job into the user's results and return its outcome."""
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
        """Report which workers jobs wait for; after PATIENCE_S, return those jobs as failed."""
        self._workers = self._session.workers()
        lacking, what = self._workers.lacking([one.job for one in self.jobs.values()])
        now = time.monotonic()
        if what != self._lacking:
            self._lacking, self._lacking_since = what, now
            if what:
                self._notify("", Note(f"waiting for {what}"))
        elif lacking and now - self._lacking_since > PATIENCE_S and self._session.messages.empty():
            return [(job.name, self._never_started(job, what)) for job in lacking]
        return []

    def _never_started(self, job: Job, what: str) -> Outcome:
        task = self.jobs.pop(job.name).task
        if task is not None:
            self._session.cancel([task])
        return Failed.of(
            MachineError(
                f"{job.name}: no worker could take it for {PATIENCE_S:.0f} s",
                expected=what,
                hint="see More machines in README.md for how to start workers",
                detail="\n".join(f"{who}: {why}" for who, why in self._problems.items()) or None,
            )
        )
