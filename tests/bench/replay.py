# SPDX-License-Identifier: GPL-2.0-only
"""Time replays against boots. By hand: `.venv/bin/python tests/bench/replay.py [CASE…]`.

Each case prints one JSON line:
  cold    nothing compiled: from the applied series to the full table, 100 GiB namespaces
  edit    after an edit of the last patch: compile it and print its row
  usual   without a replay: build and boot one kernel, times the number of prefixes
  null    base against itself, 100 tries
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from harness.host.cache import Cache

HARNESS = Path(sys.executable).parent / "harness"
CASES = ("cold", "edit", "usual", "null")


def timed(*arguments: str) -> tuple[float, str]:
    began = time.monotonic()
    argv = [str(HARNESS), *arguments]
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode not in (0, 1):
        sys.exit(f"{' '.join(argv)} exited with {done.returncode}")
    return round(time.monotonic() - began, 1), done.stdout


def forget(cache: Cache, *, objects: bool) -> None:
    """Drop linked programs and, for a cold start, the O= folders as well."""
    shutil.rmtree(cache.root / "replay", ignore_errors=True)
    if objects:
        shutil.rmtree(cache.objects, ignore_errors=True)


def tip_against_base(table: str) -> dict[str, object]:
    rows = json.loads(table)["rows"]
    return {
        kind: {name: rows[-1][kind][name] for name in ("ratio", "limit_share", "ns_per_page")}
        for kind in ("order0", "order9")
    }


def main() -> None:
    cache = Cache.default()
    timed("apply")
    for case in [a for a in sys.argv[1:] if a in CASES] or CASES:
        if case == "cold":
            forget(cache, objects=True)
            wall_s, table = timed("replay", "--json")
            result = {"wall_s": wall_s, "target_s": 90, "tip": tip_against_base(table)}
        elif case == "edit":
            # Remove only the tip's program, as an edit of the last patch would.
            timed("replay", "count")
            last = max((cache.root / "replay").glob("*/program.json"), key=os.path.getmtime)
            shutil.rmtree(last.parent)
            prefix = len(json.loads(timed("apply", "--json")[1])["patches"])
            wall_s, _ = timed("replay", "--prefix", str(prefix), "--json")
            result = {"wall_s": wall_s, "target_s": 15}
        elif case == "usual":
            prefixes = len(json.loads(timed("apply", "--json")[1])["patches"]) + 1
            shutil.rmtree(cache.kernels, ignore_errors=True)
            forget(cache, objects=True)
            build_s, _ = timed("build", "--prefix", "0")
            boot_s, _ = timed("measure", "--prefix", "0")
            # measure boots base and "tip", which is the same kernel here.
            result = {"build_s": build_s, "boot_s": boot_s / 2, "prefixes": prefixes}
            result["all_prefixes_s"] = round((build_s + boot_s / 2) * prefixes)
        else:
            wall_s, found = timed("replay", "null", "--tries", "100", "--json")
            result = {"wall_s": wall_s, **json.loads(found)}
        print(json.dumps({"case": case, **result}), flush=True)


if __name__ == "__main__":
    main()
