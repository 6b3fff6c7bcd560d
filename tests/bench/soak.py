# SPDX-License-Identifier: GPL-2.0-only
"""Check that nothing accumulates over many runs with one cache. By hand:

    .venv/bin/python tests/bench/soak.py [--runs 200]     fake tree, fake guest
    .venv/bin/python tests/bench/soak.py --real 20        real quick boots, in the user's cache

Each run is a new `harness measure --plan quick`. Processes, /dev/shm, worktrees, mounts and the
cache's files are counted before the first run, after it (which fills the cache) and after the last
one. At the end one process makes several runs, and its file descriptors are counted. Prints one
JSON object; exits with 1 if something grew.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from tests.faults.scene import ROOT, Scene, adopting, children, left_in_memory, strays

FAKE = ("measure", "test", "--plan", "quick", "--accelerator", "tcg")
#: Counts the descriptors of a process that runs many commands.
MANY = """
import os, sys
from harness.cli import cli
def count(): return len(os.listdir('/proc/self/fd'))
def once():
    try: cli.main(sys.argv[1:], standalone_mode=False)
    except SystemExit: pass
once()
first = count()
for _ in range(5): once()
print('FDS', first, count(), file=sys.stderr)
"""


class Machine:
    """Runs the harness with fakes (a scene), or for real."""

    def __init__(self, folder: Path, *, is_real: bool) -> None:
        self.pids: list[int] = []
        self.scene = None if is_real else Scene(folder / "scene")
        if self.scene is not None:
            self.cache, self.results = self.scene.cache, self.scene.root / "results"
            self.python, self.env = str(self.scene.bin / "python3"), self.scene.environment()
            self.arguments = FAKE
        else:
            root = folder / "checkout"
            root.mkdir()
            for name in ("series", "configs", "guests"):
                (root / name).symlink_to(ROOT / name)
            base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
            self.cache, self.results = base / "memmap-harness", root / "results"
            self.python = sys.executable
            self.env = os.environ | {"MEMMAP_HARNESS_ROOT": str(root)}
            self.arguments = ("measure", "--plan", "quick")

    def run(self, code: str = "from harness.cli import main; main()") -> tuple[int, str]:
        with subprocess.Popen(
            [self.python, "-c", code, *self.arguments],
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            self.pids.append(process.pid)
            _, said = process.communicate()
        return process.returncode, said

    def look(self) -> dict[str, Any]:
        """Count what could accumulate, and the runs, which should."""
        files = [p for p in self.cache.rglob("*") if p.is_file() and "locks" not in p.parts]
        worktrees = self.cache / "trees.git" / "worktrees"
        staging = self.cache / "staging"
        return {
            "processes": len(children()),
            "shared_memory": len(left_in_memory(self.pids)),
            "worktrees": len(list(worktrees.iterdir())) if worktrees.is_dir() else 0,
            "staging": len(list(staging.iterdir())) if staging.is_dir() else 0,
            "cache_files": len(files),
            "cache_bytes": sum(p.stat().st_blocks * 512 for p in files),
            "mounts": Path("/proc/self/mountinfo").read_text().count("\n"),
            "runs": len(list(self.results.glob("*/*/record.json"))),
        }


def soak(folder: Path, runs: int, *, is_real: bool) -> dict[str, Any]:
    """Make the runs; return the counts before, after the first and after the last."""
    machine = Machine(folder, is_real=is_real)
    looked = {"before": machine.look()}
    began = time.monotonic()
    failed = []
    for number in range(1, runs + 1):
        code, said = machine.run()
        if code != 0:
            failed.append({"run": number, "exit_code": code, "said": said[-500:]})
        if number == 1:
            looked["first"] = machine.look()
    took_s = time.monotonic() - began
    outlived = strays()
    looked["last"] = machine.look()
    _, said = machine.run(MANY)
    fds = [int(word) for word in said.rpartition("FDS")[2].split()]
    first, last = looked["first"], looked["last"]
    # Logs are overwritten; their sizes may differ by some lines.
    slack = {"cache_bytes": 1 << 20, "cache_files": 2, "runs": runs}
    grew = [key for key in first if last[key] > first[key] + slack.get(key, 0)]
    grew += ["file descriptors"] if fds[1] > fds[0] else []
    grew += ["processes"] if outlived else []
    return {
        "runs": runs,
        "real": is_real,
        "seconds_per_run": round(took_s / runs, 2),
        "failed": failed,
        "looked": looked,
        "file_descriptors": fds,
        "outlived": outlived,
        "grew": grew,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--real", type=int, metavar="N")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, adopting():
        found = soak(Path(folder), asked.real or asked.runs, is_real=asked.real is not None)
    print(json.dumps(found))
    sys.exit(1 if found["failed"] or found["grew"] else 0)


if __name__ == "__main__":
    main()
