# SPDX-License-Identifier: GPL-2.0-only
"""Time `harness reproduce`. By hand: `.venv/bin/python tests/bench/reproduce.py [--vng] [CASE…]`.

Cases: quick-cold, quick, cold, warm. Each prints one JSON line with wall seconds and peak memory
(resident sets of all processes, and the backing files). Cold means an empty cache. `--vng` adds
the CPU time of a kernel build with each profile.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

HARNESS = Path(sys.executable).parent / "harness"
PLANS = {"quick-cold": "quick", "quick": "quick", "cold": "reproduce", "warm": "reproduce"}


def descendants(root: int) -> Iterator[int]:
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, rest = stat.read_text().split(" (", 1)
        except OSError:
            continue
        children.setdefault(int(rest.rpartition(") ")[2].split()[1]), []).append(int(pid))
    todo = [root]
    while todo:
        pid = todo.pop()
        yield pid
        todo += children.get(pid, [])


def resident_bytes(root: int) -> int:
    """Return the anonymous memory of a process tree, and all shared memory of the machine."""
    total = 0
    for pid in descendants(root):
        try:
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) << 10 for line in lines if line.startswith("RssAnon:"))
    meminfo = Path("/proc/meminfo").read_text().splitlines()
    return total + sum(int(line.split()[1]) << 10 for line in meminfo if line.startswith("Shmem:"))


def timed(argv: list[str], env: dict[str, str]) -> dict[str, object]:
    began, peak, over = time.monotonic(), 0, threading.Event()
    with subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, text=True) as process:

        def watch() -> None:
            nonlocal peak
            while not over.wait(0.5):
                peak = max(peak, resident_bytes(process.pid))

        watcher = threading.Thread(target=watch)
        watcher.start()
        out, _ = process.communicate()
        over.set()
        watcher.join()
    return {
        "exit_code": process.returncode,
        "wall_s": round(time.monotonic() - began, 1),
        "peak_gib": round(peak / 2**30, 2),
        "stdout": out,
    }


def main() -> None:
    cases = [a for a in sys.argv[1:] if a in PLANS]
    for case in cases:
        with tempfile.TemporaryDirectory(dir=os.environ.get("XDG_CACHE_HOME")) as empty:
            env = dict(os.environ)
            if case.endswith("cold"):
                env["XDG_CACHE_HOME"] = empty
            result = timed([str(HARNESS), "reproduce", "--plan", PLANS[case], "--json"], env)
        result.pop("stdout")
        print(json.dumps({"case": case} | result), flush=True)
    if "--vng" in sys.argv:
        cpu_s = {}
        for profile in ("minimal", "vng"):
            with tempfile.TemporaryDirectory(dir=os.environ.get("XDG_CACHE_HOME")) as empty:
                argv = [str(HARNESS), "build", "--prefix", "0", "--profile", profile, "--json"]
                result = timed(argv, os.environ | {"XDG_CACHE_HOME": empty})
            cpu_s[profile] = json.loads(str(result["stdout"]))[0]["kernel"]["cpu_s"]
        ratio = round(cpu_s["minimal"] / cpu_s["vng"], 3)
        print(json.dumps({"case": "build", "cpu_s": cpu_s, "ratio": ratio}), flush=True)


if __name__ == "__main__":
    main()
