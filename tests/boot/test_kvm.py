# SPDX-License-Identifier: GPL-2.0-only
"""Runs tests/kvm/inside.py in an emulated host whose KVM works."""

import sys
import time
from pathlib import Path

import pytest

from harness.guest.qemu.cpu_models import SAFE_HOST
from harness.host.cache import Cache
from harness.kernel import build, configure
from harness.project.kernel import Tree
from harness.project.project import Project
from harness.record.applied import Applied
from tests.boot.conftest import missing
from tests.kvm import machine

pytestmark = pytest.mark.boot
ROOT = Path(__file__).parent.parent.parent
#: Without plugins that take long to import there.
LEAN = ("--noconftest", "-pno:cacheprovider", "-pno:hypothesispytest", "-pno:xdist")
INSIDE = ("-m", "pytest", "-v", "-x", "--durations=0", *LEAN, "tests/kvm/inside.py")
#: Plan `quick` with the fewest bindings, of a quarter of its size. The plans `panics` and `hangs`
#: keep the kernel from its root.
PLAN = """\
description: {what}
guest: pmem-1g
rebinds: 1
kconfig: [guest, nvdimm, timing, icelake]
boots: {{kvm: 1, tcg: 1}}
boot_s: {boot_s}
"""
#: What the harness finds by itself with plan `kvm`, by booting with one model after the other.
KNOWN_CPU = f"cpu_model: {SAFE_HOST!r}\n"


@pytest.fixture
def kvm_project(project: Project, tmp_path: Path) -> Project:
    """A checkout whose results the emulated host may write, with plans of few bindings."""
    for folder in ("series", "guests"):
        (tmp_path / folder).symlink_to((project.root / folder).resolve())
    plans = tmp_path / "configs" / "plans"
    plans.mkdir(parents=True)
    for entry in project.configs.iterdir():
        if entry.name != "plans":
            (plans.parent / entry.name).symlink_to(entry.resolve())
    (plans / "kvm.yaml").write_text(PLAN.format(what="base and tip once", boot_s=180))
    for name, boot_s, option in (
        ("panics", 60, "rootfstype=none"),
        ("hangs", 3, "rootdelay=99999"),
    ):
        plan = PLAN.format(what="never mounts its root", boot_s=boot_s)
        (plans / f"{name}.yaml").write_text(f"{plan}kernel_options: [{option}]\n{KNOWN_CPU}")
    return Project(tmp_path)


def test_under_a_kvm_that_works(
    kvm_project: Project, cache: Cache, tree: Tree, applied: Applied, tmp_path: Path
) -> None:
    if reason := machine.lacks_svm(tmp_path / "svm.log"):
        missing(reason)
    recipe = configure.recipe(kvm_project, kvm_project.plan("kvm").kconfig)
    for commit in (tree.commit, applied.tip):
        build.build(cache, tree, commit, recipe)
    kernel = machine.kernel(kvm_project, cache)
    started = time.monotonic()
    ended = machine.run(
        cache,
        Path(kernel.image),
        [sys.executable, *INSIDE],
        folder=ROOT,
        results=kvm_project.results,
        log=tmp_path / "console.log",
        seconds=1800,
        env={"MEMMAP_HARNESS_ROOT": str(kvm_project.root)},
        on_line=lambda line: sys.stdout.write(f"{time.monotonic() - started:6.1f}  {line}\n"),
    )
    assert ended.exit_code == 0, ended.output
