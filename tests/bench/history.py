# SPDX-License-Identifier: GPL-2.0-only
"""Time the index of 1,000 runs. By hand: `.venv/bin/python tests/bench/history.py [COUNT]`.

Prints one JSON line per step, with the machine's load: a new index, the same index again, and the
page of one run, each in a process of its own. The runs are synthetic: five boots per build, 30
rebinds of two drivers, 40 tags; every twentieth is unfinished, every fiftieth unreadable.
"""

import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).parents[2]))

from harness.record import store
from harness.record.record import RunRecord, Sample
from tests.unit.builders import checkout, record, samples

replace = msgspec.structs.replace
HARNESS = Path(sys.executable).parent / "harness"
TAGS = [f"7.{minor}-rc{rc}" for minor in range(2, 6) for rc in range(1, 8)] + [
    f"7.{minor}.{stable}" for minor in range(2, 6) for stable in range(1, 4)
]
TARGET_S = {"site": 10.0, "again": 10.0, "page": 1.0}


def synthetic(number: int, rng: random.Random) -> RunRecord:
    """Return a record as `harness reproduce` stores it, without logs."""
    made = record("boot-kvm" if number % 3 else "boot-tcg", base_ms=range(5), tip_ms=range(5))
    boots = tuple(
        replace(boot, samples=_samples("nd_pmem", ms, rng) + _samples("dax_pmem", ms + 5, rng))
        for boot in made.boots
        for ms in [rng.randint(265, 280) if boot.build == "base" else rng.randint(105, 125)]
    )
    release = TAGS[number * len(TAGS) // COUNT]
    return replace(
        made,
        boots=boots,
        run_id=f"2026{number // 2000 + 1:02}01T{number:06}-abcdef",
        subject=replace(made.subject, release=release, tree=f"v{release}"),
        machine=replace(made.machine, cpu=f"Xeon {number % 4}"),
        started=f"2026-01-01T{number // 60 % 24:02}:{number % 60:02}:00+00:00",
        outcome="complete" if number % 20 else "lost",
        reason="" if number % 20 else "the run has not ended",
    )


def _samples(driver: str, ms: int, rng: random.Random) -> tuple[Sample, ...]:
    return samples(driver, ms * 5, [ms + rng.choice((0, 0, 0, 1, 1, 2, 6)) for _ in range(30)])


def timed(root: Path, *arguments: str) -> tuple[float, float]:
    """Run `harness report`; return its wall time and CPU time in seconds."""
    began, used = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    env = os.environ | {"MEMMAP_HARNESS_ROOT": str(root)}
    subprocess.run([HARNESS, "report", *arguments], env=env, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
    return time.monotonic() - began, cpu_s


def say(step: str, took: tuple[float, float], **more: object) -> None:
    wall_s, cpu_s = (round(seconds, 2) for seconds in took)
    load = round(os.getloadavg()[0], 1)
    result = {"case": step, "wall_s": wall_s, "target_s": TARGET_S[step], "cpu_s": cpu_s}
    print(json.dumps(result | {"load": load} | more), flush=True)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        project = checkout(Path(name) / "project")
        root, results = project.root, project.results
        rng = random.Random(1)
        for number in range(COUNT):
            path = store.save(results, synthetic(number, rng))
            if number % 50 == 0:
                path.write_bytes(path.read_bytes()[:1000])
        say("site", timed(root, "--index"), runs=COUNT)
        index = results / "index.html"
        say("again", timed(root, "--index"), index_bytes=index.stat().st_size)
        took = sorted(timed(root, path.parent.name, "--format", "html") for _ in range(5))
        say("page", took[2], least_s=round(took[0][0], 2), most_s=round(took[-1][0], 2))


if __name__ == "__main__":
    COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    main()
