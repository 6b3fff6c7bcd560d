# SPDX-License-Identifier: GPL-2.0-only
"""`harness reproduce --each-patch` as a user types it, over stand-ins."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from harness.record import store
from tests.fakes.machine import SERIES, FakeMachine
from tests.fakes.trees import edit, git
from tests.unit.jobs.test_matrix import PLAN as MATRIX

EACH_PATCH = ("reproduce", "test", "--plan", "quick", "--accelerator", "tcg", "--each-patch")


@pytest.fixture
def machine(tmp_path: Path) -> FakeMachine:
    return FakeMachine(tmp_path)


CLAIM = """
claims:
  - {version: 1, metric: nd_pmem, guest: pmem-128m, rebinds: 2, reduction_percent: 51}
"""


def result(done: subprocess.CompletedProcess[str], code: int = 0) -> dict[str, Any]:
    assert done.returncode == code, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def port(machine: FakeMachine, number: int) -> Path:
    (found,) = (machine.root / "series/test/ports/v7.2").glob(f"{number:04}-*")
    return found


def test_every_prefix_is_a_build_and_the_report_shows_each_patch(machine: FakeMachine) -> None:
    made = result(machine.harness(*EACH_PATCH, "--json"))
    assert made["bisectable"]
    assert [prefix["prefix"] for prefix in made["prefixes"]] == [0, 1, 2]
    base, first, second = made["prefixes"]
    assert [prefix["memmaps"] for prefix in made["prefixes"]] == ["equal"] * 3
    assert base["metrics"]["nd_pmem"]["mean_ms"] == 60
    assert first["metrics"]["nd_pmem"] == {
        "mean_ms": 30, "first_ms": 150, "below_base_percent": 50, "below_parent_percent": 50
    }  # fmt: skip
    assert second["metrics"]["nd_pmem"]["below_parent_percent"] == 0
    assert first["title"] == "mm/mm_init: in half the time"
    assert first["new_warnings"] == second["new_warnings"] == []

    record = store.load(Path(made["record"]))
    assert [(build.name, build.prefix) for build in record.builds] == [
        ("base", 0),
        ("1", 1),
        ("2", 2),
    ]
    assert len(record.boots) == 6
    shown = machine.harness("report", record.run_id)
    assert shown.returncode == 0
    assert "bisectable: every prefix builds" in " ".join(shown.stdout.split())


def test_what_reproduce_built_is_not_built_again_and_the_rest_in_the_cheaper_order(
    machine: FakeMachine,
) -> None:
    machine.harness(*EACH_PATCH[:-1])
    done = machine.harness(*EACH_PATCH, "--json")
    result(done)
    assert "to build: 1; headers change in: none\n" in done.stderr
    assert "built 1" in done.stderr
    assert "built base" not in done.stderr


def test_a_warning_that_a_patch_adds_is_its_own(machine: FakeMachine) -> None:
    with (machine.folder / "linux/Makefile").open("a") as makefile:
        makefile.write("\noverride CC := $(CC) -Wall\n")
    # Base warns as well, of a line that the patch moves.
    with (machine.folder / "linux/mm/mm_init.c").open("a") as source:
        source.write("\nstatic int old;\n")
    git(machine.folder / "linux", "commit", "-qam", "warn")
    git(machine.folder / "linux", "branch", "-qf", "main", "HEAD")
    text = port(machine, 1).read_text()
    hunk, _, rest = text.partition("+const char fake_kernel")
    body = "+static int spare;\n"
    old, new = "@@ -2,7 +2,7 @@", "@@ -2,7 +2,8 @@"
    assert old in text, text
    port(machine, 1).write_text((hunk + body + "+const char fake_kernel" + rest).replace(old, new))
    made = result(machine.harness(*EACH_PATCH, "--json"), code=1)
    message = [prefix["new_warnings"] for prefix in made["prefixes"]]
    assert message[0] is None
    (only,) = message[1]
    assert only.startswith("mm/mm_init.c: ")
    assert "spare" in only
    assert message[2] == []
    assert made["bisectable"]
    assert not made["prefixes"][1]["holds"]
    shown = machine.harness("report")
    assert "patch 1 adds a warning: mm/mm_init.c: " in " ".join(shown.stdout.split())


def test_a_patch_that_does_not_build_is_named_the_others_are_measured(
    machine: FakeMachine,
) -> None:
    edit(port(machine, 1), "+const char fake_kernel[] = ", "+const char fake_kernel[] = nonesuch ")
    done = machine.harness(*EACH_PATCH, "--json")
    made = result(done, code=3)
    assert not made["bisectable"]
    assert [prefix["builds"] for prefix in made["prefixes"]] == [True, False, False]
    assert made["prefixes"][0]["boots"]
    assert "does not build" in made["prefixes"][1]["why"]
    shown = machine.harness("report")
    assert "patch 1: the kernel does not build" in shown.stdout
    assert "mm_init.c" in shown.stdout


def test_base_that_does_not_build_is_not_due_to_a_patch(machine: FakeMachine) -> None:
    linux = machine.folder / "linux"
    (linux / "knobs.mk").write_text("FAIL := vmlinux\n")
    git(linux, "add", "knobs.mk")
    git(linux, "commit", "-qm", "broken")
    git(linux, "branch", "-qf", "main", "HEAD")
    done = machine.harness(*EACH_PATCH)
    assert done.returncode == 3
    assert "the kernel does not build" in done.stderr
    assert store.runs(machine.project.results) == []


def test_a_prefix_that_does_not_boot_costs_its_own_build(machine: FakeMachine) -> None:
    edit(port(machine, 1), "30}", '30, \\"flaws\\": [\\"panic\\"]}')
    made = result(machine.harness(*EACH_PATCH, "--json"), code=1)
    assert made["outcome"] == "failed"
    assert [prefix["boots"] for prefix in made["prefixes"]] == [True, False, False]
    assert "panicked" in made["prefixes"][1]["why"]
    # A build that is lost is not booted again: two of base, one of each patch.
    assert len(store.load(Path(made["record"])).boots) == 4


def test_struct_pages_that_differ_fail_the_run(machine: FakeMachine) -> None:
    edit(port(machine, 1), "30}", '30, \\"flaws\\": [\\"memmap\\"]}')
    made = result(machine.harness(*EACH_PATCH, "--json"), code=1)
    assert [prefix["memmaps"] for prefix in made["prefixes"]] == ["equal", "differs", "differs"]
    assert made["prefixes"][1]["why"] == "its struct pages are not as base's"
    assert not made["bisectable"]


def test_claims_stand_beside_the_prefix_that_they_are_made_after(machine: FakeMachine) -> None:
    with (machine.root / "series/test/series.yaml").open("a") as series:
        series.write(
            "claims:\n"
            "  - {version: 1, metric: nd_pmem, guest: pmem-128m, rebinds: 2, after_patch: 1,\n"
            "     reduction_percent: 49.0}\n"
            "  - {version: 1, metric: nd_pmem, guest: pmem-128m, rebinds: 2,\n"
            "     reduction_percent: 51.0}\n"
        )
    made = result(machine.harness(*EACH_PATCH, "--json"))
    claims = {
        one["prefix"]: [(c["metric"], c["claimed_percent"], c["verdict"]) for c in one["claims"]]
        for one in made["prefixes"]
    }
    assert claims == {0: [], 1: [("nd_pmem", 49.0, "untested")], 2: [("nd_pmem", 51.0, "untested")]}
    strict = machine.harness(*EACH_PATCH, "--require-verdict")
    assert strict.returncode == 1


def test_a_prefix_with_each_patch_is_refused(machine: FakeMachine) -> None:
    done = machine.harness(*EACH_PATCH, "--prefix", "1")
    assert done.returncode == 2
    assert "--prefix: given with --each-patch; expected one of them" in done.stderr


def test_a_follow_up_is_one_more_build_that_no_claim_is_about(machine: FakeMachine) -> None:
    (machine.root / "series/test/series.yaml").write_text(SERIES + CLAIM)
    made = result(machine.harness(*EACH_PATCH, "--follow-up", "--json"))
    assert made["bisectable"]
    assert [one["name"] for one in made["prefixes"]] == ["base", "1", "2", "follow-up"]
    whole, own = made["prefixes"][2:]
    assert own["metrics"]["nd_pmem"] == {
        "mean_ms": 15, "first_ms": 75, "below_base_percent": 75, "below_parent_percent": 50
    }  # fmt: skip
    assert (len(whole["claims"]), own["claims"], own["new_warnings"]) == (1, [], [])
    record = store.load(Path(made["record"]))
    assert record.builds[-1].kind == "follow-up"
    assert len(record.builds[-1].own_patch_ids) == 1
    # One more patch than the series has: another commit, another kernel.
    assert len({(build.commit, build.build_id) for build in record.builds}) == 4


def test_a_follow_up_without_each_patch_is_refused(machine: FakeMachine) -> None:
    done = machine.harness(*EACH_PATCH[:-1], "--follow-up")
    assert done.returncode == 2
    assert "--follow-up: given without --each-patch; expected both, or neither" in done.stderr


def test_a_series_without_a_follow_up_says_so(machine: FakeMachine) -> None:
    file = machine.root / "series/test/series.yaml"
    file.write_text(file.read_text().replace("follow_up:", "# follow_up:"))
    done = machine.harness("build", "test", "--plan", "quick", "--follow-up")
    assert done.returncode == 2
    assert "series.yaml: has no follow-up; expected key follow_up" in done.stderr


def test_a_follow_up_that_does_not_build_ends_the_run(machine: FakeMachine) -> None:
    (file,) = (machine.root / "series/test/follow-ups/v7.2").iterdir()
    edit(file, "+const char fake_kernel[] = ", "+const char fake_kernel[] = nonesuch ")
    done = machine.harness(*EACH_PATCH, "--follow-up")
    assert done.returncode == 3, done.stderr
    assert "the kernel does not build" in done.stderr
    assert store.runs(machine.project.results) == []


def test_an_interrupted_run_continues(machine: FakeMachine) -> None:
    exit_code, _ = machine.interrupted("boot 2 of 6", *EACH_PATCH)
    assert exit_code == 130
    (run,) = store.runs(machine.project.results)
    stored = store.load(run).boots
    assert 1 <= len(stored) < 6
    made = result(machine.harness(*EACH_PATCH, "--json"))
    assert made["record"] == str(run / store.FILE)
    assert store.load(run).boots[: len(stored)] == stored


@pytest.mark.parametrize("verb", [EACH_PATCH, ("matrix", "quick", "test", "--accelerator", "tcg")])
def test_a_third_party_series_is_not_built_unconfined(
    machine: FakeMachine, tmp_path: Path, verb: tuple[str, ...]
) -> None:
    (machine.root / "configs/plans/matrix-quick.yaml").write_text(MATRIX)
    mbox = tmp_path / "mbox"
    ports = sorted((machine.root / "series/test/ports/v7.2").glob("*.patch"))
    mbox.write_bytes(b"".join(port.read_bytes() for port in ports))
    (machine.programs / "bwrap").write_text("#!/bin/sh\necho no namespaces here >&2\nexit 1\n")
    done = machine.harness(*verb, "--mbox", str(mbox))
    assert done.returncode == 69, done.stderr
    assert "bubblewrap does not work here (no namespaces here)" in done.stderr
    assert not machine.cache.kernels.exists()
    # Ours is built, as any program of this checkout, and so is what the user trusts.
    assert "this series is not our own" not in machine.harness(*verb).stderr
    assert "this series is not our own" not in machine.harness(*verb, "--no-sandbox").stderr
