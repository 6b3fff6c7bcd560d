# SPDX-License-Identifier: GPL-2.0-only
"""Two commits of a repository, measured as a user types it, over stand-ins."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from harness.record import store
from tests.fakes.machine import FakeMachine
from tests.fakes.trees import edit, everything, git

QUICK = ("--plan", "quick", "--accelerator", "tcg", "--json")


@pytest.fixture
def machine(tmp_path: Path) -> FakeMachine:
    """A machine whose repository has three commits on `main`, which tag `old` is on."""
    made = FakeMachine(tmp_path)
    linux = made.folder / "linux"
    git(linux, "tag", "old", "main")
    git(linux, "checkout", "-q", "-b", "merged", "main")
    edit(linux / "mm/mm_init.c", "60}", "30}")
    git(linux, "commit", "-qam", "mm/mm_init: in half the time")
    edit(linux / "mm/memremap.c", "512", "1024")
    git(linux, "commit", "-qam", "mm/memremap: map more")
    edit(linux / "mm/mm_init.c", "30}", "15}")
    git(linux, "commit", "-qam", "mm/mm_init: in half of that")
    return made


def linux(machine: FakeMachine) -> Path:
    return machine.folder / "linux"


def run(machine: FakeMachine, *words: str) -> subprocess.CompletedProcess[str]:
    return machine.harness(*words, "--repo", str(linux(machine)))


def made(done: subprocess.CompletedProcess[str]) -> tuple[dict[str, Any], Any]:
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found, store.load(Path(found["record"]))


def test_base_and_tip_are_two_commits(machine: FakeMachine) -> None:
    before = everything(linux(machine))
    done = run(machine, "reproduce", "--base", "old", "--tip", "merged", *QUICK)
    found, record = made(done)
    assert f"old..merged of {linux(machine)}, compared" in done.stderr
    for driver in found["metrics"].values():
        assert (driver["base"]["rebind_mean_ms"], driver["tip"]["rebind_mean_ms"]) == (60, 15)
    assert {one["verdict"] for one in found["verdicts"]} == {"untested"}
    assert all(one["claimed_percent"] is None for one in found["verdicts"])
    subject = record.subject
    assert (subject.slug, subject.source) == ("old-merged", "old..merged")
    assert [line.partition(" ")[2] for line in subject.commits] == [
        "mm/mm_init: in half of that",
        "mm/mm_init: in half the time",
    ]
    assert subject.other_commits == 1
    shown = machine.harness("report")
    assert "1 other commit between base and tip: no claim of a series is judged" in shown.stdout
    assert everything(linux(machine)) == before


def test_base_is_the_tip_without_some_commits(machine: FakeMachine) -> None:
    before = everything(linux(machine))
    chosen = ("--without", "merged~2", "--without", "merged")
    found, record = made(run(machine, "reproduce", "--tip", "merged", *chosen, *QUICK))
    for driver in found["metrics"].values():
        assert (driver["base"]["rebind_mean_ms"], driver["tip"]["rebind_mean_ms"]) == (60, 15)
    assert record.subject.patch_subjects == (
        "mm/mm_init: in half the time",
        "mm/mm_init: in half of that",
    )
    assert record.subject.source == "merged without 2 commits"
    assert record.tip.files == ("mm/mm_init.c",)
    assert everything(linux(machine)) == before


def test_each_prefix_has_one_commit_more(machine: FakeMachine) -> None:
    chosen = ("--without", "old..merged", "--each-patch")
    _, record = made(run(machine, "reproduce", "--tip", "merged", *chosen, *QUICK))
    assert [build.files for build in record.builds] == [
        (),
        ("mm/mm_init.c",),
        ("mm/memremap.c", "mm/mm_init.c"),
        ("mm/memremap.c", "mm/mm_init.c"),
    ]


def test_a_commit_that_others_build_on_is_a_conflict(machine: FakeMachine) -> None:
    done = run(machine, "measure", "--tip", "merged", "--without", "merged~2", *QUICK)
    assert done.returncode == 3
    assert "(mm/mm_init: in half the time) cannot be reverted on merged" in done.stderr
    assert "mm/mm_init.c:" in done.stderr
    assert "  | @@" in done.stderr
    again = run(machine, "measure", "--tip", "merged", "--without", "merged", *QUICK)
    assert again.returncode == 0, again.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--tip", "merged"), "--tip: needs another commit to compare with"),
        (("--tip", "merged", "--base", "old", "--without", "merged"), "given with --base"),
        (("--tip", "nonesuch", "--base", "old"), "no revision 'nonesuch'"),
        (("--tip", "merged", "--base", "-x"), "no revision '-x'"),
        (("--tip", "merged", "--base", "merged~0"), "as merged~0 is"),
        (("--without", "merged"), "given without --tip"),
        (("test", "--tip", "merged", "--base", "old"), "given with WHAT"),
        (("--tip", "old", "--without", "merged"), "is not in old"),
        (("--tip", "old", "--without", "old"), "has no parent in this repository"),
        (("--tip", "merged", "--without", "merged..merged"), "has no commits"),
    ],
)
def test_bad_input_is_one_line(machine: FakeMachine, words: tuple[str, ...], message: str) -> None:
    done = run(machine, "measure", *words, *QUICK)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_merges_and_empty_commits_cannot_be_reverted(machine: FakeMachine) -> None:
    place = linux(machine)
    git(place, "commit", "-q", "--allow-empty", "-m", "nothing")
    git(place, "checkout", "-q", "-b", "side", "old")
    edit(place / "Kconfig", "config", "config")
    git(place, "commit", "-q", "--allow-empty", "-m", "side")
    git(place, "checkout", "-q", "merged")
    git(place, "merge", "-q", "--no-ff", "-m", "merge", "side")
    for commit, message in (("merged", "is a merge"), ("merged^", "changes nothing")):
        done = run(machine, "measure", "--tip", "merged", "--without", commit, *QUICK)
        assert done.returncode == 2
        assert message in done.stderr
