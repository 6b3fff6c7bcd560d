# SPDX-License-Identifier: GPL-2.0-only
"""The job graph and the local engine: every job ends with one outcome of its own."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import DoesNotBuild, HarnessError, InputError, MachineError
from harness.events import Began, Note
from harness.host.cache import Cache
from harness.host.processes import process
from harness.jobs.graph import Done, Failed, Graph, Here, Job, Kind, Outcome, Skipped
from harness.jobs.local import Local
from harness.project.project import Project


class Breaks(msgspec.Struct, frozen=True):
    """Given to `add`: do not."""


def add(_here: Here, own: int | Breaks, *needed: int) -> int:
    if isinstance(own, Breaks):
        raise DoesNotBuild("does not build", where="mm/x.c:1", hint="fix it", detail="x\ny")
    return own + sum(needed)


def divide(_here: Here, own: int) -> float:
    return 1 / own


def tell(here: Here, own: str) -> None:
    here.listen(Began(own))


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def run(
    cache: Cache, jobs: Sequence[Job], slots: int = 1, **done: Done
) -> tuple[dict[str, Outcome], list[tuple[str, Any]]]:
    events: list[tuple[str, Any]] = []
    engine = Local(Project.find(), cache, slots)
    outcomes = engine.run(Graph(jobs, done), lambda *event: events.append(event))
    return outcomes, events


def test_results_are_passed_on_in_the_order_of_needs(cache: Cache) -> None:
    def job(name: str, own: str, *needs: str) -> Job:
        return Job(name, "build", concatenate, own, needs)

    outcomes, events = run(cache, [job("c", "c", "b", "a"), job("b", "b", "a"), job("a", "a")])
    assert outcomes == {"a": Done("a"), "b": Done("ba"), "c": Done("cbaa")}
    assert [name for name, _ in events] == ["a", "b", "c"]


def concatenate(_here: Here, own: str, *needed: str) -> str:
    return own + "".join(needed)


def test_a_job_of_an_earlier_graph_does_not_run_again(cache: Cache) -> None:
    jobs = [Job("b", "build", add, 1, ("a",))]
    assert run(cache, jobs, a=Done(41))[0] == {"b": Done(42)}


def test_a_failure_costs_those_that_need_it_and_no_other(cache: Cache) -> None:
    outcomes, events = run(
        cache,
        [
            Job("build KASAN", "build", add, Breaks()),
            Job("boot KASAN", "boot", add, 1, ("build KASAN",)),
            Job("verify KASAN", "verify", add, 1, ("boot KASAN",)),
            Job("build", "build", add, 1),
        ],
    )
    assert isinstance(failed := outcomes["build KASAN"], Failed)
    assert failed.kind == "DoesNotBuild"
    assert outcomes["boot KASAN"] == outcomes["verify KASAN"] == Skipped("build KASAN")
    assert outcomes["build"] == Done(1)
    assert dict(events) == outcomes


def test_a_failure_is_raised_again_as_it_was(cache: Cache) -> None:
    original = DoesNotBuild("no", where="f:1", expected="e", hint="m", detail="d")
    again = Failed.of(original).error()
    assert type(again) is DoesNotBuild
    assert (str(again), again.detail) == (str(original), original.detail)
    away = msgspec.structs.replace(Failed.of(MachineError("disk full")), on="node3").error()
    assert str(away) == "disk full (on node3)"


def test_a_defect_fails_one_job_with_its_traceback(cache: Cache) -> None:
    outcomes, _ = run(cache, [Job("x", "verify", divide, 0), Job("y", "verify", divide, 1)])
    assert isinstance(failed := outcomes["x"], Failed)
    assert failed.error().exit_code == 70
    assert "ZeroDivisionError" in failed.what
    assert "in divide" in (failed.detail or "")
    assert outcomes["y"] == Done(1.0)


@pytest.mark.parametrize("slots", [1, 3])
def test_events_come_back_with_the_jobs_name_and_the_outcome_last(cache: Cache, slots: int) -> None:
    _, events = run(cache, [Job(n, "build", tell, n) for n in "abc"], slots)
    for name in "abc":
        assert [h for n, h in events if n == name] == [Began(name), Done(None)]


@pytest.mark.parametrize(
    ("jobs", "message"),
    [
        (
            [Job("a", "build", add, 1), Job("a", "build", add, 2)],
            "two jobs are named 'a'; expected different names",
        ),
        ([Job("a", "build", add, 1, ("b",))], "'a' needs 'b': no such job; expected one of a"),
        ([Job("a", "build", add, 1, ("a",))], "'a' needs 'a'; expected no job that needs itself"),
        (
            [Job("a", "build", add, 1, ("b",)), Job("b", "build", add, 1, ("a",))],
            "needs 'b' needs|needs 'a' needs",
        ),
        ([Job("a", "build", lambda _h, _g: 1)], "the call of 'a' cannot be imported"),
        ([Job("a", "boot", add, Path("x"))], "the argument of 'a' cannot go to another machine"),
    ],
)
def test_a_wrong_graph_is_one_clear_line(jobs: list[Job], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        Graph(jobs)
    assert str(caught.value).startswith("the job graph: ")
    assert "\n" not in str(caught.value)


@st.composite
def graphs(draw: st.DrawFn) -> list[Job]:
    """Jobs in any order, some of which break."""
    count = draw(st.integers(1, 8))
    jobs = []
    for n in range(count):
        needs = draw(st.lists(st.integers(0, n - 1), unique=True, max_size=3)) if n else []
        own = draw(st.sampled_from([1, 1, 1, Breaks()]))
        kind: Kind = draw(st.sampled_from(["build", "boot"]))
        jobs.append(Job(str(n), kind, add, own, tuple(str(need) for need in needs)))
    return draw(st.permutations(jobs))


@given(jobs=graphs(), slots=st.sampled_from([1, 2]))
def test_every_job_ends_once_after_its_needs(
    tmp_path_factory: pytest.TempPathFactory, jobs: list[Job], slots: int
) -> None:
    cache = Cache(tmp_path_factory.getbasetemp() / "graphs")
    outcomes, events = run(cache, jobs, slots)
    ended = [name for name, event in events if not isinstance(event, Note)]
    assert sorted(ended) == sorted(job.name for job in jobs)
    at = {name: n for n, name in enumerate(ended)}
    for job in jobs:
        needed = [outcomes[need] for need in job.needs]
        assert all(at[need] < at[job.name] for need in job.needs)
        match outcomes[job.name]:
            case Done(value):
                assert value == 1 + sum(n.value for n in needed if isinstance(n, Done))
                assert all(isinstance(n, Done) for n in needed)
            case Failed():
                assert isinstance(job.given, Breaks)
                assert all(isinstance(n, Done) for n in needed)
            case Skipped(because):
                assert isinstance(outcomes[because], Failed)
                assert because in job.needs or Skipped(because) in needed


class Meter:
    """Counts what runs at once."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.now: list[Kind] = []
        self.seen: list[list[Kind]] = []

    def __call__(self, kind: Kind) -> None:
        with self.lock:
            self.now.append(kind)
            self.seen.append(sorted(self.now))
        time.sleep(0.05)
        with self.lock:
            self.now.remove(kind)


METER = Meter()


def metered(_here: Here, kind: Kind) -> None:
    METER(kind)


def test_builds_fill_the_slots_and_a_boot_has_the_machine_to_itself(cache: Cache) -> None:
    METER.__init__()  # type: ignore[misc]
    kinds: list[Kind] = ["build", "boot", "build", "boot", "build", "build"]
    run(cache, [Job(str(n), kind, metered, kind) for n, kind in enumerate(kinds)], slots=2)
    assert len(METER.seen) == 6
    assert ["build", "build"] in METER.seen
    assert all(len(seen) <= 2 for seen in METER.seen)
    assert all(seen == ["boot"] for seen in METER.seen if "boot" in seen)


def test_a_boot_of_another_run_waits_for_this_runs_build_and_says_so(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.host.cache.NOTICED_S", 0.01)
    METER.__init__()  # type: ignore[misc]
    events: list[list[tuple[str, Any]]] = []

    def another(kind: Kind) -> None:
        events.append(run(cache, [Job("x", kind, metered, kind)])[1])

    kinds: list[Kind] = ["build", "boot", "boot", "build"]
    threads = [threading.Thread(target=another, args=(kind,)) for kind in kinds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert all(seen == ["boot"] for seen in METER.seen if "boot" in seen)
    waited = [event for one in events for _, event in one if isinstance(event, Note)]
    assert waited
    assert all(event.text.startswith("waiting until ") for event in waited)


def sleep(here: Here, seconds: str) -> None:
    log = here.cache.log(f"sleep-{seconds}")
    process.run(["sleep", seconds], log=log, deadline=process.Deadline(60))


def locked(here: Here, name: str) -> None:
    with here.cache.locked(name):
        pass


CHILD = """
import sys
from pathlib import Path
from harness.host.cache import Cache
from harness.jobs.graph import Graph, Job
from harness.jobs.local import Local
from harness.project.project import Project
from tests.unit.jobs.test_graph import locked, sleep
cache = Cache(Path(sys.argv[1]))
jobs = [Job(s, "build", sleep, s) for s in ("31.25", "31.5")]
jobs.append(Job("held", "build", locked, "held"))
print("ready", flush=True)
Local(Project.find(), cache, int(sys.argv[2])).run(Graph(jobs))
"""


@pytest.mark.parametrize("slots", [1, 3])
def test_an_interruption_ends_programs_and_waits_for_locks(cache: Cache, slots: int) -> None:
    argv = [sys.executable, "-c", CHILD, str(cache.root), str(slots)]
    with cache.locked("held"), subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) as child:
        logs = [cache.logs / f"sleep-{s}.log" for s in ("31.25", "31.5")][: 2 if slots > 1 else 1]
        end = time.monotonic() + 20
        while not all(log.exists() and log.stat().st_size for log in logs):
            assert time.monotonic() < end, "the jobs did not begin"
            time.sleep(0.02)
        began = time.monotonic()
        child.send_signal(signal.SIGINT)
        _, message = child.communicate(timeout=20)
    assert message.rstrip().endswith("KeyboardInterrupt")
    assert time.monotonic() - began < 10
    assert sleepers() == []


def sleepers() -> list[str]:
    found = []
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = line.read_bytes().split(b"\0")
        except OSError:
            continue
        if words[:1] == [b"sleep"] and words[1] in (b"31.25", b"31.5"):
            found.append(os.fsdecode(words[1]))
    return found


def test_every_class_of_error_can_be_an_outcome(cache: Cache) -> None:
    for kind in HarnessError.__subclasses__():
        assert isinstance(Failed.of(kind("x")).error(), kind)
