# SPDX-License-Identifier: GPL-2.0-only
"""Jobs on the workers of a Dask cluster, whoever deployed it.

Fetching and applying happen here, where the user's repositories, mails and network are; all else on
workers that run this very harness, one job at a time each, and a measuring boot on one that offers
the resource boot=1. A job whose worker dies is done again on another, whole: the boots of one
comparison are one job, so no comparison spans two machines.
"""

from collections.abc import Sequence
from typing import Any

from harness.errors import HarnessError
from harness.events import Event
from harness.host.cache import Cache
from harness.jobs.cluster import transfer
from harness.jobs.cluster.remote_jobs import Away
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

    `store` is a folder that all its machines see, or a URL for fsspec; by default one in the cache
    folder. Raises MachineError where there is no scheduler or no store.
    """

    def __init__(
        self, project: Project, cache: Cache, address: str, store: str | None = None
    ) -> None:
        self._project = project
        self._cache = cache
        self._session = Session(cache, address, store, project.results)

    def close(self) -> None:
        """End on all workers what still runs for us, and disconnect."""
        self._session.close()

    def run(self, graph: Graph, notify: Notify = ignore) -> dict[str, Outcome]:
        """Run all jobs and return what came of each, by its name.

        An interruption, or what `hear` raises, ends those that run, and is raised. Raises
        MachineError where the scheduler is lost.
        """
        run = GraphRun(graph, notify)
        away = Away(self._session, self._project, self._cache, notify)
        try:
            while run.ready or away.jobs:
                for job in run.ready:
                    if job.kind not in AT_HOME:
                        away.begin(job, run.start(job))
                if run.ready:
                    job = run.ready[0]
                    run.end(job.name, self._perform(job, run.start(job), notify))
                else:
                    for name, outcome in away.listen():
                        run.end(name, outcome)
        finally:
            away.cancel()
        return run.outcomes

    def _perform(self, job: Job, needed: Sequence[Any], notify: Notify) -> Outcome:
        """Perform a job at home and put what it made where workers find it."""

        def listen(event: Event) -> None:
            notify(job.name, event)

        outcome = perform(job, Here(self._project, self._cache, listen), needed)
        if isinstance(outcome, Done):
            try:
                transfer.send(self._session.store, self._cache, outcome.value, listen)
            except HarnessError as error:
                return Failed.of(error)
        return outcome
