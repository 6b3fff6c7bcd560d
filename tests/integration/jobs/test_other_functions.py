# SPDX-License-Identifier: GPL-2.0-only
"""A series about a function that nothing measures: refused before any job is made."""

import subprocess
from pathlib import Path

import pytest

from tests.trees import edit
from tests.unit.jobs.test_matrix import PLAN
from tests.whole import Whole

OTHER = "memmap_init_range"


@pytest.fixture
def whole(tmp_path: Path) -> Whole:
    return Whole(tmp_path)


def retarget(whole: Whole, function: str = OTHER) -> None:
    edit(
        whole.root / "series/test/series.yaml",
        "function: memmap_init_zone_device",
        f"function: {function}",
    )


def refused(whole: Whole, done: subprocess.CompletedProcess[str]) -> None:
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    (line,) = done.stderr.splitlines()
    where = whole.root / "series/test/series.yaml"
    assert line == (
        f"harness: {where}: key 'function': {OTHER}() cannot be measured; expected "
        "memmap_init_zone_device. Use `harness apply`, `build`, `rebase` or `audit` for other "
        "functions"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("reproduce", "test", "--plan", "quick"),
        ("reproduce", "test", "--plan", "quick", "--version", "1"),
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
def test_nothing_is_run(whole: Whole, arguments: tuple[str, ...]) -> None:
    (whole.root / "configs/plans/matrix-quick.yaml").write_text(PLAN)
    retarget(whole)
    refused(whole, whole.harness(*arguments))
    assert not whole.cache.kernels.exists()
    assert not whole.cache.repository.exists()


def test_what_was_measured_before_is_not_judged_by_its_claims(whole: Whole) -> None:
    made = whole.harness("measure", "test", "--plan", "quick", "--accelerator", "tcg")
    assert made.returncode == 0, made.stderr
    retarget(whole)
    for command in ("judge", "report", "bundle"):
        refused(whole, whole.harness(command))


def test_what_works_for_any_function_still_does(whole: Whole) -> None:
    retarget(whole)
    done = whole.harness("apply", "test", "--tree", "v7.2")
    assert done.returncode == 0, done.stderr


def test_a_name_that_only_begins_like_it_is_another_function(whole: Whole) -> None:
    retarget(whole, "memmap_init_zone_device_fast")
    done = whole.harness("reproduce", "test", "--plan", "quick")
    assert done.returncode == 2
    assert "memmap_init_zone_device_fast() cannot be measured" in done.stderr
