# SPDX-License-Identifier: GPL-2.0-only
"""A Dask cluster on this machine: a scheduler and workers as processes of their own, on loopback.

They always end with the block: each leads a process group, which is killed, and each ends when its
standard input closes, which is when this process ends.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.events import Event, Note
from harness.guest.accelerator import BootChoice
from harness.host.processes import venv
from harness.jobs.cluster.dask import Dask
from harness.jobs.graph import Graph, Job, Outcome
from harness.jobs.local import Local
from harness.jobs.reproduce import ReproduceRequest, reproduce
from harness.project.project import Project
from harness.record import store
from harness.record.record import RunRecord
from tests.fakes.machine import (
    ROOT,
    USE_FAKES,
    FakeMachine,
    add_bubblewrap,
    command_lines,
    use_fakes,
)

EXIT_WITH_PARENT = """\
import os, sys, threading
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(1)), daemon=True).start()
"""
SCHEDULER = EXIT_WITH_PARENT + "from distributed.cli.dask_scheduler import main\nmain()"
WORKER = EXIT_WITH_PARENT + "from distributed.cli.dask_worker import main\nmain()"
PATIENCE_S = 240


class Cluster:
    """A scheduler, and workers that are started and killed by name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.workers: dict[str, subprocess.Popen[bytes]] = {}
        self._ended = contextlib.ExitStack()
        self._file = folder / "scheduler.json"
        options = ["--host", "127.0.0.1", "--port", "0", "--no-show", "--no-dashboard"]
        options += ["--dashboard-address", "127.0.0.1:0", "--scheduler-file", str(self._file)]
        self._scheduler = self._start("scheduler", SCHEDULER, *options)

    @property
    def address(self) -> str:
        """The address of the scheduler; waits until it listens."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            with contextlib.suppress(OSError, ValueError):
                return str(json.loads(self._file.read_text())["address"])
            time.sleep(0.02)
        raise AssertionError(self.log("scheduler"))

    def worker(
        self,
        name: str,
        *,
        boot: bool = True,
        env: Mapping[str, str] | None = None,
        fakes: bool = True,
        **knobs: str,
    ) -> None:
        """Start a worker with its own cache and project; only the agent is this checkout's.

        `knobs` are variables of the fakes.
        """
        home = self.folder / f"of-{name}"
        for folder in ("series", "configs", "guests", "scratch"):
            (home / folder).mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            (home / "guests" / "agent").symlink_to(ROOT / "guests" / "agent")
        options = ["--host", "127.0.0.1", "--no-nanny", "--nthreads", "1", "--no-dashboard"]
        options += ["--name", name, "--local-directory", str(home / "scratch")]
        options += ["--death-timeout", "60"]
        options += ["--resources", "boot=1"] if boot else []
        own = {"MEMMAP_HARNESS_ROOT": str(home), "XDG_CACHE_HOME": str(home / "cache")}
        code = WORKER
        if fakes:
            add_bubblewrap(home / "bin", **knobs)
            own["PATH"] = f"{home / 'bin'}:{os.environ['PATH']}"
            code = USE_FAKES + WORKER
        self.workers[name] = self._start(name, code, self.address, *options, env=own | (env or {}))

    def cache(self, name: str) -> Path:
        return self.folder / f"of-{name}" / "cache" / "memmap-harness"

    def programs(self, name: str) -> list[str]:
        """Return the programs of a worker: make and its children, or a guest."""
        return list(command_lines(str(self.cache(name))).values())

    def kill(self, name: str, how: signal.Signals = signal.SIGKILL) -> None:
        """Kill a worker, as the OOM killer does, or as a batch system does (SIGTERM)."""
        process = self._scheduler if name == "scheduler" else self.workers.pop(name)
        process.send_signal(how)
        process.wait(PATIENCE_S)

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def close(self) -> None:
        self._ended.close()

    def _start(
        self, name: str, code: str, *arguments: str, env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        quiet = {"DASK_DISTRIBUTED__WORKER__MEMORY__TERMINATE": "false", "PYTHONPATH": str(ROOT)}
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", code, *arguments],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=dict(os.environ) | quiet | dict(env or {}),
                start_new_session=True,
            )
        self._ended.callback(_end, process)
        return process


def _end(process: subprocess.Popen[Any]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(PATIENCE_S)


@contextlib.contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """Start a cluster without workers; it ends with the block."""
    folder.mkdir(exist_ok=True)
    made = Cluster(folder)
    try:
        yield made
    finally:
        made.close()


REQUEST = ReproduceRequest("test", "v7.2", plan="quick", choice=BootChoice("tcg"))


class Scene:
    """A project, a cluster, and the events of its jobs."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.machine = FakeMachine(folder)
        monkeypatch.setenv("PATH", self.machine.environment["PATH"])
        monkeypatch.setattr(venv, "installed", venv.installed)  # restored by monkeypatch
        use_fakes()
        self.events: list[tuple[str, Any]] = []
        self.cluster: Cluster

    def notify(self, job: str, event: Event | Outcome) -> None:
        self.events.append((job, event))

    @contextlib.contextmanager
    def engine(self) -> Iterator[Dask]:
        made = Dask(self.machine.project, self.machine.cache, self.cluster.address)
        with contextlib.closing(made):
            yield made

    def run(self, *jobs: Job) -> dict[str, Outcome]:
        with self.engine() as engine:
            return engine.run(Graph(jobs), self.notify)

    def reproduce(self) -> RunRecord:
        with self.engine() as engine:
            return reproduce(engine, self.machine.project, self.machine.cache, REQUEST, self.notify)

    def at_home(self) -> RunRecord:
        """Run the same request on the local engine."""
        engine = Local(self.machine.project, self.machine.cache)
        return reproduce(engine, self.machine.project, self.machine.cache, REQUEST)

    def notes(self) -> list[str]:
        return [event.text for _, event in self.events if isinstance(event, Note)]


def pinned(record: RunRecord) -> object:
    """Return the parts of a record that are equal in two runs of the same request."""
    return (
        record.evidence,
        record.subject,
        record.setup,
        record.builds,
        (record.outcome, record.reason),
        sorted((b.build, b.number, b.samples, b.memmaps, b.findings) for b in record.boots),
    )


def stored(project: Project, record: RunRecord) -> set[str]:
    folder = store.folder_of(project.results, record)
    for boot in record.boots:
        assert all(store.digest(folder / log.path) == log.sha256 for log in boot.logs)
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def measured_on(scene: Scene, record: RunRecord) -> set[str]:
    """Return the workers whose caches held the kernels that were booted."""
    argvs = [" ".join(boot.argv) for boot in record.boots]
    names = [path.name.removeprefix("of-") for path in scene.cluster.folder.glob("of-*")]
    return {name for name in names if any(f"{scene.cluster.cache(name)}/" in a for a in argvs)}


def same_at_home(scene: Scene, there: RunRecord) -> None:
    """Check that a run equals one of the local engine, including the digests of logs."""
    project = scene.machine.project
    assert store.load(store.folder_of(project.results, there)) == there
    here = scene.at_home()
    assert here.run_id != there.run_id
    assert pinned(here) == pinned(there)
    assert stored(project, here) == stored(project, there)
