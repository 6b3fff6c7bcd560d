# SPDX-License-Identifier: GPL-2.0-only
"""Kill runs at random moments, resume them, and compare with an uninterrupted run. By hand:

    .venv/bin/python tests/bench/resume.py [--tries 100] [--seed 1]      fake tree, fake guest
    .venv/bin/python tests/bench/resume.py --real 5                      real kernel, quick plan

Each try starts `harness reproduce` in an empty cache, kills it (SIGKILL) at a random (seeded)
moment, and runs it again. The second run must succeed, repeat no finished step, leave no process,
and give the result of an uninterrupted run. Prints each try to stderr and a JSON object at the end.
Exits with 1 if a try failed.
"""

import argparse
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from harness.record import store
from harness.record.record import RunRecord
from tests.faults.scene import ROOT, Scene, adopting, strays

FAKE = ("reproduce", "test", "--plan", "quick", "--accelerator", "tcg")
REAL = ("reproduce", "--plan", "quick")
#: Messages of a finished step, and of the same step when it starts.
STEPS = (
    (r"tree v7\.2 is ", r"look for v7\.2|look for linux-source"),
    (r"applied \d+ patches", r"^apply "),
    (r"built base", r"^build base"),
    (r"built tip", r"^build tip"),
)
BOOTED = re.compile(r"boot (\d) of 2, \w+: \d+ bindings")
BOOTS = re.compile(r"^(?:measure: )?boot (\d) of 2", re.MULTILINE)


class Try(NamedTuple):
    """One try: when it was killed, finished steps by then, and what was wrong, or ""."""

    number: int
    killed_at_s: float
    finished: int
    wrong: str


class Machine:
    """Runs the harness in a cache that can be emptied, with fakes (a scene) or for real."""

    def __init__(self, folder: Path, *, is_real: bool) -> None:
        self.is_real = is_real
        self.cache = folder / "cache"
        self.results = folder / "results"
        self.scene = None if is_real else Scene(folder / "scene")
        if self.scene is not None:
            self.cache = self.scene.cache.parent
            self.results = self.scene.root / "results"
        else:
            self._checkout(folder / "checkout")

    def _checkout(self, root: Path) -> None:
        """Make a checkout with its own results."""
        root.mkdir()
        for name in ("series", "configs", "guests"):
            (root / name).symlink_to(ROOT / name)
        self.root = root
        self.results = root / "results"

    def start(self, log: Path, *arguments: str) -> subprocess.Popen[bytes]:
        """Start `harness reproduce`, or another command."""
        if self.scene is not None:
            argv = [str(self.scene.bin / "python3"), "-c", "from harness.cli import main; main()"]
            env = self.scene.environment()
            argv += arguments or FAKE
        else:
            argv = [str(Path(sys.executable).parent / "harness"), *(arguments or REAL)]
            env = os.environ | {
                "XDG_CACHE_HOME": str(self.cache),
                "MEMMAP_HARNESS_ROOT": str(self.root),
            }
        with log.open("wb") as file:
            return subprocess.Popen(
                argv, env=env, stdin=subprocess.DEVNULL, stdout=file, stderr=file
            )

    def empty(self) -> None:
        """Remove what earlier tries left, except a real tree, which takes too long to fetch."""
        shutil.rmtree(self.results, ignore_errors=True)
        cached = ("trees.git", "apt", "worktrees") if self.is_real else ()
        if (root := self.cache / "memmap-harness").is_dir():
            for path in root.iterdir():
                if path.name not in cached:
                    shutil.rmtree(path, ignore_errors=True)

    def records(self) -> list[RunRecord]:
        """Return all records, oldest first."""
        return [store.load(folder) for folder in store.runs(self.results)]


def essence(record: RunRecord, *, is_real: bool) -> dict[str, Any]:
    """Return what must be equal: everything but times, paths and run id."""
    return {
        "outcome": record.outcome,
        "subject": record.subject,
        "setup": record.setup,
        "builds": record.builds,
        "boots": {
            (boot.build, boot.number): (
                boot.outcome,
                [check.name for check in boot.checks if not check.ok],
                [(s.metric, s.op, s.index, s.nr_pages, is_real or s.ns) for s in boot.samples],
                [(m.metric, m.nr_pages, m.sha256) for m in boot.memmaps],
            )
            for boot in record.boots
        },
    }


def finished(text: str) -> tuple[set[int], set[str]]:
    """Return the steps and boots that are finished according to a log."""
    steps = {n for n, (done, _) in enumerate(STEPS) if re.search(done, text)}
    return steps, set(BOOTED.findall(text))


def judge(
    first: str,
    second: str,
    found: list[dict[str, Any]],
    wanted: dict[str, Any],
    *,
    was_over: bool,
) -> str:
    """Return what is wrong, or ""."""
    if len(found) != 1 + was_over:
        return f"{len(found)} records: {[record['outcome'] for record in found]}"
    steps, boots = finished(first)
    again = [STEPS[n][1] for n in steps if re.search(STEPS[n][1], second, re.MULTILINE)]
    if again:
        return f"finished steps were repeated: {again}"
    if boots & set(BOOTS.findall(second)) and not was_over:
        return "a finished boot was repeated"
    for record in found:
        if record != wanted:
            return f"the result differs in: {[k for k in wanted if wanted[k] != record[k]]}"
    return ""


def tried(machine: Machine, number: int, moment_s: float, wanted: dict[str, Any], log: Path) -> Try:
    machine.empty()
    process = machine.start(log)
    time.sleep(moment_s)
    process.kill()
    process.wait()
    outlived = strays()
    first = log.read_text(errors="replace")
    # If it was killed while printing its report, the next command is a new run.
    was_over = any(record.outcome == "complete" for record in machine.records())
    again = machine.start(log)
    exit_code = again.wait()
    second = log.read_text(errors="replace")
    if outlived:
        wrong = f"processes were left: {outlived}"
    elif exit_code != 0:
        wrong = f"the next run ended with {exit_code}: {second[-800:]}"
    else:
        made = machine.records()
        found = [essence(record, is_real=machine.is_real) for record in made]
        wrong = judge(first, second, found, wanted, was_over=was_over)
    staging = machine.cache / "memmap-harness" / "staging"
    if not wrong and list(staging.iterdir()):
        wrong = "files were left in staging"
    steps, boots = finished(first)
    return Try(number, round(moment_s, 3), len(steps) + len(boots), wrong)


def run(folder: Path, tries: int, seed: int, *, is_real: bool) -> dict[str, Any]:
    """Make the tries and return their results."""
    draw = random.Random(seed)
    machine = Machine(folder, is_real=is_real)
    log = folder / "log"
    # The real tree is cached for all tries, so fetching it is not part of the duration.
    if is_real and machine.start(log, "tree", "fetch", "v7.2").wait() != 0:
        raise SystemExit(log.read_text())
    began = time.monotonic()
    if machine.start(log).wait() != 0:
        raise SystemExit(log.read_text())
    whole_s = time.monotonic() - began
    wanted = essence(machine.records()[-1], is_real=is_real)
    made = []
    for number in range(1, tries + 1):
        made.append(tried(machine, number, draw.uniform(0.05, whole_s), wanted, log))
        print(made[-1], file=sys.stderr, flush=True)
    return {
        "tries": tries,
        "seed": seed,
        "real": is_real,
        "whole_s": round(whole_s, 2),
        "held": sum(not one.wrong for one in made),
        "finished_steps_when_killed": [one.finished for one in made],
        "wrong": [one._asdict() for one in made if one.wrong],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tries", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--real", type=int, metavar="N")
    asked = parser.parse_args()
    tries = asked.real or asked.tries
    with tempfile.TemporaryDirectory() as folder, adopting():
        found = run(Path(folder), tries, asked.seed, is_real=asked.real is not None)
    print(json.dumps(found))
    sys.exit(0 if found["held"] == tries else 1)


if __name__ == "__main__":
    main()
