# SPDX-License-Identifier: GPL-2.0-only
"""The main job on a real kernel, as a user types it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.record import store

pytestmark = pytest.mark.boot


def harness(results: Path, *arguments: str, seconds: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).parent / "harness"), *arguments],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env=os.environ | {"MEMMAP_HARNESS_ROOT": str(results.parent)},
        check=False,
        timeout=seconds,
    )


def qemus() -> set[str]:
    found = set()
    for comm in Path("/proc").glob("[0-9]*/comm"):
        try:
            if comm.read_text().startswith("qemu-system"):
                found.add(comm.parent.name)
        except OSError:
            continue
    return found


def test_quick_reproduces_end_to_end(results: Path) -> None:
    before = qemus()
    done = harness(results, "reproduce", "--plan", "quick", "--json", seconds=3600)
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert made["outcome"] == "complete"
    assert set(made["metrics"]) == {"nd_pmem", "dax_pmem"}
    for driver in made["metrics"].values():
        for build in ("base", "tip"):
            assert driver[build]["nr_pages"] == 1_031_680
            assert driver[build]["rebinds"] % 5 == 0
            assert driver[build]["rebinds"] > 0
            assert driver[build]["rebind_mean_ms"] > 0
        # The claim is not about a guest of 4 GiB, so the verdict is the replay's.
        assert driver["verdict"] in ("supported", "doubted", "open")
        assert "by the kernel's own function in user space; boots: " in driver["reason"]
    assert qemus() <= before

    record = store.load(Path(made["record"]))
    assert {boot.build for boot in record.boots} == {"base", "tip"}
    for boot in record.boots:
        assert boot.counts
        assert all(check.ok for check in boot.checks)
        assert boot.findings == ()
        for log in boot.logs:
            path = Path(made["record"]).parent / log.path
            assert store.digest(path) == log.sha256
    base, tip = record.builds
    assert base.build_id != tip.build_id
    assert base.config_sha256 == tip.config_sha256
    assert tip.prefix == len(record.subject.patch_ids)

    replay = store.replay_beside(Path(made["record"]))
    assert replay is not None
    assert (replay.outcome, replay.run_id) == ("complete", record.run_id)
    assert replay.subject == record.subject
    assert len(replay.builds) == 1 + len(record.subject.patch_ids)
    assert all(found.equal for found in replay.comparisons)
    # The object that was replayed is part of the kernel that was booted.
    assert [replay.builds[0].config_sha256] == [base.config_sha256]
    lines = done.stderr.splitlines()
    assert lines[-1].startswith("took ") and "replay" in lines[-1]
    assert len([line for line in lines if "mm/mm_init.o" in line]) <= 6, "a line per object"

    again = harness(results, "report", "--json", seconds=60)
    assert json.loads(again.stdout)["metrics"] == made["metrics"]
    for kind in ("agent.jsonl", "console.log"):
        require_same_figures(results, Path(made["record"]).parent, kind)


def require_same_figures(results: Path, folder: Path, kind: str) -> None:
    """Import a run's own logs: the samples must be those that it recorded."""
    logs = {build: str(folder / "logs" / f"{build}-1.{kind}") for build in ("base", "tip")}
    words = ["import-logs", "--base", logs["base"], "--tip", logs["tip"], "--json"]
    done = harness(results, *words, seconds=120)
    assert done.returncode == 0, done.stderr
    imported, ours = store.load(Path(json.loads(done.stdout)["record"])), store.load(folder)
    assert imported.evidence == "reported"
    for boot in imported.boots:
        assert boot.counts
        (same,) = [one for one in ours.boots if (one.build, one.number) == (boot.build, 1)]
        assert {*boot.samples} == {*same.samples}


def test_a_verdict_may_be_required(results: Path) -> None:
    done = harness(results, "reproduce", "--plan", "quick", "--require-verdict", seconds=3600)
    assert done.returncode == 1, done.stderr
    assert "untested" in done.stdout


def test_doctor_proves_the_accelerator(results: Path) -> None:
    done = harness(results, "doctor", "--plan", "quick", "--json", seconds=300)
    assert done.returncode == 0, done.stderr + done.stdout
    assert "accelerator" in done.stdout
