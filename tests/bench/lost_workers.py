# SPDX-License-Identifier: GPL-2.0-only
"""Kill two Dask workers of a run with real kernels, and compare it with a local run. By hand:

    .venv/bin/python tests/bench/lost_workers.py [--plan quick] [--series S] [--tree T]
                                                 [--accelerator auto|kvm|tcg]

A scheduler and workers run on this machine, each with an empty cache. Worker a is killed (SIGKILL)
during a build, worker b during a boot; worker c measures. Then the local engine does the same in
the usual cache. Prints one JSON line per step; the last compares the results. Exits with 1 if a
verdict, a build's commit or .config, or the struct pages differ, or a process is left. Builds two
and a half kernels, and two more unless they are cached; needs 10 GB next to the cache.
"""

import argparse
import contextlib
import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from harness.events import Advanced, Began, Event, Note
from harness.guest.accelerator import BootChoice
from harness.host.cache import Cache
from harness.jobs.cluster.dask import Dask
from harness.jobs.graph import Outcome
from harness.jobs.local import Local
from harness.jobs.reproduce import ReproduceRequest, reproduce
from harness.judge.conclude import conclude
from harness.project.project import Project
from harness.record.record import RunRecord
from tests.fakes.cluster import Cluster, cluster

#: Until the guest's kernel is running.
INTO_THE_BOOT_S = 2.0
LEFT_S = 60.0


class Watched:
    """The events of the jobs that the script waits for."""

    def __init__(self) -> None:
        self.half_built = threading.Event()
        self.boots = threading.Event()
        self.started_again: list[str] = []

    def notify(self, job: str, event: Event | Outcome) -> None:
        match event:
            case Advanced(done, total) if total and 2 * done > total and job.startswith("build "):
                self.half_built.set()
            case Began(title) if title.startswith("boot "):
                self.boots.set()
            case Note(text) if "started again" in text:
                self.started_again.append(job)
                say("started again", job=job, text=text)
            case _:
                pass


def say(case: str, **more: object) -> None:
    print(json.dumps({"case": case} | more), flush=True)


def until(condition: Callable[[], object], running: "Future[RunRecord]") -> None:
    """Wait for a condition. Raises if the run ends before."""
    while not condition():
        if running.done():
            running.result()
            raise AssertionError("the run ended before a worker was killed")
        time.sleep(0.1)


def guests(made: Cluster, name: str) -> list[str]:
    """Return the QEMU processes of a worker."""
    programs = (line.split()[0].rpartition("/")[2] for line in made.programs(name))
    return [program for program in programs if program.startswith("qemu")]


def kill(made: Cluster, name: str, doing: str) -> bool:
    """Kill a worker; return whether all its processes ended."""
    had = len(made.programs(name))
    made.kill(name)
    end = time.monotonic() + LEFT_S
    while (left := made.programs(name)) and time.monotonic() < end:
        time.sleep(0.1)
    say("killed", worker=name, doing=doing, programs=had, left=left)
    return had > 0 and not left


def on_cluster(
    folder: Path, project: Project, cache: Cache, wanted: ReproduceRequest
) -> tuple[RunRecord, bool]:
    """Return the record of a run that lost two workers, and whether they ended as expected."""
    watched = Watched()
    with (
        cluster(folder / "cluster") as made,
        contextlib.closing(Dask(project, cache, made.address, str(folder / "store"))) as engine,
        ThreadPoolExecutor(1) as thread,
    ):
        made.worker("a", fakes=False)
        running = thread.submit(reproduce, engine, project, cache, wanted, watched.notify)
        try:
            until(watched.half_built.is_set, running)
            made.worker("b", fakes=False)
            clean = kill(made, "a", "building")
            until(lambda: watched.boots.is_set() and guests(made, "b"), running)
            made.worker("c", fakes=False)
            time.sleep(INTO_THE_BOOT_S)
            until(lambda: guests(made, "b"), running)
            clean &= kill(made, "b", "booting")
            record = running.result()
        except BaseException:
            made.close()  # otherwise the run would wait for workers
            raise
        again = (made.cache("c") / "objects").exists()
        say("run", jobs_started_again=watched.started_again, kernels_built_again=again)
        lost = [job.partition(" ")[0] for job in watched.started_again]
        return record, clean and not again and lost == ["build", "measure"]


def concluded(project: Project, record: RunRecord) -> dict[str, object]:
    """Return what must be equal in both runs."""
    found = conclude(record, project.claims(record.subject.slug))
    return {
        "outcome": record.outcome,
        "evidence": record.evidence,
        "verdicts": [[v.metric, v.build, v.after_patch, v.verdict] for v in found.verdicts],
        "kernels": [[s.name, s.commit, s.config_sha256] for s in record.builds],
        "memmaps": sorted([b.build, m.metric, m.sha256] for b in record.boots for m in b.memmaps),
        "boots": sorted([b.build, b.number, b.outcome, b.counts] for b in record.boots),
    }


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--series", default="memcpy-streaming")
    parser.add_argument("--tree", default="v7.2")
    parser.add_argument("--plan", default="quick")
    parser.add_argument("--accelerator", default="auto", choices=["auto", "kvm", "tcg"])
    chosen = parser.parse_args()
    wanted = ReproduceRequest(
        chosen.series, chosen.tree, plan=chosen.plan, choice=BootChoice(chosen.accelerator)
    )
    project, cache = Project.find(), Cache.default()
    cache.root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache.root.parent, prefix="lost-workers-") as name:
        project.results = Path(name) / "results"
        began = time.monotonic()
        remote, clean = on_cluster(Path(name), project, cache, wanted)
        there = concluded(project, remote)
        say("cluster", wall_s=round(time.monotonic() - began), **there)
        began = time.monotonic()
        local = reproduce(Local(project, cache), project, cache, wanted)
        here = concluded(project, local)
        say("local", wall_s=round(time.monotonic() - began), **here)
    differ = [key for key in here if here[key] != there[key]]
    images = [[build.build_id for build in record.builds] for record in (remote, local)]
    say("compared", differ=differ, same_images=images[0] == images[1], workers_as_expected=clean)
    return 1 if differ or not clean or here["outcome"] != "complete" else 0


if __name__ == "__main__":
    sys.exit(main())
