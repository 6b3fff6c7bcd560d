# SPDX-License-Identifier: GPL-2.0-only
"""The cluster's engine while workers are killed and stopped, and the user interrupts."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.errors import MachineError
from harness.host.cache import Cache
from harness.host.processes import process
from harness.host.processes.sandbox import NO_SANDBOX, Sandbox
from harness.jobs.cluster import remote_jobs
from harness.jobs.graph import Done, Failed, Graph, Here, Job, Kind, Skipped
from harness.jobs.local import Local
from tests.fakes.cluster import PATIENCE_S, Scene, cluster, measured_on, same_at_home
from tests.fakes.machine import FAKES, USE_FAKES
from tests.unit.jobs.test_graph import add, concatenate

if TYPE_CHECKING:
    from harness.record.record import RunRecord

pytestmark = pytest.mark.slow

HANGS_IN_A_BUILD = {"HANG": "vmlinux"}
HANGS_IN_A_BOOT = {"MEMMAP_HARNESS_FAKE_FLAW": "hang"}
REPRODUCE = ("reproduce", "test", "--plan", "quick", "--accelerator", "tcg", "--json")


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """A cluster whose workers come and go."""
    made = Scene(tmp_path, monkeypatch)
    with cluster(tmp_path / "cluster") as made.cluster:
        yield made


def wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def builds(scene: Scene, worker: str) -> bool:
    return any(line.rstrip().endswith(" bzImage") for line in scene.cluster.programs(worker))


def boots(scene: Scene, worker: str) -> bool:
    return any("--kimg" in line for line in scene.cluster.programs(worker))


def in_the_background(scene: Scene) -> "Future[RunRecord]":
    thread = ThreadPoolExecutor(1)
    future = thread.submit(scene.reproduce)
    thread.shutdown(wait=False)
    return future


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=lambda how: how.name)
def test_a_worker_that_dies_in_a_build_costs_a_retry(scene: Scene, how: signal.Signals) -> None:
    scene.cluster.worker("a", **HANGS_IN_A_BUILD)
    running = in_the_background(scene)
    wait_for(lambda: builds(scene, "a"))
    scene.cluster.worker("b")
    scene.cluster.kill("a", how)
    record = running.result(PATIENCE_S)
    wait_for(lambda: not scene.cluster.programs("a"))
    assert record.outcome == "complete"
    assert measured_on(scene, record) == {"b"}
    assert any("was lost: started again" in message for message in scene.notes())
    same_at_home(scene, record)


def test_a_worker_that_dies_in_a_boot_costs_the_whole_comparison_a_retry(scene: Scene) -> None:
    scene.cluster.worker("a", **HANGS_IN_A_BOOT)
    running = in_the_background(scene)
    wait_for(lambda: boots(scene, "a"))
    scene.cluster.worker("b")
    scene.cluster.kill("a")
    record = running.result(PATIENCE_S)
    wait_for(lambda: not scene.cluster.programs("a"))
    assert measured_on(scene, record) == {"b"}, "one comparison on two machines"
    assert sorted({(boot.build, boot.number) for boot in record.boots}) == [
        ("base", 1),
        ("base", 2),
        ("tip", 1),
        ("tip", 2),
    ]
    assert not (scene.cluster.cache("b") / "objects").exists(), "built again what was in the store"
    same_at_home(scene, record)


def test_jobs_wait_for_workers_of_their_kind_and_say_so(scene: Scene) -> None:
    with ThreadPoolExecutor(1) as thread:
        jobs = [Job("x", "boot", add, 1, ("y",)), Job("y", "build", add, 1)]
        running = thread.submit(scene.run, *jobs)
        wait_for(lambda: "waiting for a worker with this harness (0 without it)" in scene.notes())
        scene.cluster.worker("a", boot=False)
        wait_for(lambda: "waiting for a worker that offers boot=1 (1 without it)" in scene.notes())
        scene.cluster.worker("b")
        assert running.result(PATIENCE_S) == {"x": Done(2), "y": Done(1)}


def test_a_worker_without_harness_gets_no_jobs_and_it_is_said(scene: Scene) -> None:
    broken = scene.machine.folder / "broken" / "harness"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ImportError('not installed')\n")
    scene.cluster.worker("a", env={"PYTHONPATH": str(broken.parent)}, fakes=False)
    scene.cluster.worker("b")
    wait_for(lambda: all("Registered to" in scene.cluster.log(name) for name in "ab"))
    assert scene.run(Job("x", "boot", add, 1)) == {"x": Done(1)}
    assert scene.run(Job("x", "boot", add, 1)) == {"x": Done(1)}
    (message,) = {message for message in scene.notes() if "gets no jobs" in message}
    assert message.endswith("it has no harness: ImportError: not installed")


def test_a_worker_without_a_sandbox_gets_jobs_only_with_no_sandbox(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    (scene.cluster.folder / "broken").mkdir()
    (scene.cluster.folder / "broken" / "bwrap").symlink_to(FAKES / "bin" / "bwrap")
    path = f"{scene.cluster.folder / 'broken'}:{os.environ['PATH']}"
    scene.cluster.worker("a", env={"PATH": path})
    wait_for(lambda: "Registered to" in scene.cluster.log("a"))
    monkeypatch.setattr(remote_jobs, "PATIENCE_S", 0.0)
    failed = scene.run(Job("x", "build", add, 1))["x"]
    assert isinstance(failed, Failed)
    (message,) = {message for message in scene.notes() if "gets no jobs" in message}
    assert message.endswith(
        "it has no working sandbox "
        "(bwrap: No permissions to create new namespace); --no-sandbox admits it"
    )
    scene.machine.cache = Cache(scene.machine.cache.root, Sandbox(NO_SANDBOX))
    assert scene.run(Job("x", "build", add, 1)) == {"x": Done(1)}


def test_a_lost_scheduler_is_reported_and_nothing_is_left_running(scene: Scene) -> None:
    scene.cluster.worker("a", **HANGS_IN_A_BUILD)
    running = in_the_background(scene)
    wait_for(lambda: builds(scene, "a"))
    scene.cluster.kill("scheduler")
    with pytest.raises(MachineError, match="the scheduler was lost"):
        running.result(PATIENCE_S)
    wait_for(lambda: not scene.cluster.programs("a"))


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=lambda how: how.name)
def test_when_the_user_interrupts_nothing_is_left_running(
    scene: Scene, how: signal.Signals
) -> None:
    scene.cluster.worker("a", **HANGS_IN_A_BUILD)
    code = f"{USE_FAKES}from harness.cli import main\nmain()"
    child = subprocess.Popen(
        [sys.executable, "-c", code, *REPRODUCE, "--scheduler", scene.cluster.address],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=scene.machine.environment,
        text=True,
    )
    with child:
        wait_for(lambda: builds(scene, "a"))
        child.send_signal(how)
        _, message = child.communicate(timeout=PATIENCE_S)
    if how == signal.SIGINT:
        assert child.returncode == 130
        assert message.endswith("interrupted; finished work is stored\n")
        assert scene.cluster.programs("a") == []
    wait_for(lambda: not scene.cluster.programs("a"))
    # The worker is as good as new.
    assert scene.run(Job("x", "boot", add, 1)) == {"x": Done(1)}


def test_a_job_that_kills_its_workers_fails_and_the_others_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES", "0")
    scene = Scene(tmp_path, monkeypatch)
    with cluster(tmp_path / "cluster") as scene.cluster:
        scene.cluster.worker("a")
        with ThreadPoolExecutor(1) as thread:
            jobs = [Job("x", "boot", pause, 60.0, ("y",)), Job("y", "build", pause, 0.1)]
            jobs += [Job("z", "verify", pause, 0.2, ("x",)), Job("u", "verify", pause, 0.3, ("y",))]
            running = thread.submit(scene.run, *jobs)
            wait_for(lambda: any("sleep 60.0" in line for line in scene.cluster.programs("a")))
            scene.cluster.worker("b", boot=False)
            wait_for(lambda: ("u", Done(0.3)) in scene.events)
            scene.cluster.kill("a")
            outcomes = running.result(PATIENCE_S)
    assert outcomes["z"] == Skipped("x")
    assert outcomes["y"] == Done(0.1)
    assert isinstance(failed := outcomes["x"], Failed)
    assert failed.what == "x: every worker that tried it died"
    assert failed.error().exit_code == 69


def pause(here: Here, seconds: float, *_needed: object) -> float:
    """Sleep in a program that says in its command line whose it is."""
    log = here.cache.log(f"pause-{threading.get_ident()}")
    argv = ["sh", "-c", f"sleep {seconds}; : {here.cache.root}"]
    process.run(argv, log=log, deadline=process.Deadline(PATIENCE_S))
    return seconds


def slowly(here: Here, own: str, *needed: str) -> str:
    pause(here, 0.3)
    return concatenate(here, own, *needed)


def test_workers_killed_at_random_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """20 deaths at most, at any point of any job; Dask's own bound on them is out of the way."""
    monkeypatch.setenv("DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES", "20")
    scene = Scene(tmp_path, monkeypatch)
    kinds: tuple[Kind, ...] = ("build", "boot", "verify")
    jobs = [
        Job(f"{kind} {n}", kind, slowly, str(n), tuple(f"{need} {n}" for need in kinds[:position]))
        for n in range(8)
        for position, kind in enumerate(kinds)
    ]
    drawn = random.Random(1)
    over = threading.Event()
    deaths = 0

    def kill() -> None:
        nonlocal deaths
        for number in range(3, 23):
            if over.wait(drawn.uniform(0.5, 2.0)):
                return
            scene.cluster.worker(str(number))
            scene.cluster.kill(drawn.choice(sorted(scene.cluster.workers)))
            deaths += 1

    with cluster(tmp_path / "cluster") as scene.cluster:
        for number in range(3):
            scene.cluster.worker(str(number))
        with ThreadPoolExecutor(1) as thread:
            killing = thread.submit(kill)
            try:
                there = scene.run(*jobs)
                record = scene.reproduce()
            finally:
                over.set()
            killing.result()
        assert deaths > 0
    here = Local(scene.machine.project, scene.machine.cache).run(Graph(jobs))
    assert there == here
    assert len([name for name, event in scene.events if isinstance(event, Done)]) == len(jobs) + 5
    same_at_home(scene, record)
