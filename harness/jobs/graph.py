# SPDX-License-Identifier: GPL-2.0-only
"""Jobs and what they need of each other, as values that can go to another machine.

A job that fails costs only the jobs that need it: each job ends with an outcome of its own.
"""

import graphlib
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

import msgspec

from harness import errors
from harness.errors import HarnessError, InputError
from harness.events import Event, Listener
from harness.host.cache import Cache
from harness.project.project import Project

T = TypeVar("T")

#: `fetch` and `apply` run on the user's machine: they need its repositories, mails and network. A
#: `boot` measures, so its machine runs nothing else of ours. The others run anywhere, in parallel.
Kind = Literal["fetch", "apply", "build", "boot", "verify"]
AT_HOME: tuple[Kind, ...] = ("fetch", "apply")


class Here(msgspec.Struct, frozen=True):
    """The machine that a job runs on: its project and cache, and where its progress goes.

    `import_kernel` is called with a kernel's key before it is built, because another machine may
    have built it. `export_run` is called with a run's folder below `project.results`; its files are
    sent to the user's results, whether the job succeeds or fails.
    """

    project: Project
    cache: Cache
    listen: Listener
    import_kernel: Callable[[str], None] = lambda _key: None
    export_run: Callable[[Path], None] = lambda _folder: None


class Job(msgspec.Struct, frozen=True):
    """A call to make: `call(here, given, *results of needs)`, in the order of `needs`.

    `call` is a function that can be imported from its module. Unless the job runs at home, msgspec
    can write `given` and the result as JSON. `call` raises HarnessError.
    """

    name: str
    kind: Kind
    call: Callable[..., Any]
    given: Any = None
    needs: tuple[str, ...] = ()


class Done(msgspec.Struct, frozen=True, tag=True):
    """The job succeeded; `value` is what its call returned."""

    value: Any


class Failed(msgspec.Struct, frozen=True, tag=True):
    """The job raised a HarnessError of class `kind` with these parts, on the machine `on`."""

    kind: str
    what: str
    where: str | None = None
    expected: str | None = None
    hint: str | None = None
    detail: str | None = None
    on: str = ""

    @classmethod
    def of(cls, error: HarnessError) -> "Failed":
        """Return the outcome of a job that raised `error`."""
        parts = (error.what, error.where, error.expected, error.hint, error.detail)
        # A class of another module may not be importable elsewhere; its nearest base here is.
        kind = next(k.__name__ for k in type(error).__mro__ if k.__module__ == errors.__name__)
        return cls(kind, *parts)

    def error(self) -> HarnessError:
        """Return the error that the job raised."""
        kind = getattr(errors, self.kind)
        what = f"{self.what} (on {self.on})" if self.on else self.what
        error = kind(
            what, where=self.where, expected=self.expected, hint=self.hint, detail=self.detail
        )
        assert isinstance(error, HarnessError)  # noqa: S101 (`of` names no other)
        return error


class Skipped(msgspec.Struct, frozen=True, tag=True):
    """The job was not started, because the job `because`, which it needs, failed."""

    because: str


Outcome = Done | Failed | Skipped
#: Called with a job's name and each of its events, at last its outcome, one call at a time; the
#: name is "" for what concerns all jobs. An exception that it raises ends the run.
Notify = Callable[[str, Event | Outcome], None]


def ignore(_job: str, _event: Event | Outcome) -> None:
    """Do nothing with an event."""


def result(outcome: Outcome, kind: type[T]) -> T:
    """Return what a job returned that is known to have succeeded."""
    assert isinstance(outcome, Done)  # noqa: S101
    assert isinstance(outcome.value, kind)  # noqa: S101
    return outcome.value


class Graph:
    """Jobs in the preferred order, and what jobs of earlier graphs returned."""

    def __init__(self, jobs: Iterable[Job], earlier: Mapping[str, Outcome] | None = None) -> None:
        """Raises InputError for two jobs of one name, an unknown need, and a circle."""
        known = (earlier or {}).items()
        self.done = {name: outcome for name, outcome in known if isinstance(outcome, Done)}
        self.jobs: dict[str, Job] = {}
        for job in jobs:
            if job.name in self.jobs or job.name in self.done:
                raise _wrong(f"two jobs are named {job.name!r}", "different names")
            self.jobs[job.name] = job
        for job in self.jobs.values():
            for need in job.needs:
                if need not in self.jobs and need not in self.done:
                    names = ", ".join([*self.done, *self.jobs])
                    raise _wrong(f"{job.name!r} needs {need!r}: no such job", f"one of {names}")
            _check(job)
        self.sorter()

    def sorter(self) -> "graphlib.TopologicalSorter[str]":
        """Return a sorter that yields the names of the jobs after those of their needs."""
        order = {
            job.name: [need for need in job.needs if need not in self.done]
            for job in self.jobs.values()
        }
        sorter = graphlib.TopologicalSorter(order)
        try:
            sorter.prepare()
        except graphlib.CycleError as error:
            circle = " needs ".join(repr(name) for name in reversed(error.args[1]))
            raise _wrong(circle, "no job that needs itself") from error
        return sorter


class Engine(Protocol):
    """Runs graphs: on this machine, or on a cluster."""

    def run(self, graph: Graph, notify: Notify = ignore) -> dict[str, Outcome]:
        """Run all jobs and return the outcome of each, by name.

        An interruption, or an exception from `notify`, stops the jobs that run and is then raised.
        """


class GraphRun:
    """The state of a graph that is being run: which jobs can start, and the outcomes so far."""

    def __init__(self, graph: Graph, notify: Notify) -> None:
        self.outcomes: dict[str, Outcome] = {}
        self._graph = graph
        self._notify = notify
        self._sorter = graph.sorter()
        self._order = {name: number for number, name in enumerate(graph.jobs)}
        self._ready: list[Job] = []
        self._find_ready()

    @property
    def ready(self) -> tuple[Job, ...]:
        """Jobs whose needs are done and that were not started, in the graph's order."""
        return tuple(self._ready)

    def start(self, job: Job) -> list[Any]:
        """Take a job from those that are ready; return the results of its needs."""
        self._ready.remove(job)
        return [self._value(need) for need in job.needs]

    def end(self, name: str, outcome: Outcome) -> None:
        """Record the outcome of a job, and of the jobs that can no longer start."""
        self._record(name, outcome)
        self._find_ready()

    def _record(self, name: str, outcome: Outcome) -> None:
        self.outcomes[name] = outcome
        self._sorter.done(name)
        self._notify(name, outcome)

    def _find_ready(self) -> None:
        while fresh := self._sorter.get_ready():
            for name in sorted(fresh, key=self._order.__getitem__):
                job = self._graph.jobs[name]
                cause = self._failed_need(job)
                if cause is None:
                    self._ready.append(job)
                else:
                    self._record(name, Skipped(cause))
        self._ready.sort(key=lambda job: self._order[job.name])

    def _failed_need(self, job: Job) -> str | None:
        for need in job.needs:
            match self.outcomes.get(need):
                case Failed():
                    return need
                case Skipped(because):
                    return because
                case _:
                    pass
        return None

    def _value(self, need: str) -> Any:
        done = self._graph.done.get(need) or self.outcomes[need]
        assert isinstance(done, Done)  # noqa: S101 (it was ready)
        return done.value


def _check(job: Job) -> None:
    module = sys.modules.get(getattr(job.call, "__module__", ""))
    if getattr(module, getattr(job.call, "__name__", ""), None) is not job.call:
        raise _wrong(f"the call of {job.name!r} cannot be imported", "a function of a module")
    if job.kind in AT_HOME:
        return
    try:
        msgspec.json.encode(job.given)
    except (TypeError, ValueError) as error:
        raise _wrong(
            f"the argument of {job.name!r} cannot go to another machine: {error}", "plain data"
        ) from error


def _wrong(what: str, expected: str) -> InputError:
    return InputError(what, where="the job graph", expected=expected)
