# SPDX-License-Identifier: GPL-2.0-only
"""A session with a Dask cluster: admits workers, submits jobs, receives their messages."""

import contextlib
import itertools
import queue
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import cloudpickle
import msgspec
from distributed import Client, Future

from harness.errors import HarnessError, MachineError
from harness.host.cache import Cache
from harness.jobs.cluster import admission, fingerprint
from harness.jobs.cluster import worker as on_worker
from harness.jobs.cluster.store import Store
from harness.jobs.graph import Job

if TYPE_CHECKING:
    Task = Future[on_worker.Reply]

CONNECT_S = 20
CLOSE_S = 5
#: How often Dask tries a job again whose worker was stopped. Dask has a limit for deaths itself.
RETRIES = 3


class WorkerMessage(msgspec.Struct, frozen=True):
    """A message of a worker.

    With a task's `key`, an event of its `job`; an empty event is that the job started. Without a
    key, the worker was admitted, or refused because of `problem`.
    """

    worker: str
    host: str
    job: str = ""
    key: str = ""
    event: str = ""
    problem: str = ""


class TaskEnded(NamedTuple):
    """The task of a job has ended."""

    job: str
    task: "Task"


class Workers(NamedTuple):
    """The workers: all addresses, how many are admitted, and how many of those may measure."""

    addresses: frozenset[str]
    admitted: int
    measuring: int

    def places(self, job: Job) -> int:
        """Return how many jobs of this kind can run at once."""
        return self.measuring if job.kind == "boot" else self.admitted

    def lacking(self, jobs: Sequence[Job]) -> tuple[list[Job], str]:
        """Return the jobs that no worker can take, and what is lacking."""
        lacking = [job for job in jobs if not self.places(job)]
        if not lacking:
            return [], ""
        if not self.admitted:
            return lacking, f"a worker with this harness ({len(self.addresses)} without it)"
        return lacking, f"a worker that offers boot=1 ({self.admitted} without it)"


class Session:
    """A connection to the scheduler at `address`.

    `store` is a folder or URL, `results` the user's folder. Raises MachineError if there is no
    scheduler or no store, InputError for a wrong URL.
    """

    def __init__(self, cache: Cache, address: str, store: str | None, results: Path) -> None:
        self.store = Store(store or str(cache.root / "store"))
        self.messages: queue.Queue[WorkerMessage | TaskEnded] = queue.Queue()
        self._results = results
        self._name = uuid.uuid4().hex
        self._numbers = itertools.count()
        ours = fingerprint.own()
        self._place = admission.place(self._name)
        self._admission = admission.Admission(
            self._name, ours.source, str(ours), self.store.url, unconfined=cache.sandbox.given_up
        )
        self._leave_mark(cache)
        with contextlib.ExitStack() as undone:
            undone.callback(self._remove_mark)
            self._client = self._connected(address)
            undone.pop_all()

    def close(self) -> None:
        """Stop our jobs on all workers and disconnect."""
        # If the scheduler died, that must not hide an earlier error.
        with contextlib.suppress(Exception):
            self._client.unregister_worker_plugin(self._admission.name)
        with contextlib.suppress(Exception):
            self._client.close(timeout=CLOSE_S)
        self._remove_mark()

    def submit(self, job: Job, needed: Sequence[Any]) -> "Task":
        """Submit a job; its end will be among the messages. Raises MachineError."""
        remote = on_worker.RemoteJob(
            self._name, job, tuple(needed), self.store.url, str(self._results)
        )
        measures = job.kind == "boot"
        with _scheduler_there():
            task: Task = self._client.submit(
                on_worker.run,
                remote,
                # Dask estimates durations per prefix, which ends at the first dash.
                key=f"{job.kind}-{self._name}-{next(self._numbers)}",
                pure=False,
                retries=RETRIES,
                resources={self._place: 1, "boot": 1} if measures else {self._place: 1},
                # A job that few workers can take must not wait for jobs that all can take.
                priority=1 if measures else 0,
            )
            task.add_done_callback(lambda done: self.messages.put(TaskEnded(job.name, done)))
        return task

    def cancel(self, tasks: "Sequence[Task]") -> None:
        """Cancel tasks; their jobs are asked to stop."""
        # If the scheduler is lost, so are the tasks.
        with contextlib.suppress(Exception):
            if tasks:
                self._client.cancel(list(tasks), force=True)

    def workers(self) -> "Workers":
        """Return the workers of the cluster. Raises MachineError."""
        with _scheduler_there():
            info = self._client.scheduler_info(n_workers=-1)
        offers = {address: worker["resources"] for address, worker in info["workers"].items()}
        admitted = [offer for offer in offers.values() if offer.get(self._place, 0) >= 1]
        measuring = sum(offer.get("boot", 0) >= 1 for offer in admitted)
        return Workers(frozenset(offers), len(admitted), measuring)

    def _connected(self, address: str) -> Client:
        # A worker without this harness must be able to say so.
        cloudpickle.register_pickle_by_value(admission)
        try:
            with contextlib.ExitStack() as undone:
                client = Client(address, timeout=CONNECT_S, set_as_default=False)
                undone.callback(client.close)
                client.subscribe_topic(self._name, self._receive)
                self.first_workers = self._admitted(client)
                undone.pop_all()
        except Exception as error:
            raise MachineError(
                f"cannot connect to a Dask scheduler: {type(error).__name__}: {error}",
                where=address,
                hint="start one with `dask scheduler`; see docs/cluster.md",
            ) from error
        finally:
            cloudpickle.unregister_pickle_by_value(admission)
        return client

    def _admitted(self, client: Client) -> frozenset[str]:
        """Send the admission to all workers, present and future; return the present ones."""
        try:
            there = frozenset(client.register_plugin(self._admission))
        except Exception as error:  # noqa: BLE001 (raised if one worker fails)
            info = client.scheduler_info(n_workers=-1)
            problem = f"cannot be asked: {type(error).__name__}: {error}"
            self.messages.put(WorkerMessage("unknown", "unknown host", problem=problem))
            there = frozenset(info["workers"])
        # Messages from before the subscription.
        for event in client.get_events(self._name):
            self._receive(event)
        return there

    def _receive(self, event: tuple[float, dict[str, str]]) -> None:
        self.messages.put(msgspec.convert(event[1], WorkerMessage))

    def _leave_mark(self, cache: Cache) -> None:
        with cache.staging() as work:
            (work / "mark").write_text("memmap-harness\n")
            self.store.put(admission.mark(self._name), work / "mark")

    def _remove_mark(self) -> None:
        with contextlib.suppress(HarnessError):
            self.store.forget(admission.mark(self._name))


def lost() -> MachineError:
    """Return the error for a lost scheduler."""
    return MachineError("the scheduler was lost", hint="run the same command again to continue")


@contextlib.contextmanager
def _scheduler_there() -> Iterator[None]:
    """Raise that the scheduler is lost, for any exception of Dask's."""
    try:
        yield
    except Exception as error:
        raise lost() from error
