# SPDX-License-Identifier: GPL-2.0-only
"""The workload boot_message from series.yaml to a verdict: one boot is one sample."""

import json
from pathlib import Path

import pytest

from harness.record import store
from harness.record.record import BootRun
from tests.fakes.machine import FakeMachine, add_bubblewrap
from tests.fakes.trees import edit

SERIES = """\
workload: boot_message
messages:
  deferred:
    pattern: 'node (?P<node>\\d+) deferred pages initialised in (?P<value>\\w+)ms'
    unit: ms
function: page_alloc_init_late
"""
GUEST = "description: memory alone\nmemory: 1G\nnamespaces: []\n"
SETTING = """\
title: a setting
workload: boot_message
messages: {deferred: {pattern: 'pages initialised in (?P<value>\\d+)ms', unit: ms}}
function: f
object: mm/f.o
port_of: 0
versions: []
"""
BUILDS = "builds: {base: {}, slow: {kernel_options: [fake.slow=2]}}\n"
OPTIONS = ("--plan", "quick", "--accelerator", "tcg")


@pytest.fixture
def machine(tmp_path: Path) -> FakeMachine:
    made = FakeMachine(tmp_path)
    edit(made.root / "series/test/series.yaml", "function: memmap_init_zone_device\n", SERIES)
    (made.root / "guests/pmem-128m.yaml").write_text(GUEST)
    edit(made.root / "configs/plans/quick.yaml", "rebinds: 2", "rebinds: 1")
    return made


def measured(machine: FakeMachine) -> BootRun:
    record = store.load(next((machine.root / "results").glob("*/*/record.json")))
    assert isinstance(record, BootRun)
    return record


def test_a_boot_is_a_sample(machine: FakeMachine) -> None:
    done = machine.harness("reproduce", "test", *OPTIONS)
    assert done.returncode == 0, done.stderr
    record = measured(machine)
    assert record.subject.workload == "boot_message"
    assert record.setup.nr_pages == {"deferred": 0}
    found = {(b.build, b.number): [(s.metric, s.ns) for s in b.samples] for b in record.boots}
    assert found == {
        (build, number): [("deferred", ms * 10**6)]
        for build, ms in (("base", 120), ("tip", 60))
        for number in (1, 2)
    }
    assert all(boot.counts for boot in record.boots)
    assert store.replay_beside(store.folder_of(machine.project.results, record)) is None
    shown = machine.harness("report").stdout
    assert "120.00" in shown and "60.00" in shown
    assert "average of 2 boots" in shown
    assert "rebind" not in shown and "binding" not in shown, shown
    assert "deferred" in machine.harness("judge").stdout


def test_instructions_are_compared_per_boot(machine: FakeMachine) -> None:
    edit(machine.root / "configs/plans/quick.yaml", "boot_s: 60", "boot_s: 60\nclock: icount")
    done = machine.harness("reproduce", "test", "--plan", "quick", "--json")
    assert done.returncode == 0, done.stderr
    (effect,) = json.loads(done.stdout)["effects"]
    assert (effect["ratio"], effect["base_cost"], effect["build_cost"]) == (0.5, 12e7, 6e7)


@pytest.mark.parametrize(
    ("flaw", "said"),
    [
        ("no-message", "0 of 1; message 1: missing"),
        ("two-messages", "1 of 1; message 2: not asked for"),
        ("no-number", "line cut"),
    ],
)
def test_a_boot_without_exactly_one_figure_does_not_count(
    machine: FakeMachine, flaw: str, said: str
) -> None:
    add_bubblewrap(machine.programs, MEMMAP_HARNESS_FAKE_FLAW=flaw)
    machine.harness("measure", "test", *OPTIONS)
    record = measured(machine)
    failed = [check for boot in record.boots for check in boot.checks if not check.ok]
    assert failed and said in " ".join(check.detail for check in failed)
    assert not any(boot.counts for boot in record.boots)


def test_a_setting_needs_no_patches(machine: FakeMachine) -> None:
    folder = machine.root / "series/setting"
    folder.mkdir()
    (folder / "series.yaml").write_text(SETTING)
    refused = machine.harness("measure", "setting", *OPTIONS)
    assert refused.returncode == 2
    assert "plan quick names no builds, and the series setting has no patches" in refused.stderr
    plan = machine.root / "configs/plans/quick.yaml"
    plan.write_text(plan.read_text() + BUILDS)
    done = machine.harness("measure", "setting", *OPTIONS)
    assert done.returncode == 0, done.stderr
    record = measured(machine)
    means = {b.build: b.samples[0].ns for b in record.boots}
    assert means == {"base": 120 * 10**6, "slow": 240 * 10**6}
    assert len(list(machine.cache.kernels.glob("*"))) == 1
    shown = machine.harness("report").stdout
    assert "setting (no patches, builds of plan quick)" in shown


def test_clocks_are_not_compared_without_a_function_to_probe(machine: FakeMachine) -> None:
    done = machine.harness("measure", "test", *OPTIONS, "--fine-clock")
    assert done.returncode == 2
    assert done.stderr == (
        "harness: --fine-clock: probes cannot time what workload boot_message measures; expected a "
        "workload that measures one function\n"
    )
    assert not machine.cache.kernels.exists()
