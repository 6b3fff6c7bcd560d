# SPDX-License-Identifier: GPL-2.0-only
"""A series about a function that nothing measures: refused before any job is made."""

import subprocess
from pathlib import Path

import pytest

from tests.fakes.machine import FakeMachine
from tests.fakes.trees import edit
from tests.unit.jobs.test_matrix import PLAN

OTHER = "memmap_init_range"


@pytest.fixture
def machine(tmp_path: Path) -> FakeMachine:
    return FakeMachine(tmp_path)


def retarget(machine: FakeMachine, function: str = OTHER) -> None:
    edit(
        machine.root / "series/test/series.yaml",
        "function: memmap_init_zone_device",
        f"function: {function}",
    )


def refused(machine: FakeMachine, done: subprocess.CompletedProcess[str]) -> None:
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    (line,) = done.stderr.splitlines()
    where = machine.root / "series/test/series.yaml"
    assert line == (
        f"harness: {where}:2: key 'function': {OTHER}() cannot be measured; expected "
        "memmap_init_zone_device. Use `harness apply`, `build`, `rebase` or `audit` for other "
        "functions"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("reproduce", "test", "--plan", "quick"),
        ("reproduce", "test", "--plan", "quick", "--each-patch"),
        ("measure", "test", "--plan", "quick"),
        ("null", "test", "--plan", "quick"),
        ("null", "test", "--plan", "quick", "--replay"),
        ("replay", "test", "--plan", "quick", "--size", "128M"),
        ("matrix", "quick", "test"),
        ("watch", "test", "--tree", "v7.2"),
        ("plan", "quick", "--series", "test", "--format", "github"),
    ],
    ids=" ".join,
)
def test_nothing_is_run(machine: FakeMachine, arguments: tuple[str, ...]) -> None:
    (machine.root / "configs/plans/matrix-quick.yaml").write_text(PLAN)
    retarget(machine)
    refused(machine, machine.harness(*arguments))
    assert not machine.cache.kernels.exists()
    assert not machine.cache.repository.exists()


def test_what_was_measured_before_is_not_judged_by_its_claims(machine: FakeMachine) -> None:
    made = machine.harness("measure", "test", "--plan", "quick", "--accelerator", "tcg")
    assert made.returncode == 0, made.stderr
    retarget(machine)
    for command in ("judge", "report", "bundle"):
        refused(machine, machine.harness(command))


def test_what_works_for_any_function_still_does(machine: FakeMachine) -> None:
    retarget(machine)
    done = machine.harness("apply", "test", "--tree", "v7.2")
    assert done.returncode == 0, done.stderr


def test_a_name_that_only_begins_like_it_is_another_function(machine: FakeMachine) -> None:
    retarget(machine, "memmap_init_zone_device_fast")
    done = machine.harness("reproduce", "test", "--plan", "quick")
    assert done.returncode == 2
    assert "memmap_init_zone_device_fast() cannot be measured" in done.stderr
