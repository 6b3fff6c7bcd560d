# SPDX-License-Identifier: GPL-2.0-only
"""Runs graphs on the workers of a Dask cluster.

Fetching and applying happen on the user's machine, which has the repositories, mails and network.
All else runs on workers with the same harness, one job at a time each; a boot that measures runs on
one that offers the resource boot=1. If a worker dies, its job starts again on another worker. The
boots of a comparison are one job, so no comparison spans two machines.
"""

from collections.abc import Sequence
from typing import Any

from harness.errors import HarnessError
from harness.events import Event
from harness.host.cache import Cache
from harness.jobs.cluster import transfer
from harness.jobs.cluster.remote_jobs import RemoteJobs
from harness.jobs.cluster.session import Session
from harness.jobs.execute import perform
from harness.jobs.graph import (
    AT_HOME,
    Done,
    Failed,
    Graph,
    GraphRun,
    Here,
    Job,
    Notify,
    Outcome,
    ignore,
)
from harness.project.project import Project


class Dask:
    """Runs graphs on the cluster of the scheduler at `address`, until it is closed.

    `store` is a folder that all its machines see, or a URL for fsspec; by default it is in the
    cache folder. Raises MachineError if there is no scheduler or no store.
    """

    def __init__(
        self, project: Project, cache: Cache, address: str, store: str | None = None
    ) -> None:
        self._project = project
        self._cache = cache
        self._session = Session(cache, address, store, project.results)

    def close(self) -> None:
        """Stop our jobs on all workers and disconnect."""
        self._session.close()

    def run(self, graph: Graph, notify: Notify = ignore) -> dict[str, Outcome]:
        """Run all jobs and return the outcome of each, by name.

        An interruption, or an exception from `notify`, stops the jobs that run and is then raised.
        Raises MachineError if the scheduler is lost.
        """
        run = GraphRun(graph, notify)
        remote = RemoteJobs(self._session, self._project, self._cache, notify)
        try:
            while run.ready or remote.jobs:
                for job in run.ready:
                    if job.kind not in AT_HOME:
                        remote.add(job, run.start(job))
                if run.ready:
                    job = run.ready[0]
                    run.end(job.name, self._perform(job, run.start(job), notify))
                else:
                    for name, outcome in remote.ended():
                        run.end(name, outcome)
        finally:
            remote.cancel()
        return run.outcomes

    def _perform(self, job: Job, needed: Sequence[Any], notify: Notify) -> Outcome:
        """Run a job on this machine and put what it made into the store."""

        def listen(event: Event) -> None:
            notify(job.name, event)

        outcome = perform(job, Here(self._project, self._cache, listen), needed)
        if isinstance(outcome, Done):
            try:
                transfer.send(self._session.store, self._cache, outcome.value, listen)
            except HarnessError as error:
                return Failed.of(error)
        return outcome
