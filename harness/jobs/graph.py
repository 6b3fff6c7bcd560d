# SPDX-License-Identifier: GPL-2.0-only
"""What is to be done, and what needs what, as values that can go to another process or machine.

A job that fails costs those that need it and nobody else: each job ends with an outcome.
"""

import graphlib
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec

from harness import errors
from harness.errors import HarnessError, InputError
from harness.events import Event, Listener
from harness.host.cache import Cache
from harness.project.project import Project

#: `fetch` and `apply` run where the user is, whose repositories, mails and network they need. A
#: `boot` measures: it has its machine to itself. The others run anywhere, several at once.
Kind = Literal["fetch", "apply", "build", "boot", "verify"]
AT_HOME: tuple[Kind, ...] = ("fetch", "apply")


class Here(msgspec.Struct, frozen=True):
    """Where a job runs: that machine's project and cache, and who is told of its progress.

    `find_kernel` is called with a kernel's key before it is built, for it may have been built
    elsewhere. `bring_home` is called with a run's folder below `project.results`, of which
    everything is wanted in the user's own results, whether the job ends well or not.
    """

    project: Project
    cache: Cache
    listen: Listener
    find_kernel: Callable[[str], None] = lambda _key: None
    bring_home: Callable[[Path], None] = lambda _folder: None


class Job(msgspec.Struct, frozen=True):
    """One thing to do: `call(here, given, *results of needs)`, in the order of `needs`.

    `call` is a function of a module, that others can import; what it is given, and what it
    returns, can be written as JSON by msgspec, unless it runs at home. It raises HarnessError.
    """

    name: str
    kind: Kind
    call: Callable[..., Any]
    given: Any = None
    needs: tuple[str, ...] = ()


class Done(msgspec.Struct, frozen=True, tag=True):
    """The job ended well; `value` is what its call returned."""

    value: Any


class Failed(msgspec.Struct, frozen=True, tag=True):
    """The job raised a HarnessError of class `kind`, with these parts; `on` is another machine."""

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
        # A module's own class of error is told by the nearest that all know.
        kind = next(k.__name__ for k in type(error).__mro__ if k.__module__ == errors.__name__)
        return cls(kind, *parts)

    def error(self) -> HarnessError:
        """Return what the job raised, to be raised again."""
        kind = getattr(errors, self.kind)
        what = f"{self.what} (on {self.on})" if self.on else self.what
        error = kind(
            what, where=self.where, expected=self.expected, hint=self.hint, detail=self.detail
        )
        assert isinstance(error, HarnessError)  # noqa: S101 (`of` names no other)
        return error


class Skipped(msgspec.Struct, frozen=True, tag=True):
    """The job was not begun, because the job `because`, which it needs, failed."""

    because: str


Outcome = Done | Failed | Skipped
#: Is told the events of each job by its name, in the end its outcome, one at a time; and by the
#: name "" what concerns all of them.
Hear = Callable[[str, Event | Outcome], None]


def unheard(_job: str, _heard: Event | Outcome) -> None:
    """Hear nothing."""


class Graph:
    """Jobs in the order in which they are preferred, and results that are there already."""

    def __init__(self, jobs: Iterable[Job], done: Mapping[str, Done] | None = None) -> None:
        """Raises InputError for a name given twice, a need that no job has, and a circle."""
        self.done = dict(done or {})
        self.jobs: dict[str, Job] = {}
        for job in jobs:
            if job.name in self.jobs or job.name in self.done:
                raise _wrong(f"two jobs are named {job.name!r}", "a name for each")
            self.jobs[job.name] = job
        for job in self.jobs.values():
            for need in job.needs:
                if need not in self.jobs and need not in self.done:
                    known = ", ".join([*self.done, *self.jobs])
                    raise _wrong(f"{job.name!r} needs {need!r}, which is none", f"one of {known}")
            _check(job)
        self.sorter()

    def sorter(self) -> "graphlib.TopologicalSorter[str]":
        """Return the names of the jobs, ready to be taken in the order of their needs."""
        order = {
            job.name: [need for need in job.needs if need not in self.done]
            for job in self.jobs.values()
        }
        sorter = graphlib.TopologicalSorter(order)
        try:
            sorter.prepare()
        except graphlib.CycleError as error:
            circle = " needs ".join(repr(name) for name in reversed(error.args[1]))
            raise _wrong(circle, "no job to need itself") from error
        return sorter


class Engine(Protocol):
    """Whoever runs graphs."""

    def run(self, graph: Graph, hear: Hear = unheard) -> dict[str, Outcome]:
        """Run all jobs and return what came of each, by its name.

        Whatever `hear` raises ends the run, as an interruption does: nothing goes on running.
        """


class GraphRun:
    """A graph being run: what may begin now, and what came of the rest."""

    def __init__(self, graph: Graph, hear: Hear) -> None:
        self.outcomes: dict[str, Outcome] = {}
        self._graph = graph
        self._hear = hear
        self._sorter = graph.sorter()
        self._order = {name: number for number, name in enumerate(graph.jobs)}
        self._ready: list[Job] = []
        self._find_ready()

    @property
    def ready(self) -> tuple[Job, ...]:
        """Jobs that have all that they need and were not begun, in the graph's order."""
        return tuple(self._ready)

    def begin(self, job: Job) -> list[Any]:
        """Take a job from those that are ready; return the results that it needs."""
        self._ready.remove(job)
        return [self._value(need) for need in job.needs]

    def end(self, name: str, outcome: Outcome) -> None:
        """Note what came of a job, and of those that will never be begun."""
        self._note(name, outcome)
        self._find_ready()

    def _note(self, name: str, outcome: Outcome) -> None:
        self.outcomes[name] = outcome
        self._sorter.done(name)
        self._hear(name, outcome)

    def _find_ready(self) -> None:
        while fresh := self._sorter.get_ready():
            for name in sorted(fresh, key=self._order.__getitem__):
                job = self._graph.jobs[name]
                blamed = self._blamed(job)
                if blamed is None:
                    self._ready.append(job)
                else:
                    self._note(name, Skipped(blamed))
        self._ready.sort(key=lambda job: self._order[job.name])

    def _blamed(self, job: Job) -> str | None:
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
            f"what {job.name!r} is given cannot go to another machine: {error}", "plain data"
        ) from error


def _wrong(what: str, expected: str) -> InputError:
    return InputError(what, where="the job graph", expected=expected)
