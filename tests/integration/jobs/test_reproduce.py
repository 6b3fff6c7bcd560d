# SPDX-License-Identifier: GPL-2.0-only
"""`harness reproduce` as a user types it, with real git, b4 and make, over stand-ins."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from harness.judge.conditions.comparable import identity
from harness.judge.tabulate import tabulate
from harness.record import store
from tests.fakes.machine import FakeMachine
from tests.fakes.trees import edit

REPRODUCE = ("reproduce", "test", "--plan", "quick", "--accelerator", "tcg", "--json")


@pytest.fixture
def machine(tmp_path: Path) -> FakeMachine:
    return FakeMachine(tmp_path)


def result(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_from_a_tree_to_a_record(machine: FakeMachine) -> None:
    made = result(machine.harness(*REPRODUCE))
    assert made["outcome"] == "complete"
    for driver in made["drivers"].values():
        assert (driver["base"]["rebind_mean_ms"], driver["tip"]["rebind_mean_ms"]) == (60, 30)
        assert driver["base"]["rebinds"] == driver["tip"]["rebinds"] == 4
    record = store.load(Path(made["record"]))
    assert [(build.name, build.prefix) for build in record.builds] == [("base", 0), ("tip", 2)]
    assert all(boot.counts and len(boot.memmaps) == 2 for boot in record.boots)
    base, tip = record.builds
    assert (base.files, base.symbols, base.config_diff) == ((), (), ())
    assert tip.files == ("mm/memremap.c", "mm/mm_init.c")
    assert tip.config_diff == () and tip.options_sha256 == base.options_sha256 != ""
    (proof,) = identity(tabulate(record))
    assert [pin for pin in proof.pins if not pin.equal] == []
    assert {"kernel command line", "QEMU options"} <= {pin.name for pin in proof.pins}

    again = machine.harness(*REPRODUCE, "--jobs", "2")
    assert result(again)["drivers"] == made["drivers"]
    assert "measure: boot 4 of 4" in again.stderr
    assert "build" not in again.stderr, "stored kernels were built again"


def test_a_null_run_is_recognized_by_its_builds(machine: FakeMachine) -> None:
    done = machine.harness("null", *REPRODUCE[1:])
    assert done.returncode == 1, "two boots per build are too few to find anything"
    made = json.loads(done.stdout)
    assert made["null"] is None
    assert {e["ratio"] for e in made["effects"]} == {1.0}
    record = store.load(Path(made["record"]))
    assert record.is_null
    assert [(build.name, build.files) for build in record.builds] == [("base", ()), ("again", ())]
    assert len(list(machine.cache.kernels.glob("*"))) == 1

    result(machine.harness(*REPRODUCE))
    judged = machine.harness("judge", "--gate", "memmap.equal", "--json")
    assert result(judged)["record"] != made["record"]
    refused = machine.harness("judge", "--gate", "nd_pmem.ratio<1")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "harness: --gate: nd_pmem.ratio<1: emulated times" in refused.stderr


def test_a_plan_may_count_instructions_instead_of_time(machine: FakeMachine) -> None:
    edit(machine.root / "configs/plans/quick.yaml", "boot_s: 60", "boot_s: 60\nclock: icount")
    arguments = [word for word in REPRODUCE if word not in ("--accelerator", "tcg")]
    made = result(machine.harness(*arguments, "--keep-images"))
    assert made["evidence"] == "boot-icount"
    record = store.load(Path(made["record"]))
    for boot in record.boots:
        assert boot.argv[boot.argv.index("--qemu-opt=-icount") + 1].startswith("--qemu-opt=shift=0")
    assert len(list(Path(made["record"]).parent.glob("*.img"))) == 8  # builds, boots, namespaces
    assert machine.harness("judge", "--gate", "nd_pmem.instructions_ratio<0.6").returncode == 0
    assert machine.harness("judge", "--gate", "nd_pmem.rebind.ratio<0.4").returncode == 1

    refused = machine.harness(*arguments, "--accelerator", "kvm")
    assert refused.returncode == 2
    assert "harness: --accelerator kvm: cannot count instructions" in refused.stderr


def test_an_unknown_prefix_is_refused_before_a_build(machine: FakeMachine) -> None:
    done = machine.harness(*REPRODUCE, "--prefix", "3")
    assert done.returncode == 2
    assert "harness: --prefix: no prefix 3; expected 0 to 2\n" in done.stderr
    assert not machine.cache.kernels.exists()


def test_a_series_with_a_broken_patch_file_is_refused_before_anything_is_fetched(
    machine: FakeMachine,
) -> None:
    mbox = machine.folder / "mbox"
    mbox.write_text("no mail\n")
    done = machine.harness(*REPRODUCE, "--mbox", str(mbox))
    assert done.returncode == 2
    assert not machine.cache.repository.exists()


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_failed_build_exits_3_and_boots_nothing(machine: FakeMachine, jobs: str) -> None:
    (port,) = (machine.root / "series/test/ports/v7.2").glob("0002-*")
    edit(port, "1024", "nonesuch")
    done = machine.harness(*REPRODUCE, "--jobs", jobs)
    assert done.returncode == 3
    assert "harness: the kernel does not build" in done.stderr
    assert "nonesuch" in done.stderr
    assert list(machine.project.results.glob("*/*")) == []
    # At once, tip may fail before base, which shares its O= folder, has begun.
    built = len(list(machine.cache.kernels.glob("*")))
    assert built == 1 or (jobs == "2" and built == 0)


@pytest.mark.parametrize("option", ["--scheduler", "--store"])
def test_cluster_options_without_a_cluster_are_refused(machine: FakeMachine, option: str) -> None:
    done = machine.harness(*REPRODUCE, "--engine", "local", option, "tcp://127.0.0.1:1")
    assert done.returncode == 2
    assert done.stderr == f"harness: {option}: only for a cluster; expected --engine dask\n"


def test_an_interrupted_run_continues(machine: FakeMachine) -> None:
    exit_code, message = machine.interrupted("boot 2 of 4", *REPRODUCE)
    assert exit_code == 130
    assert message.endswith("interrupted; finished work is stored\n")
    (run,) = store.runs(machine.project.results)
    stored = store.load(run).boots
    assert 1 <= len(stored) < 4
    done = machine.harness(*REPRODUCE)
    assert f"resuming run {run.name}" in done.stderr
    assert result(done)["record"] == str(run / store.FILE)
    assert store.load(run).boots[: len(stored)] == stored
