# SPDX-License-Identifier: GPL-2.0-only
"""A plan that names its builds: prefixes, settings, options and trees, each compared with base."""

import json
from pathlib import Path

import pytest

from harness.judge.conditions.comparable import identity
from harness.judge.ratios.ratios import effects
from harness.judge.tabulate import tabulate
from harness.record import store
from harness.record.record import BootRun
from tests.fakes.machine import FakeMachine
from tests.fakes.trees import edit, git

MEASURE = ("measure", "test", "--plan", "quick", "--accelerator", "tcg", "--json")
BUILDS = """\
builds:
  base: {}
  half: {patches: 1}
  slow: {kernel_options: [fake.slow=2]}
  traced: {kconfig: [more]}
  newer: {tree: newer}
"""


@pytest.fixture
def machine(tmp_path: Path) -> FakeMachine:
    made = FakeMachine(tmp_path)
    plan = made.root / "configs/plans/quick.yaml"
    plan.write_text(plan.read_text() + BUILDS)
    (made.root / "configs/kconfig/more.config").write_text("CONFIG_KPROBES=y\n")
    linux = made.folder / "linux"
    git(linux, "checkout", "-q", "-b", "newer", "main")
    edit(linux / "mm/mm_init.c", "60}", "20}")
    git(linux, "commit", "-qam", "mm/mm_init: another tree")
    trees = made.root / "configs/trees.yaml"
    trees.write_text(
        f"{trees.read_text()}newer: {{provider: git, repository: {str(linux)!r}, ref: newer}}\n"
    )
    return made


def test_each_build_is_booted_and_compared_with_base(machine: FakeMachine) -> None:
    done = machine.harness(*MEASURE)
    assert done.returncode == 0, done.stderr
    record = store.load(next((machine.root / "results").glob("*/*/record.json")))
    assert isinstance(record, BootRun)
    assert [b.name for b in record.builds] == ["base", "half", "slow", "traced", "newer"]
    assert [b.prefix for b in record.builds] == [0, 1, 0, 0, 0]
    assert [b.kernel_options for b in record.builds[1:3]] == [(), ("fake.slow=2",)]
    # Base and the setting share a kernel.
    assert len(list(machine.cache.kernels.glob("*"))) == 4
    found = {e.build: e.ratio for e in effects(tabulate(record)) if e.op == "rebind"}
    assert found == pytest.approx({"half": 0.5, "slow": 2, "traced": 1, "newer": 1 / 3})
    proofs = {one.build: one for one in identity(tabulate(record))}
    assert all(one.ok for one in proofs.values()), proofs
    assert [len(one.planned) for one in proofs.values()] == [0, 1, 1, 1]
    assert "build half" in done.stderr and "replay" not in done.stderr

    again = machine.harness(*MEASURE)
    assert json.loads(again.stdout)["run_id"] != record.run_id
    assert "build half" not in again.stderr


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("patches: 1", "patches: 3",
         "plan quick, key 'builds.half.patches': 3: the series has 2 patches; expected 0 to 2"),
        ("kconfig: [more]", "kconfig: [most]", "no Kconfig fragment 'most'"),
        ("tree: newer", "tree: newest", "no tree 'newest'"),
    ],
)  # fmt: skip
def test_a_build_that_cannot_be_made_is_refused_before_a_kernel_is_built(
    machine: FakeMachine, old: str, new: str, said: str
) -> None:
    edit(machine.root / "configs/plans/quick.yaml", old, new)
    done = machine.harness(*MEASURE)
    assert done.returncode == 2 and said in done.stderr, done.stderr
    assert not machine.cache.kernels.exists()


@pytest.mark.parametrize(
    "command",
    [
        (*MEASURE, "--prefix", "1"),
        (*MEASURE, "--fine-clock"),
        ("null", *MEASURE[1:]),
        ("reproduce", *MEASURE[1:], "--each-patch"),
    ],
)
def test_a_command_that_asks_for_other_builds_is_refused(
    machine: FakeMachine, command: tuple[str, ...]
) -> None:
    done = machine.harness(*command)
    assert done.returncode == 2
    assert "given with plan quick, which names the builds" in done.stderr
    assert "expected a plan without builds" in done.stderr
