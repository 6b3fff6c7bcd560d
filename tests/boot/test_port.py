# SPDX-License-Identifier: GPL-2.0-only
"""Our ports, held to what a maintainer would hold a posted series to: every prefix, no warnings."""

import shutil
from pathlib import Path

import pytest

from harness.host.cache import Cache
from harness.host.processes import process
from harness.kernel import build, configure
from harness.project.kernel import Tree
from harness.project.project import Project
from harness.record.applied import Applied
from harness.trees.tree import checked_out
from tests.boot.conftest import missing

pytestmark = pytest.mark.boot
OBJECT = "mm/mm_init.o"


def warnings(lines: list[str]) -> list[str]:
    return [line for line in lines if ": warning: " in line or ": error: " in line]


def test_every_prefix_compiles_without_a_warning_at_w_1(
    project: Project, cache: Cache, tree: Tree, applied: Applied
) -> None:
    how = configure.recipe(project, project.plan("quick").kconfig)
    for k in range(len(applied.patches) + 1):
        heard: list[str] = []
        with build.objects(cache, tree, applied.prefix(k), how) as make:
            (make.output.path / OBJECT).unlink(missing_ok=True)
            make("W=1", OBJECT, on_line=heard.append)
            assert (make.output.path / OBJECT).is_file()
        assert warnings(heard) == [], f"prefix {k}"


def test_sparse_finds_nothing_that_base_does_not_have(
    project: Project, cache: Cache, tree: Tree, applied: Applied
) -> None:
    if shutil.which("sparse") is None:
        missing("sparse is not installed")
    how = configure.recipe(project, project.plan("quick").kconfig)
    found = []
    for commit in (applied.base, applied.tip):
        heard: list[str] = []
        with build.objects(cache, tree, commit, how) as make:
            (make.output.path / OBJECT).unlink(missing_ok=True)
            make("C=2", OBJECT, on_line=heard.append, ok=None)
        # Line numbers move with the patches; what is said must not.
        found.append({line.partition(": ")[2] for line in warnings(heard)})
    base, tip = found
    assert tip - base == set()


def test_the_fallback_compiles_for_arm64(
    project: Project, cache: Cache, tree: Tree, applied: Applied, tmp_path: Path
) -> None:
    if shutil.which("aarch64-linux-gnu-gcc") is None:
        missing("aarch64-linux-gnu-gcc is not installed")
    deadline = process.Deadline(1200)
    heard: list[str] = []
    with checked_out(cache, tree, applied.tip) as source:
        make = ["make", "-j2", "-C", str(source), f"O={tmp_path}", "ARCH=arm64"]
        make += ["CROSS_COMPILE=aarch64-linux-gnu-"]
        fragment = tmp_path / "arm64.config"
        names = "MEMORY_HOTPLUG MEMORY_HOTREMOVE ZONE_DEVICE SPARSEMEM_VMEMMAP TRANSPARENT_HUGEPAGE"
        fragment.write_text("".join(f"CONFIG_{name}=y\n" for name in names.split()))
        log = tmp_path / "log"
        process.run(
            [*make, f"KCONFIG_ALLCONFIG={fragment}", "allnoconfig"], log=log, deadline=deadline
        )
        assert "CONFIG_ZONE_DEVICE=y" in (tmp_path / ".config").read_text()
        process.run([*make, "W=1", OBJECT], log=log, deadline=deadline, on_line=heard.append)
    assert warnings(heard) == []


@pytest.mark.parametrize("base", Project.find().series("memcpy-streaming").ports)
def test_checkpatch_has_nothing_to_say(
    project: Project, cache: Cache, tree: Tree, base: str, tmp_path: Path
) -> None:
    patches = sorted((project.series_folder / "memcpy-streaming/ports" / base).glob("*.patch"))
    assert patches
    with checked_out(cache, tree, tree.commit) as source:
        argv = ["perl", "scripts/checkpatch.pl", "--strict", "--no-tree", "--no-signoff"]
        done = process.run(
            [*argv, *map(str, patches)],
            log=tmp_path / "log",
            deadline=process.Deadline(300),
            cwd=source,
            ok=(0, 1),
        )
    said = [
        line for line in done.stdout.splitlines() if line.startswith(("ERROR", "WARN", "CHECK"))
    ]
    assert said == []
    assert done.stdout.count("has no obvious style problems") == len(patches)
