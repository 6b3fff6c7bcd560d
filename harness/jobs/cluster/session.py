# SPDX-License-Identifier: GPL-2.0-only
"""A session with a Dask cluster: who is admitted, what is handed over, what is heard from it."""

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
    Ordered = Future[on_worker.Reply]

CONNECT_S = 20
CLOSE_S = 5
#: Other workers that Dask tries a job on whose worker was stopped. Dask bounds deaths by itself.
RETRIES = 3


class Told(msgspec.Struct, frozen=True):
    """What a worker told.

    With a task's `key`, an event of its job (none: that it began); without one, that it may take
    jobs, or the `problem` by which it may not.
    """

    worker: str
    host: str
    key: str = ""
    event: str = ""
    problem: str = ""


class TaskEnded(NamedTuple):
    """The task of a job has ended, well or not."""

    job: str
    future: "Ordered"


class Workers(NamedTuple):
    """Who is there: all addresses, how many are admitted, and how many of those may measure."""

    addresses: frozenset[str]
    admitted: int
    measuring: int

    def places(self, job: Job) -> int:
        """Return how many jobs like this one can be done at once."""
        return self.measuring if job.kind == "boot" else self.admitted

    def lacking(self, jobs: Sequence[Job]) -> tuple[list[Job], str]:
        """Return those jobs that no worker can take, or be doing, and what they lack."""
        lacking = [job for job in jobs if not self.places(job)]
        if not lacking:
            return [], ""
        if not self.admitted:
            return lacking, f"a worker with this harness ({len(self.addresses)} without it)"
        return lacking, f"a worker that offers boot=1 ({self.admitted} without it)"


class Session:
    """A connection to the scheduler at `address`; `store` is a folder or URL, `results` ours.

    Raises MachineError where there is no scheduler or no store, InputError for a wrong URL.
    """

    def __init__(self, cache: Cache, address: str, store: str | None, results: Path) -> None:
        self.store = Store(store or str(cache.root / "store"))
        self.heard: queue.Queue[Told | TaskEnded] = queue.Queue()
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
        """End on all workers what still runs for us, and disconnect."""
        # A scheduler that died in the meantime must not hide what happened before.
        with contextlib.suppress(Exception):
            self._client.unregister_worker_plugin(self._admission.name)
        with contextlib.suppress(Exception):
            self._client.close(timeout=CLOSE_S)
        self._remove_mark()

    def submit(self, job: Job, needed: Sequence[Any]) -> "Ordered":
        """Order a job; that it has ended will be heard. Raises MachineError."""
        order = on_worker.RemoteJob(
            self._name, job, tuple(needed), self.store.url, str(self._results)
        )
        measures = job.kind == "boot"
        with _scheduler_there():
            future: Ordered = self._client.submit(
                on_worker.fulfil,
                order,
                # Dask estimates durations by what stands before the first dash.
                key=f"{job.kind}-{self._name}-{next(self._numbers)}",
                pure=False,
                retries=RETRIES,
                resources={self._place: 1, "boot": 1} if measures else {self._place: 1},
                # What only few workers can do is not to wait for what all can.
                priority=1 if measures else 0,
            )
            future.add_done_callback(lambda done: self.heard.put(TaskEnded(job.name, done)))
        return future

    def cancel(self, futures: "Sequence[Ordered]") -> None:
        """Withdraw orders; their jobs are asked to end."""
        # Where the scheduler is lost, so are the orders.
        with contextlib.suppress(Exception):
            if futures:
                self._client.cancel(list(futures), force=True)

    def workers(self) -> "Workers":
        """Return who is there. Raises MachineError."""
        with _scheduler_there():
            info = self._client.scheduler_info(n_workers=-1)
        offers = {address: worker["resources"] for address, worker in info["workers"].items()}
        admitted = [offer for offer in offers.values() if offer.get(self._place, 0) >= 1]
        measuring = sum(offer.get("boot", 0) >= 1 for offer in admitted)
        return Workers(frozenset(offers), len(admitted), measuring)

    def _connected(self, address: str) -> Client:
        # By value: a worker without this harness must be able to say so.
        cloudpickle.register_pickle_by_value(admission)
        try:
            with contextlib.ExitStack() as undone:
                client = Client(address, timeout=CONNECT_S, set_as_default=False)
                undone.callback(client.close)
                client.subscribe_topic(self._name, self._hear)
                self.first_workers = self._admitted(client)
                undone.pop_all()
        except Exception as error:
            raise MachineError(
                f"no Dask cluster to work with: {type(error).__name__}: {error}",
                where=address,
                hint="start one with `dask scheduler`; see docs/cluster.md",
            ) from error
        finally:
            cloudpickle.unregister_pickle_by_value(admission)
        return client

    def _admitted(self, client: Client) -> frozenset[str]:
        """Send the admission to all workers, now and later; return those that were there."""
        try:
            there = frozenset(client.register_plugin(self._admission))
        except Exception as error:  # noqa: BLE001 (raised for one worker, where all others took it)
            info = client.scheduler_info(n_workers=-1)
            problem = f"cannot take part: {type(error).__name__}: {error}"
            self.heard.put(Told("at some address", "some host", problem=problem))
            there = frozenset(info["workers"])
        # What they said before the scheduler knew that we listen.
        for event in client.get_events(self._name):
            self._hear(event)
        return there

    def _hear(self, event: tuple[float, dict[str, str]]) -> None:
        self.heard.put(msgspec.convert(event[1], Told))

    def _leave_mark(self, cache: Cache) -> None:
        with cache.staging() as work:
            (work / "mark").write_text("memmap-harness\n")
            self.store.put(admission.mark(self._name), work / "mark")

    def _remove_mark(self) -> None:
        with contextlib.suppress(HarnessError):
            self.store.forget(admission.mark(self._name))


def lost() -> MachineError:
    """Return what to raise where the scheduler is lost."""
    return MachineError("the scheduler was lost", hint="the same command goes on from here")


@contextlib.contextmanager
def _scheduler_there() -> Iterator[None]:
    """Whatever Dask raises where orders are given, it is that nobody takes them."""
    try:
        yield
    except Exception as error:
        raise lost() from error
