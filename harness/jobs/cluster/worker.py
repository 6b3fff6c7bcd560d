# SPDX-License-Identifier: GPL-2.0-only
"""What happens on a cluster's worker: a job is brought what it needs, performed, and sent home."""

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
from harness.host import cancel
from harness.host.cache import Cache, host_boot
from harness.jobs.cluster import transfer
from harness.jobs.cluster.store import Store
from harness.jobs.execute import perform
from harness.jobs.graph import Done, Failed, Here, Job, Outcome
from harness.project.project import Project
from harness.record import store as records

#: How often progress within a step is worth a message.
TOLD_EVERY_S = 0.5
#: How long the end of a session waits for its jobs to end.
ENDING_S = 20.0

#: The jobs that run here, by their tasks' keys: whose they are, and how they are asked to end.
_running: dict[str, tuple[str, threading.Event]] = {}
#: Tasks that were given up before their jobs ran.
_given_up: set[str] = set()


class RemoteJob(msgspec.Struct, frozen=True):
    """A job for a worker, the results that it needs, and where everything is handed over.

    `results` is the user's own results folder, which messages should speak of.
    """

    session: str
    job: Job
    needed: tuple[Any, ...]
    store: str
    results: str


class Reply(msgspec.Struct, frozen=True):
    """What came of an order, and the runs it left, by their folders below the results."""

    outcome: Outcome
    runs: tuple[str, ...] = ()


class WorkerStopped(Exception):
    """The job was asked to end, because its worker does. Dask then tries it on another worker."""


def fulfil(order: RemoteJob) -> Reply:
    """Perform a job on this worker. Raises WorkerStopped."""
    worker = get_worker()
    key = str(worker.get_current_task())

    def tell(**said: str) -> None:
        where = {"worker": worker.address, "host": socket.gethostname()}
        worker.log_event(order.session, {"key": key, **where, **said})

    asked = threading.Event()
    _running[key] = (order.session, asked)
    if key in _given_up:
        asked.set()
    try:
        with cancel.stoppable(asked):
            cancel.check()
            tell()
            return _fulfil(order, _listener(tell))
    except KeyboardInterrupt as interruption:
        raise WorkerStopped from interruption
    finally:
        del _running[key]


def stop_job(key: str) -> None:
    """Ask the job of a task to end."""
    _given_up.add(key)
    if key in _running:
        _running[key][1].set()


async def stop_all(session: str) -> None:
    """Ask all jobs of a session to end, and wait until they have."""
    end = time.monotonic() + ENDING_S
    while time.monotonic() < end:
        ours = [asked for owner, asked in list(_running.values()) if owner == session]
        if not ours:
            return
        for asked in ours:
            asked.set()
        await asyncio.sleep(0.05)


def _fulfil(order: RemoteJob, listen: Listener) -> Reply:
    cache, store = Cache.default(), Store(order.store)
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
        needed = [transfer.receive(store, cache, value) for value in order.needed]
        outcome = perform(order.job, here, needed)
        ended = [run for run in runs if records.has_ended(run)]
        # One that has not is gone on with on this machine or not at all.
        sent = tuple(_send_run(store, cache, run, project.results) for run in ended)
        if isinstance(outcome, Done):
            transfer.send(store, cache, outcome.value)
    except HarnessError as error:
        outcome = Failed.of(error)
    if isinstance(outcome, Failed):
        outcome = _seen_from_home(outcome, str(project.results), order.results)
    return Reply(outcome, sent)


def _send_run(store: Store, cache: Cache, run: Path, results: Path) -> str:
    name = run.relative_to(results).as_posix()
    with cache.staging() as work:
        store.put(f"runs/{name}", transfer.pack(run, work))
    shutil.rmtree(run)
    return name


def _seen_from_home(failed: Failed, theirs: str, ours: str) -> Failed:
    """Say on which machine it failed, and where its logs are once they have been brought home."""
    parts = {
        part: text.replace(theirs, ours)
        for part in ("what", "where", "expected", "hint", "detail")
        if (text := getattr(failed, part)) is not None
    }
    return msgspec.structs.replace(failed, **parts, on=socket.gethostname())


def _listener(tell: Callable[..., None]) -> Listener:
    """Return a listener that sends events home, of the progress within a step only some."""
    last = 0.0

    def listen(event: Event) -> None:
        nonlocal last
        if isinstance(event, Advanced):
            if time.monotonic() - last < TOLD_EVERY_S:
                return
            last = time.monotonic()
        tell(event=msgspec.json.encode(event).decode())

    return listen
