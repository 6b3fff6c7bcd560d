# SPDX-License-Identifier: GPL-2.0-only
"""Compare the cost of all prefixes' kernels to one: `.venv/bin/python tests/bench/per_patch.py`.

Prints one JSON line about the cached kernels: CPU seconds of base and of every prefix, and their
sum divided by base's. The target for 7 patches is 3.5; built from scratch it would be 8. That only
holds if they were built in order in one O= folder. `--build` does that, in an empty cache.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from harness.host.cache import Cache
from harness.jobs.per_patch import changed_files, is_header
from harness.kernel import build, configure
from harness.project.kernel import Kernel
from harness.project.project import Project
from harness.series import apply, ports
from harness.trees.tree import fetch

HARNESS = Path(sys.executable).parent / "harness"
TARGET = 3.5
TREE, SLUG, PLAN = "v7.2", "memcpy-streaming", "quick"


@contextlib.contextmanager
def built() -> Iterator[Cache]:
    """Build every kernel from scratch, in the order of the series."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("XDG_CACHE_HOME")) as empty:
        argv = [str(HARNESS), "build", SLUG, "--tree", TREE, "--plan", PLAN, "--prefix", "all"]
        env = os.environ | {"XDG_CACHE_HOME": empty}
        subprocess.run(argv, env=env, check=True, stdout=sys.stderr)
        yield Cache(Path(empty) / "memmap-harness")


def report(cache: Cache) -> dict[str, object]:
    project = Project.find()
    tree = fetch(project, cache, TREE)
    source = ports.for_tree(project, SLUG, tree)
    applied = apply.apply(project, cache, SLUG, tree, source)
    how = configure.recipe(project, project.plan(PLAN).kconfig)
    cpu_s: dict[int, float] = {}
    at: list[float] = []
    for k in range(len(applied.patches) + 1):
        folder = cache.kernels / build.key(cache, applied.prefix(k), how)
        meta = folder / build.META
        if not meta.exists():
            return {"missing": k, "hint": "harness build --plan quick --prefix all"}
        cpu_s[k] = msgspec.json.decode(meta.read_bytes(), type=Kernel).cpu_s
        at.append(meta.stat().st_mtime)
    changed = changed_files(cache, applied)
    total = sum(cpu_s.values())
    return {
        "cpu_s": {k: round(v) for k, v in cpu_s.items()},
        "headers": {
            k: f for k, files in enumerate(changed, 1) if (f := [*filter(is_header, files)])
        },
        "in_order": at == sorted(at),
        "total_cpu_s": round(total),
        "ratio": round(total / cpu_s[0], 2),
        "target": TARGET,
    }


def main() -> None:
    if "--build" in sys.argv:
        with built() as cache:
            print(json.dumps(report(cache)))
    else:
        print(json.dumps(report(Cache.default())))


if __name__ == "__main__":
    main()
