# SPDX-License-Identifier: GPL-2.0-only
"""Runs a job on a worker: fetches what it needs, runs it, and stores what it made."""

import asyncio
import shutil
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from distributed import get_worker

from harness.errors import HarnessError
from harness.events import Advanced, Event, Listener, Note
from harness.host.cache import Cache, host_boot
from harness.host.processes import cancel
from harness.jobs.cluster import transfer
from harness.jobs.cluster.store import Store
from harness.jobs.execute import perform
from harness.jobs.graph import Done, Failed, Here, Job, Outcome
from harness.project.project import Project
from harness.record import store as records

#: Progress within a step is sent no more often.
PROGRESS_EVERY_S = 0.5
#: How long the end of a session waits for its jobs to end.
ENDING_S = 20.0

#: The jobs that run here, by the keys of their tasks: their sessions, and an event to stop each.
_running: dict[str, tuple[str, threading.Event]] = {}
#: Tasks that were cancelled before their jobs ran.
_cancelled: set[str] = set()


class RemoteJob(msgspec.Struct, frozen=True):
    """A job for a worker, the results of its needs, and the store.

    `results` is the user's results folder; messages must name it, not the worker's.
    """

    session: str
    job: Job
    needed: tuple[Any, ...]
    store: str
    results: str


class Reply(msgspec.Struct, frozen=True):
    """The outcome of a job, and the runs that it stored, by their folders below the results."""

    outcome: Outcome
    runs: tuple[str, ...] = ()


class WorkerStopped(Exception):
    """The job was stopped, because its worker ends. Dask then tries it on another worker."""


def run(remote: RemoteJob) -> Reply:
    """Run a job on this worker. Raises WorkerStopped."""
    worker = get_worker()
    key = str(worker.get_current_task())

    def send(**parts: str) -> None:
        where = {"worker": worker.address, "host": socket.gethostname()}
        worker.log_event(remote.session, {"job": remote.job.name, "key": key, **where, **parts})

    stop = threading.Event()
    _running[key] = (remote.session, stop)
    if key in _cancelled:
        stop.set()
    try:
        with cancel.stoppable(stop):
            cancel.check()
            send()
            return _run(remote, _listener(send))
    except KeyboardInterrupt as interruption:
        raise WorkerStopped from interruption
    finally:
        del _running[key]


def stop_job(key: str) -> None:
    """Ask the job of a task to stop."""
    _cancelled.add(key)
    if key in _running:
        _running[key][1].set()


async def stop_all(session: str) -> None:
    """Ask all jobs of a session to stop, and wait until they have."""
    end = time.monotonic() + ENDING_S
    while time.monotonic() < end:
        ours = [stop for owner, stop in list(_running.values()) if owner == session]
        if not ours:
            return
        for stop in ours:
            stop.set()
        await asyncio.sleep(0.05)


def _run(remote: RemoteJob, listen: Listener) -> Reply:
    cache, store = Cache.default(), Store(remote.store)
    project = Project.find()
    project.results = cache.root / "runs" / host_boot()
    runs: list[Path] = []

    def import_kernel(key: str) -> None:
        try:
            transfer.receive_any_kernel(store, cache, key)
        except HarnessError as error:
            listen(Note(f"no kernel from the store: {error}"))

    here = Here(project, cache, listen, import_kernel=import_kernel, export_run=runs.append)
    sent: tuple[str, ...] = ()
    outcome: Outcome
    try:
        needed = [transfer.receive(store, cache, value) for value in remote.needed]
        outcome = perform(remote.job, here, needed)
        ended = [run for run in runs if records.has_ended(run)]
        # Only this machine can continue one that has not.
        sent = tuple(_send_run(store, cache, run, project.results) for run in ended)
        if isinstance(outcome, Done):
            transfer.send(store, cache, outcome.value)
    except HarnessError as error:
        outcome = Failed.of(error)
    if isinstance(outcome, Failed):
        outcome = _for_user(outcome, str(project.results), remote.results)
    return Reply(outcome, sent)


def _send_run(store: Store, cache: Cache, run: Path, results: Path) -> str:
    name = run.relative_to(results).as_posix()
    with cache.staging() as work:
        store.put(f"runs/{name}", transfer.pack(run, work))
    shutil.rmtree(run)
    return name


def _for_user(failed: Failed, theirs: str, ours: str) -> Failed:
    """Add the machine to a failure, and replace the worker's paths with those of the user."""
    parts = {
        part: text.replace(theirs, ours)
        for part in ("what", "where", "expected", "hint", "detail")
        if (text := getattr(failed, part)) is not None
    }
    return msgspec.structs.replace(failed, **parts, on=socket.gethostname())


def _listener(send: Callable[..., None]) -> Listener:
    """Return a listener that sends events to the user, but only some of those within a step."""
    last = 0.0

    def listen(event: Event) -> None:
        nonlocal last
        if isinstance(event, Advanced):
            if time.monotonic() - last < PROGRESS_EVERY_S:
                return
            last = time.monotonic()
        send(event=msgspec.json.encode(event).decode())

    return listen
