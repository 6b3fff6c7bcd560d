# SPDX-License-Identifier: GPL-2.0-only
"""Where a guest ran, on a fake of /proc."""

from pathlib import Path

import pytest

from harness.guest.qemu import process as qemu_process
from harness.guest.qemu.pinning import NOT_PINNED, Pinning
from harness.measure.placement import Placing
from harness.measure.proc_stat import CpuTime, times_of_cpus
from harness.record.record import Backing, Placement
from tests.unit.guest.test_qemu_process import FILES, HUGETLB, process

PINNED = Pinning(cpus=(1,), siblings=frozenset({3}), others=frozenset({0, 2}), node=0)


def stat(proc: Path, busy: int, idle: int) -> None:
    (proc / "stat").write_text(
        f"cpu  9 9 9\ncpu1 5 0 0 5 0 0 0 0\ncpu3 {busy} 0 0 {idle} 0 0 0 0\n"
    )


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = process(tmp_path, 100, "qemu-system-x86", threads=("CPU 0/KVM",))
    (folder / "smaps").write_text(HUGETLB)
    stat(tmp_path, 10, 10)
    monkeypatch.setattr(qemu_process.os, "sched_setaffinity", lambda _tid, _cpus: None)
    return tmp_path


def test_a_pinned_guest(proc: Path) -> None:
    placing = Placing(PINNED, 1 << 30, FILES, proc)
    placing.begin(100)
    stat(proc, 40, 80)
    placing.end()
    assert placing.placement == Placement(
        pinned=(1,), node=0, sibling_share=0.3, ram=Backing(0, 128 << 20, 2 << 20)
    )


def test_a_guest_that_is_not_pinned_has_no_siblings(proc: Path) -> None:
    placing = Placing(NOT_PINNED, 1 << 30, FILES, proc)
    placing.begin(100)
    placing.end()
    assert placing.placement == Placement(ram=Backing(0, 128 << 20, 2 << 20))


def test_pinning_that_failed_is_not_recorded(proc: Path) -> None:
    placing = Placing(Pinning(cpus=(1, 2)), 1 << 30, FILES, proc)
    placing.begin(100)
    placing.end()
    assert placing.placement.pinned == ()


def test_a_qemu_that_is_not_found_leaves_everything_unknown(proc: Path) -> None:
    placing = Placing(PINNED, 1 << 30, FILES, proc)
    placing.begin(7)
    placing.end()
    assert placing.placement == Placement()


def test_the_times_of_each_cpu() -> None:
    text = "cpu 1 1 1 1 1 1 1 1\ncpu0 1 2 3 40 50 6 7 8 1 0\ncpufreq 1\ncpu1 1 2\nintr 5\n\n"
    assert times_of_cpus(text) == {0: CpuTime(19, 117)}
