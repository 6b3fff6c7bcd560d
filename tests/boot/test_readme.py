# SPDX-License-Identifier: GPL-2.0-only
"""Every command that README and docs/usage.md show, run for real, in order, with its exit code."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from harness.project.project import Project
from harness.series.mails import b4
from tests.boot.test_reproduce import harness

pytestmark = pytest.mark.boot

ROOT = Project.find().root
SHOWN = "".join((ROOT / name).read_text() for name in ("README.md", "docs/usage.md"))
COMMANDS = list(dict.fromkeys(re.findall(r"\./bootstrap ([a-z][^`#\n]*[^`#\n ])", SHOWN)))
#: Codes other than 0. Lore is out of many machines' reach, which must be said, not hidden.
CODES = {
    "reproduce --plan quick --require-verdict": {0, 1},
    "judge --require supported": {0, 1},
    "series fetch memcpy-streaming@v2": {0, 69},
    # Where clang-19 is not installed.
    "replay --compiler gcc,clang-19": {0, 69},
}
#: Run by other tests: they would take too long here, or change the checkout.
ELSEWHERE = {
    "test": "bootstrap test is what runs this",
    "link": "tests/unit/test_bootstrap.py",
    "reproduce --plan quick --fine-clock": "tests/boot/test_fine_clock.py",
    "null": "tests/integration/jobs/test_reproduce.py",
    "procedure >rebind.sh": "tests/boot/test_procedure.py",
    "import-logs --base b1.log b2.log b3.log --tip t1.log t2.log t3.log": (
        "tests/boot/test_procedure.py"
    ),
    "import-logs --base dmesg-base.txt --tip dmesg-tip.txt --driver nd_pmem": (
        "tests/boot/test_reproduce.py"
    ),
    "bisect v7.2 v7.3 --repo ~/linux --memmap": "tests/integration/jobs/test_bisect.py",
    "watch --tree v7.3 --check": "tests/integration/jobs/test_watch.py",
    "reproduce --plan quick --each-patch": "tests/integration/jobs/test_per_patch.py",
    "matrix quick": "tests/integration/jobs/test_matrix.py",
    "matrix": "tests/integration/jobs/test_matrix.py",
    "cache prune --limit 20G": "tests/integration/doctor/test_prune.py",
    "b4-check": "tests/unit/cli/test_report.py",
}
HERE = [c for c in COMMANDS if c not in ELSEWHERE and c.split()[0] != "test"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the user is: what one command leaves there, a later one may read."""
    place = tmp_path_factory.mktemp("readme")
    patches = sorted((ROOT / "series/memcpy-streaming/ports/v7.2").glob("*.patch"))
    (place / "my-series.mbox").write_bytes(b4.mbox([p.read_bytes() for p in patches]))
    shutil.copy(ROOT / "tests/data/mail/claims-v2.mbox", place / "mail.txt")
    return place


def words(command: str, results: Path) -> list[str]:
    """The command's words, with the newest run in the place of RUN."""
    runs = sorted(results.glob("*/*/record.json"), key=lambda path: path.parent.name)
    newest = runs[-1].parent.name if runs else "none"
    return [word.replace("RUN", newest) for word in shlex.split(command)]


def test_the_readme_shows_what_is_asked_for() -> None:
    assert {"reproduce", "reproduce --plan quick", "doctor", "test"} <= set(COMMANDS)
    assert set(CODES) | set(ELSEWHERE) <= set(COMMANDS)
    tests = [where for where in ELSEWHERE.values() if where.startswith("tests/")]
    assert all((ROOT / where).is_file() for where in tests)


@pytest.mark.parametrize("line", HERE)
def test_the_readmes_command_works(
    line: str, results: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    for command in line.split(" && ./bootstrap "):
        before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
        done = harness(results, *words(command, results), seconds=3600)
        assert done.returncode in CODES.get(line, {0}), done.stderr
        after = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
        if done.returncode == 0:
            assert done.stdout.strip() or after != before, "it showed and left nothing"
        else:
            assert "Traceback" not in done.stderr
