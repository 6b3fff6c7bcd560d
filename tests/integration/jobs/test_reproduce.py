# SPDX-License-Identifier: GPL-2.0-only
"""`harness reproduce` as a user types it, with real git, b4 and make, over stand-ins."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from harness.host.durations import FILE
from harness.judge.conditions.comparable import identity
from harness.judge.tabulate import tabulate
from harness.record import store
from tests.fakes.machine import FakeMachine
from tests.fakes.replays import REPLAYING
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
    for driver in made["metrics"].values():
        assert (driver["base"]["rebind_mean_ms"], driver["tip"]["rebind_mean_ms"]) == (60, 30)
        assert driver["base"]["rebinds"] == driver["tip"]["rebinds"] == 4
    record = store.load(Path(made["record"]))
    assert [(build.name, build.prefix) for build in record.builds] == [("base", 0), ("tip", 2)]
    assert all(boot.counts and len(boot.memmaps) == 2 for boot in record.boots)
    base, tip = record.builds
    assert (base.files, base.symbols, base.config_diff) == ((), (), ())
    assert tip.files == ("mm/memremap.c", "mm/mm_init.c")
    assert tip.config_diff == () and tip.options_sha256 == base.options_sha256 != ""
    # The fake object has no function that can be replayed: the boots say so, and are made.
    replay = store.replay_beside(Path(made["record"]))
    assert replay is not None and (replay.outcome, replay.builds) == ("failed", ())
    assert "the build left no mm/.mm_init.o.cmd" in replay.reason
    (proof,) = identity(tabulate(record))
    assert [pin for pin in proof.pins if not pin.equal] == []
    assert {"kernel command line", "QEMU options"} <= {pin.name for pin in proof.pins}

    again = machine.harness(*REPRODUCE, "--jobs", "2")
    assert result(again)["metrics"] == made["metrics"]
    assert "measure: boot 4 of 4" in again.stderr
    assert "build tip" not in again.stderr, "stored kernels were built again"


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


def test_a_guest_without_namespaces_is_refused_before_a_build(machine: FakeMachine) -> None:
    guest = "description: a machine\nmemory: 1G\nnamespaces: []\n"
    (machine.root / "guests/pmem-128m.yaml").write_text(guest)
    ended = machine.harness(*REPRODUCE)
    assert ended.returncode == 2
    assert ended.stderr == (
        "harness: guest pmem-128m: has no namespaces to bind; expected one fsdax, one devdax, or "
        "one of each\n"
    )


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


@pytest.fixture
def replaying(machine: FakeMachine) -> FakeMachine:
    """A machine on which the fake kernel can be replayed."""
    machine.command = REPLAYING
    return machine


def test_the_first_answer_comes_before_a_build_and_the_boots_take_over_its_folder(
    replaying: FakeMachine,
) -> None:
    done = replaying.harness(*REPRODUCE[:-1])
    assert done.returncode == 0, done.stderr
    first, _, final = done.stdout.partition("boots follow:\n")[2].partition("record: ")
    assert "order0" in first and "rebinds" not in first
    assert "2 rebinds per boot" in final
    assert done.stderr.index("round 2") < done.stderr.index("build base")
    # Which parts it names depends on the machine: a part of less than a second is left out.
    assert done.stderr.splitlines()[-1].startswith("took ")

    (folder,) = store.runs(replaying.project.results)
    boots, replay = store.load_boots(folder), store.replay_beside(folder)
    assert replay is not None
    assert boots.run_id == replay.run_id == folder.name
    assert (boots.outcome, replay.outcome, len(replay.rounds)) == ("complete", "complete", 3)
    assert [build.name for build in replay.builds] == ["base", "1", "2"]
    assert "measure" in json.loads((replaying.cache.root / FILE).read_bytes())["reproduce quick"]

    # A run that has ended is not continued.
    again = result(replaying.harness(*REPRODUCE))
    assert again["outcome"] == "complete"
    assert Path(again["record"]).parent != folder
    assert len(store.runs(replaying.project.results)) == 2


def test_an_interrupted_replay_continues(replaying: FakeMachine) -> None:
    exit_code, _ = replaying.interrupted("  round 1", *REPRODUCE)
    assert exit_code == 130
    (folder,) = store.runs(replaying.project.results)
    lost = store.load_replay(folder)
    assert lost.outcome == "lost" and len(lost.rounds) == 1
    done = replaying.harness(*REPRODUCE)
    assert f"resuming run {folder.name}" in done.stderr
    assert "round 0" not in done.stderr and "round 1" in done.stderr
    assert result(done)["record"] == str(folder / store.FILE)
    replay = store.replay_beside(folder)
    assert replay is not None and replay.passes[: len(lost.passes)] == lost.passes


def test_interrupted_boots_continue_without_another_replay(
    replaying: FakeMachine,
) -> None:
    assert replaying.interrupted("boot 2 of 4", *REPRODUCE)[0] == 130
    (folder,) = store.runs(replaying.project.results)
    first = store.replay_beside(folder)
    assert first is not None and first.outcome == "complete"
    done = replaying.harness(*REPRODUCE)
    assert "round" not in done.stderr
    assert result(done)["record"] == str(folder / store.FILE)
    assert store.replay_beside(folder) == first


def test_a_failed_build_leaves_the_first_answer(replaying: FakeMachine) -> None:
    (port,) = (replaying.root / "series/test/ports/v7.2").glob("0002-*")
    edit(port, "1024", "nonesuch")
    done = replaying.harness(*REPRODUCE[:-1])
    assert done.returncode == 3
    assert "first answer" in done.stdout
    (folder,) = store.runs(replaying.project.results)
    assert store.load_replay(folder).outcome == "complete"
    assert replaying.harness("report").returncode == 0


def test_only_the_replay_or_only_the_boots(replaying: FakeMachine) -> None:
    replayed = json.loads(replaying.harness(*REPRODUCE, "--no-boot").stdout)
    folder = Path(replayed["record"]).parent
    assert store.load_replay(folder).outcome == "complete"
    assert [path.name for path in folder.iterdir()] == ["record.json"]
    assert not replaying.cache.kernels.exists()
    booted = result(replaying.harness(*REPRODUCE, "--no-replay"))
    assert Path(booted["record"]).parent != folder
    assert store.replay_beside(Path(booted["record"])) is None
    refused = replaying.harness(*REPRODUCE, "--no-replay", "--no-boot")
    assert refused.returncode == 2
    assert "harness: --no-replay, --no-boot: given together" in refused.stderr


def test_each_patch_has_a_first_answer_too(replaying: FakeMachine) -> None:
    made = result(replaying.harness(*REPRODUCE, "--each-patch"))
    replay = store.replay_beside(Path(made["record"]))
    assert replay is not None and replay.outcome == "complete"


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


def test_clocks_are_compared_in_boots_and_kernels_of_their_own(machine: FakeMachine) -> None:
    plain = result(machine.harness(*REPRODUCE))
    made = result(machine.harness(*REPRODUCE, "--fine-clock"))
    assert made["metrics"] == plain["metrics"]
    assert plain["clocks"] == []
    found = [(c["build"], c["metric"], c["bindings"], c["agree"]) for c in made["clocks"]]
    assert found == [
        (build, driver, 3, True) for build in ("base", "tip") for driver in ("nd_pmem", "dax_pmem")
    ]
    assert [c["probed_ns"] - c["printed_ns"] for c in made["clocks"]] == [150_000] * 4

    record, before = (store.load_boots(Path(run["record"])) for run in (made, plain))
    assert record.builds == before.builds
    assert record.fine_clock is not None
    for deciding, probed in zip(record.builds, record.fine_clock.builds, strict=True):
        assert (probed.name, probed.commit) == (deciding.name, deciding.commit)
        assert probed.config_sha256 != deciding.config_sha256
    assert len(record.boots) == 4
    assert not any(" -c " in word for boot in record.boots for word in boot.argv)
    for boot in record.fine_clock.boots:
        assert boot.counts
        assert any(" -c " in word for word in boot.argv)
        assert all((Path(made["record"]).parent / log.path).is_file() for log in boot.logs)
    names = [log.path for boot in record.all_boots for log in boot.logs]
    assert len(names) == len(set(names)) == 12
    configs = Path(made["record"]).parent / "configs"
    assert "CONFIG_KPROBES=y" in (configs / "fine-clock-tip.config").read_text()
    assert "CONFIG_KPROBES" not in (configs / "tip.config").read_text()

    bundle = machine.folder / "run.zip"
    made_bundle = machine.harness("bundle", record.run_id, "--output", str(bundle))
    assert made_bundle.returncode == 0, made_bundle.stderr
    shown = machine.harness("report", str(bundle))
    said = "clocks, nd_pmem on base: 60.00 ms by jiffies and 60.150 ms by probes per rebind"
    assert said in " ".join(shown.stdout.split())


def test_a_run_that_was_interrupted_before_it_compared_clocks_continues(
    machine: FakeMachine,
) -> None:
    exit_code, _ = machine.interrupted("boot 2 of 2 to compare clocks", *REPRODUCE, "--fine-clock")
    assert exit_code == 130
    (run,) = store.runs(machine.project.results)
    stored = store.load_boots(run)
    assert (len(stored.boots), stored.outcome) == (4, "lost")
    assert stored.fine_clock is not None
    assert len(stored.fine_clock.boots) == 1
    done = machine.harness(*REPRODUCE, "--fine-clock")
    assert result(done)["record"] == str(run / store.FILE)
    ended = store.load_boots(run)
    assert ended.boots == stored.boots
    assert ended.fine_clock is not None
    assert ended.fine_clock.boots[:1] == stored.fine_clock.boots
    assert len(ended.fine_clock.boots) == 2


def test_no_clocks_are_compared_while_page_ref_events_are_on(machine: FakeMachine) -> None:
    edit(machine.root / "configs/plans/quick.yaml", "boot_s: 60", "boot_s: 60\npage_ref: true")
    done = machine.harness(*REPRODUCE, "--fine-clock")
    assert done.returncode == 2
    assert "harness: --fine-clock: given with plan quick, which enables a tracepoint" in done.stderr
    assert not machine.cache.kernels.exists()


def test_clocks_are_not_compared_patch_by_patch(machine: FakeMachine) -> None:
    done = machine.harness(*REPRODUCE, "--fine-clock", "--each-patch")
    assert done.returncode == 2
    expected = "harness: --fine-clock: given with --each-patch; expected one of them\n"
    assert done.stderr == expected
