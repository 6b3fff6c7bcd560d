# SPDX-License-Identifier: GPL-2.0-only
"""QEMU's threads and memory, on fakes of /proc and on this process."""

import os
from pathlib import Path

import pytest

from harness.guest.qemu import process as qemu_process
from harness.record.record import Backing

SMAPS = """\
7f0000000000-7f0040000000 rw-p 00000000 00:00 0
Size:            1048576 kB
KernelPageSize:        4 kB
MMUPageSize:           4 kB
Rss:              131072 kB
AnonHugePages:     98304 kB
ShmemPmdMapped:        0 kB
Shared_Hugetlb:        0 kB
Private_Hugetlb:       0 kB
Swap:                 64 kB
THPeligible:           1
VmFlags: rd wr mr mw me ac sd hg
7f1000000000-7f1040000000 rwxp 00000000 00:00 0
Size:            1048576 kB
Rss:                4096 kB
AnonHugePages:         0 kB
7f2000000000-7f2100000000 rw-s 00000000 00:01 5      /dev/shm/memmap-harness-x/nd_pmem.img (deleted)
Size:            4194304 kB
Rss:               65536 kB
ShmemPmdMapped:        0 kB
7f3000000000-7f3100000000 rw-s 00000000 00:01 6      /dev/shm/a b/dax_pmem.img (deleted)
Size:            4194304 kB
Rss:               65536 kB
ShmemPmdMapped:    65536 kB
7fff00000000-7fff00001000 r-xp 00000000 00:00 0      [vdso]
Size:                  4 kB
Rss:                   4 kB
"""
NUMA = """\
7f0000000000 default anon=32768 dirty=32768 N0=8192 N1=24576 kernelpagesize_kB=4
7f2000000000 bind:0 file=/dev/shm/x mapmax=2 N0=16384 kernelpagesize_kB=4
7f3000000000 bind:0 file=/dev/shm/y mapmax=2 N0=16384 kernelpagesize_kB=4
"""
HUGETLB = """\
7f0000000000-7f0040000000 rw-s 00000000 00:0f 7      /memfd:memory-backend-memfd (deleted)
Size:            1048576 kB
KernelPageSize:     2048 kB
Rss:                   0 kB
Shared_Hugetlb:   131072 kB
"""
KIB, MIB = 1 << 10, 1 << 20
FILES = ("nd_pmem.img", "dax_pmem.img")


def process(
    proc: Path, pid: int, comm: str, parent: int = 1, threads: tuple[str, ...] = ()
) -> Path:
    folder = proc / str(pid)
    for number, name in enumerate((comm, *threads)):
        task = folder / "task" / str(pid + number)
        task.mkdir(parents=True)
        (task / "comm").write_text(f"{name}\n")
    (folder / "comm").write_text(f"{comm}\n")
    (folder / "stat").write_text(f"{pid} ({comm}) ) S {parent} {pid} {pid} 0\n")
    return folder


def test_qemu_is_found_below_its_wrappers(tmp_path: Path) -> None:
    process(tmp_path, 10, "bwrap")
    process(tmp_path, 20, "sleep", parent=10)
    process(tmp_path, 30, "virtme-run", parent=10)
    process(tmp_path, 40, "qemu-system-x86", parent=30)
    process(tmp_path, 50, "qemu-system-x86", parent=7)
    (tmp_path / "60").mkdir()
    assert qemu_process.find(10, tmp_path) == 40
    assert qemu_process.find(40, tmp_path) == 40
    assert qemu_process.find(20, tmp_path) is None
    assert qemu_process.find(99, tmp_path) is None, "it has ended"


def test_vcpus_are_known_by_their_names(tmp_path: Path) -> None:
    names = ("call_rcu", "CPU 1/KVM", "CPU 0/KVM", "CPU x/KVM")
    process(tmp_path, 100, "qemu-system-x86", threads=names)
    assert qemu_process.vcpus(100, tmp_path) == {1: 102, 0: 103}
    assert qemu_process.vcpus(7, tmp_path) == {}


def test_each_vcpu_gets_its_cpu_and_other_threads_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process(tmp_path, 100, "qemu-system-x86", threads=("CPU 0/KVM", "CPU 1/KVM"))
    asked: dict[int, set[int]] = {}
    monkeypatch.setattr(
        qemu_process.os, "sched_setaffinity", lambda tid, cpus: asked.update({tid: set(cpus)})
    )
    assert qemu_process.pin(100, (2, 3), frozenset({0, 1}), tmp_path)
    assert asked == {100: {0, 1}, 101: {2}, 102: {3}}
    assert not qemu_process.pin(100, (1, 2, 3), frozenset(), tmp_path), "there is no third vCPU"


def test_a_thread_that_cannot_be_bound_is_not_called_pinned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process(tmp_path, 100, "qemu-system-x86", threads=("CPU 0/KVM",))

    def refuse(_tid: int, _cpus: object) -> None:
        raise PermissionError

    monkeypatch.setattr(qemu_process.os, "sched_setaffinity", refuse)
    assert not qemu_process.pin(100, (1,), frozenset({0}), tmp_path)


def test_what_backs_memory_and_namespaces(tmp_path: Path) -> None:
    folder = process(tmp_path, 100, "qemu-system-x86")
    (folder / "smaps").write_text(SMAPS)
    (folder / "numa_maps").write_text(NUMA)
    ram, namespaces = qemu_process.backing(100, 1 << 30, FILES, tmp_path)
    assert ram == Backing(
        small_bytes=32 * MIB,
        huge_bytes=96 * MIB,
        swap_bytes=64 * KIB,
        nodes={"0": 32 * MIB, "1": 96 * MIB},
    ), "not the buffer for translated code, which is as large"
    assert namespaces == Backing(64 * MIB, 64 * MIB, nodes={"0": 128 * MIB})


def test_hugetlbfs_is_not_part_of_rss(tmp_path: Path) -> None:
    folder = process(tmp_path, 100, "qemu-system-x86")
    (folder / "smaps").write_text(HUGETLB)
    ram, namespaces = qemu_process.backing(100, 1 << 30, FILES, tmp_path)
    assert ram == Backing(0, 128 * MIB, hugetlb_bytes=2 * MIB)
    assert namespaces is None


@pytest.mark.parametrize("smaps", ["", "not a map\nRss: 4 kB\n", "0-1 r\n"])
def test_memory_that_cannot_be_read_is_unknown(tmp_path: Path, smaps: str) -> None:
    folder = process(tmp_path, 100, "qemu-system-x86")
    (folder / "smaps").write_text(smaps)
    assert qemu_process.backing(100, 1 << 30, FILES, tmp_path) == (None, None)


def test_this_process_can_be_read() -> None:
    used, _ = qemu_process.backing(os.getpid(), 1, ())
    assert used is not None and used.small_bytes + used.huge_bytes > 0
