# SPDX-License-Identifier: GPL-2.0-only
"""Measure the overhead of the Dask engine. By hand: `.venv/bin/python tests/bench/engine.py`.

Uses a real scheduler and real workers on this machine. One JSON line per case: 1,000 jobs that do
nothing show the overhead; jobs that sleep, with one worker and with two, show how work is spread.
Sleeping needs no CPU, so this is not the speedup of a larger machine.
"""

import contextlib
import json
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from harness.host.cache import Cache
from harness.jobs.cluster.dask import Dask
from harness.jobs.graph import Done, Graph, Here, Job
from harness.jobs.local import Local
from harness.project.project import Project
from tests.fakes.cluster import Cluster, cluster

NR_NOTHING = 1000
NR_SLEEPING = 20
SLEEP_S = 0.5


def nothing(_here: Here, number: int) -> int:
    return number


def sleep(_here: Here, seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def timed(engine: Dask | Local, jobs: list[Job]) -> float:
    began = time.monotonic()
    outcomes = engine.run(Graph(jobs))
    seconds = time.monotonic() - began
    assert outcomes == {job.name: Done(job.given) for job in jobs}
    return seconds


def on(made: Cluster, cache: Cache, jobs: list[Job]) -> float:
    with contextlib.closing(Dask(Project.find(), cache, made.address)) as engine:
        # Imports and connections are not measured.
        timed(engine, [Job(f"warm {n}", "build", nothing, n) for n in range(8)])
        return timed(engine, jobs)


def wait_for_workers(made: Cluster) -> None:
    from distributed import Client

    with Client(made.address, set_as_default=False) as client:
        client.wait_for_workers(len(made.workers), timeout=120)


def main() -> None:
    nothings = [Job(str(n), "build", nothing, n) for n in range(NR_NOTHING)]
    sleeping = [Job(str(n), "build", sleep, SLEEP_S) for n in range(NR_SLEEPING)]
    with (
        tempfile.TemporaryDirectory() as folder,
        cluster(Path(folder) / "cluster") as made,
    ):
        cache = Cache(Path(folder) / "cache")
        local = timed(Local(Project.find(), cache), nothings)
        made.worker("a")
        wait_for_workers(made)
        one = on(made, cache, sleeping)
        made.worker("b")
        wait_for_workers(made)
        two = on(made, cache, sleeping)
        overhead = on(made, cache, nothings)
    cases = [
        {"case": "no-op", "jobs": NR_NOTHING, "local_s": local, "dask_s": overhead, "goal_s": 30},
        {
            "case": "sleeping",
            "jobs": NR_SLEEPING,
            "sleep_s": SLEEP_S,
            "one_worker_s": one,
            "two_workers_s": two,
            "times": one / two,
            "goal_times": 1.7,
        },
    ]
    for case in cases:
        rounded = {k: round(v, 2) if isinstance(v, float) else v for k, v in case.items()}
        print(json.dumps(rounded), flush=True)


if __name__ == "__main__":
    main()
