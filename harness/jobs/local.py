# SPDX-License-Identifier: GPL-2.0-only
"""Runs graphs on this machine: one job at a time, or several builds at once and each boot alone."""

import contextlib
import threading
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

from harness.events import Event
from harness.host.cache import Cache
from harness.host.processes import cancel
from harness.jobs.execute import perform
from harness.jobs.graph import Graph, GraphRun, Here, Job, Notify, Outcome, ignore
from harness.project.project import Project


class Local:
    """Runs graphs in this process, at most `slots` jobs at once."""

    def __init__(self, project: Project, cache: Cache, slots: int = 1) -> None:
        self._project = project
        self._cache = cache
        self._slots = slots

    def run(self, graph: Graph, notify: Notify = ignore) -> dict[str, Outcome]:
        """Run all jobs and return the outcome of each, by name.

        An interruption, or an exception from `notify`, stops the jobs that run and is then raised.
        """
        lock = threading.Lock()

        def one_at_a_time(job: str, event: Event | Outcome) -> None:
            with lock:
                notify(job, event)

        run = GraphRun(graph, one_at_a_time)
        if self._slots == 1:
            # In the main thread, which receives interruptions.
            while run.ready:
                job = run.ready[0]
                needed = run.start(job)
                run.end(job.name, self._perform(job, needed, one_at_a_time))
        else:
            self._at_once(run, one_at_a_time)
        return run.outcomes

    def _at_once(self, run: GraphRun, notify: Notify) -> None:
        asked = threading.Event()

        def perform_stoppably(job: Job, needed: Sequence[Any]) -> Outcome:
            with cancel.stoppable(asked):
                return self._perform(job, needed, notify)

        with ThreadPoolExecutor(self._slots) as threads, contextlib.ExitStack() as in_the_end:
            in_the_end.callback(asked.set)
            running: dict[Future[Outcome], Job] = {}
            while run.ready or running:
                while (job := self._next(run, list(running.values()))) is not None:
                    running[threads.submit(perform_stoppably, job, run.start(job))] = job
                for ended in wait(running, return_when=FIRST_COMPLETED).done:
                    run.end(running.pop(ended).name, ended.result())

    def _next(self, run: GraphRun, running: Sequence[Job]) -> Job | None:
        """Return a job that can start beside those that run: a boot runs alone."""
        if len(running) == self._slots or any(job.kind == "boot" for job in running):
            return None
        allowed = (job for job in run.ready if job.kind != "boot" or not running)
        return next(allowed, None)

    def _perform(self, job: Job, needed: Sequence[Any], notify: Notify) -> Outcome:
        def listen(event: Event) -> None:
            notify(job.name, event)

        return perform(job, Here(self._project, self._cache, listen), needed)
