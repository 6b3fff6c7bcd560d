# SPDX-License-Identifier: GPL-2.0-only
"""Two clocks on a real kernel. Base is also tip, so only one more kernel is built."""

import json
from pathlib import Path

import pytest

from harness.record import store
from tests.boot.test_reproduce import harness

pytestmark = pytest.mark.boot


def test_probes_and_jiffies_time_the_same_calls(results: Path) -> None:
    command = ("measure", "--plan", "quick", "--prefix", "0", "--accelerator", "tcg")
    done = harness(results, *command, "--fine-clock", "--json", seconds=3600)
    assert done.returncode == 0, done.stderr
    run = json.loads(done.stdout)["run_id"]
    shown = harness(results, "report", run, "--json", seconds=60)
    found = json.loads(shown.stdout)
    record = store.load_boots(Path(found["record"]))
    assert record.fine_clock is not None
    for boot in record.fine_clock.boots:
        assert {check.name: check.detail for check in boot.checks if not check.ok} == {}
        assert boot.counts
    assert [(one["build"], one["metric"], one["problem"]) for one in found["clocks"]] == [
        (build, driver, "") for build in ("base", "tip") for driver in ("nd_pmem", "dax_pmem")
    ]
    for one in found["clocks"]:
        assert one["bindings"] == record.setup.rebinds + 1
        # A busy machine makes ticks late, so the two need not agree.
        assert one["probed_ns"] == pytest.approx(one["printed_ns"], rel=0.5, abs=5e6)
    assert not any("kprobes" in (s.source for s in boot.samples) for boot in record.boots)
