# SPDX-License-Identifier: GPL-2.0-only
"""configs/ci/mm-ci on a real kernel: a good branch passes, a planted fault fails."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.host.cache import Cache
from harness.project.kernel import Tree
from harness.project.project import Project

pytestmark = pytest.mark.boot
TOP = Path(__file__).parents[2]
SCRIPT = TOP / "configs/ci/mm-ci/run-memmap-tests.sh"
PORT = TOP / "series/memcpy-streaming/ports/v7.2"
WRONG = TOP / "tests/data/wrong-series"


def git(folder: Path, *words: str | Path) -> str:
    own = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    argv = ["git", "-C", folder, *own, *words]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(scope="module")
def linux(cache: Cache, tree: Tree, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of the tree, with few of its files checked out, and a branch per series."""
    folder = tmp_path_factory.mktemp("mm-ci") / "linux"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "empty")
    objects = Path(git(cache.root / "trees.git", "rev-parse", "--absolute-git-dir")) / "objects"
    (folder / ".git/objects/info/alternates").write_text(f"{objects}\n")
    base = git(folder, "commit-tree", "-m", "Linux", f"{tree.commit}^{{tree}}")
    git(folder, "tag", "base", base)
    patterns = ["/Makefile", "/Kconfig", "/mm/", "/include/linux/", "/arch/x86/include/asm/"]
    git(folder, "sparse-checkout", "set", "--no-cone", *patterns)
    for name, mails in (
        ("good", sorted(PORT.glob("*.patch"))),
        ("wrong", [WRONG / "missing-refcount.mbox"]),
    ):
        git(folder, "checkout", "-q", "-b", name, "base")
        git(folder, "am", "-q", *mails)
    return folder


def run(project: Project, linux: Path, tip: str, **changes: str) -> tuple[int, list[str]]:
    env = {
        "LINUX_DIR": str(linux),
        "HARNESS": str(Path(sys.executable).with_name("harness")),
        "MEMMAP_HARNESS_ROOT": str(project.root),
        "BASE": "base",
        "TIP": tip,
        # CI machines may be slow.
        "TIMEOUT": "1700",
        **changes,
    }
    done = subprocess.run(
        [SCRIPT], env=os.environ | env, check=False, capture_output=True, text=True, timeout=3600
    )
    return done.returncode, done.stdout.splitlines()


def test_a_good_branch_passes(project: Project, linux: Path) -> None:
    code, lines = run(
        project, linux, "good", RULES="order0.traffic.ordinary==0 order9.traffic.whole>0.9"
    )
    assert code == 0, lines
    assert len(lines) == 1


def test_a_rule_that_does_not_hold_fails(project: Project, linux: Path) -> None:
    code, lines = run(project, linux, "good", RULES="order0@1.traffic.ordinary==0")
    assert (code, lines[-1]) == (
        1,
        "✗ memmap tests: a rule fails: ordinary of 1 is 1 lines per page: == 0 fails",
    )


def test_a_planted_fault_fails(project: Project, linux: Path) -> None:
    code, lines = run(project, linux, "wrong")
    assert code == 1
    assert lines[-1].startswith("✗ memmap tests: a commit leaves other struct pages than base")
    assert any("_refcount: 1, expected 0" in line for line in lines)
