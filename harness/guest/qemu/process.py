# SPDX-License-Identifier: GPL-2.0-only
"""A running QEMU: its vCPU threads, which may be pinned, and what backs the guest's memory."""

import contextlib
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from harness.host.files import text_of
from harness.record.record import Backing

_PROC = Path("/proc")
#: Threads have these names with `-name debug-threads=on` (QEMU: accel/*/…-accel-ops.c).
_VCPU = re.compile(r"CPU (\d+)/(?:KVM|TCG)")
_KB = re.compile(r"(\d+) kB")
#: Lines of smaps that count huge pages of the transparent kind, and those of hugetlbfs.
_HUGE = ("AnonHugePages", "ShmemPmdMapped", "FilePmdMapped")
_HUGETLB = ("Shared_Hugetlb", "Private_Hugetlb")
_NODE = re.compile(r"\bN(\d+)=(\d+)\b")


def find(leader: int, proc: Path = _PROC) -> int | None:
    """Return the process id of QEMU, which is `leader` or a descendant of it; None without one."""
    children: dict[int, list[int]] = {}
    # Not from /proc/PID/task/TID/children, which needs CONFIG_PROC_CHILDREN.
    for folder in proc.glob("[0-9]*"):
        fields = text_of(folder / "stat").rpartition(") ")[2].split()
        if len(fields) > 1:
            children.setdefault(int(fields[1]), []).append(int(folder.name))
    todo = [leader]
    while todo:
        pid = todo.pop()
        if text_of(proc / str(pid) / "comm").startswith("qemu-system"):
            return pid
        todo += children.get(pid, [])
    return None


def vcpus(pid: int, proc: Path = _PROC) -> dict[int, int]:
    """Return the thread id of each vCPU, by its number."""
    found = {}
    for task in (proc / str(pid) / "task").glob("[0-9]*"):
        if match := _VCPU.fullmatch(text_of(task / "comm")):
            found[int(match[1])] = int(task.name)
    return found


def pin(pid: int, cpus: Sequence[int], others: frozenset[int], proc: Path = _PROC) -> bool:
    """Bind each vCPU thread to a CPU, other threads to `others`; return whether all vCPUs are.

    A thread that has ended, or whose CPUs may not be changed, is left as it is.
    """
    numbers = {tid: number for number, tid in vcpus(pid, proc).items()}
    pinned = 0
    for task in (proc / str(pid) / "task").glob("[0-9]*"):
        tid = int(task.name)
        number = numbers.get(tid)
        wanted = others if number is None else frozenset(cpus[number : number + 1])
        with contextlib.suppress(OSError):
            if wanted:
                os.sched_setaffinity(tid, wanted)
                pinned += number is not None
    return pinned == len(cpus)


def backing(
    pid: int, ram_bytes: int, files: Sequence[str], proc: Path = _PROC
) -> tuple[Backing | None, Backing | None]:
    """Return what backs the guest's RAM, and the mappings of these files; None where unknown.

    RAM is the mapping of at least `ram_bytes` that is used most and of no file named in `files`:
    TCG's buffer for translated code may be as large.
    """
    nodes = _nodes(text_of(proc / str(pid) / "numa_maps"))
    found = list(_mappings(text_of(proc / str(pid) / "smaps")))
    of_files = [one for one in found if one.file.rpartition("/")[2].split(" ")[0] in files]
    rest = [one for one in found if one not in of_files and one.nr_bytes >= ram_bytes]
    ram = max(rest, key=lambda one: one.used_bytes, default=None)
    return _backing([ram] if ram else [], nodes), _backing(of_files, nodes)


class _Mapping(msgspec.Struct, frozen=True):
    start: int
    nr_bytes: int
    file: str
    sizes: dict[str, int]

    @property
    def used_bytes(self) -> int:
        """What is in memory. Rss does not include hugetlbfs."""
        return sum(self.sizes.get(name, 0) for name in ("Rss", *_HUGETLB))


def _mappings(smaps: str) -> Iterator[_Mapping]:
    """Yield the mappings of smaps (proc_pid_smaps(5)), sizes in bytes."""
    head: list[str] = []
    sizes: dict[str, int] = {}
    for line in [*smaps.splitlines(), "0-0 end"]:
        name, _, value = line.partition(":")
        if match := _KB.search(value) if " " not in name else None:
            sizes[name] = int(match[1]) * 1024
        elif re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            if head:
                start, _, end = head[0].partition("-")
                file = head[5] if len(head) > 5 else ""
                yield _Mapping(int(start, 16), int(end, 16) - int(start, 16), file, sizes)
            head, sizes = line.split(maxsplit=5), {}


def _backing(mappings: Sequence[_Mapping], nodes: dict[int, dict[str, int]]) -> Backing | None:
    if not mappings:
        return None
    hugetlb = sum(m.sizes.get(name, 0) for m in mappings for name in _HUGETLB)
    huge = sum(m.sizes.get(name, 0) for m in mappings for name in _HUGE)
    on_nodes: dict[str, int] = {}
    for mapping in mappings:
        for node, nr_bytes in nodes.get(mapping.start, {}).items():
            on_nodes[node] = on_nodes.get(node, 0) + nr_bytes
    return Backing(
        small_bytes=sum(m.sizes.get("Rss", 0) for m in mappings) - huge,
        huge_bytes=huge + hugetlb,
        hugetlb_bytes=max(m.sizes.get("KernelPageSize", 0) for m in mappings) if hugetlb else 0,
        swap_bytes=sum(m.sizes.get("Swap", 0) for m in mappings),
        nodes=on_nodes,
    )


def _nodes(numa_maps: str) -> dict[int, dict[str, int]]:
    """Return the bytes on each node by a mapping's start (numa(7))."""
    found = {}
    for line in numa_maps.splitlines():
        size = re.search(r"kernelpagesize_kB=(\d+)", line)
        if size:
            page = int(size[1]) * 1024
            start = int(line.split(" ")[0], 16)
            found[start] = {node: int(count) * page for node, count in _NODE.findall(line)}
    return found
