# SPDX-License-Identifier: GPL-2.0-only
"""Fuzz the parsers, guided by coverage; needs the extra `fuzz` (atheris). Run by hand:

    .venv/bin/python -m tests.fuzz.fuzz [--seconds 600] [--jobs 2] [TARGET...]

Each target runs in a process of its own, from the seeds in corpus/<target>/, for `--seconds` of CPU
time, so that other load does not shorten it. Crashes are left in found/<target>/ (not in git). Copy
a crash to the corpus when it is fixed; tests/unit/test_parsers.py tries it from then on. Prints one
JSON object per target.
"""

import argparse
import json
import math
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
#: Limits of one input.
TIMEOUT_S, MEMORY_MB, MAX_LEN = 10, 2048, 1 << 16


def fuzz(name: str, arguments: list[str]) -> None:
    """Run one target until libFuzzer ends this process."""
    import atheris

    with atheris.instrument_imports(include=["harness"]):
        from tests.fuzz.targets import TARGETS
    atheris.Setup([sys.argv[0], *arguments], TARGETS[name])
    atheris.Fuzz()


def fuzzed(name: str, seconds: int) -> dict[str, Any]:
    """Fuzz one target in a process of its own and return the result."""
    found = HERE / "found" / name
    found.mkdir(parents=True, exist_ok=True)
    corpus = HERE / "corpus" / name
    folders = [str(found), *([str(corpus)] if corpus.is_dir() else [])]
    options = [f"-timeout={TIMEOUT_S}", f"-max_len={MAX_LEN}"]
    options += [f"-rss_limit_mb={MEMORY_MB}", f"-artifact_prefix={found}/crash-"]
    argv = [sys.executable, "-m", "tests.fuzz.fuzz", "--one", name, "--"]
    cpu_s, executions, covered, code, stderr = 0.0, 0, 0, 0, ""
    while code == 0 and cpu_s < seconds:
        # libFuzzer only limits wall time.
        limit = f"-max_total_time={math.ceil(seconds - cpu_s)}"
        code, spent_s, stderr = ended([*argv, limit, *options, *folders])
        cpu_s += spent_s
        executions += max((int(n) for n in re.findall(r"^#(\d+)", stderr, re.MULTILINE)), default=0)
        covered = max([covered, *(int(n) for n in re.findall(r"cov: (\d+)", stderr))])
    return {
        "target": name,
        "cpu_s": round(cpu_s),
        "executions": executions,
        "covered": covered,
        "exit_code": code,
        "stderr": stderr[-3000:] if code else "",
    }


def ended(argv: list[str]) -> tuple[int, float, str]:
    """Run a program; return its exit code, CPU seconds and error output."""
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        stderr = errors.read().decode(errors="replace")
    return process.returncode, usage.ru_utime + usage.ru_stime, stderr


def main() -> None:
    from tests.fuzz.targets import TARGETS

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("targets", nargs="*", choices=[[], *TARGETS])
    asked = parser.parse_args()
    failed = False
    with ThreadPoolExecutor(asked.jobs) as threads:
        names = asked.targets or list(TARGETS)
        for result in threads.map(lambda name: fuzzed(name, asked.seconds), names):
            print(json.dumps(result), flush=True)
            failed |= result["exit_code"] != 0
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        fuzz(sys.argv[2], sys.argv[4:])
    else:
        main()
