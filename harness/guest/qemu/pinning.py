# SPDX-License-Identifier: GPL-2.0-only
"""Chooses the CPUs that vCPU threads are bound to, and the NUMA node of the guest's memory."""

import os
from pathlib import Path

import msgspec

from harness.errors import InputError
from harness.host.files import text_of

_CPUS, _NODES = "sys/devices/system/cpu", "sys/devices/system/node"
AUTO, NONE = "auto", "none"
OPTION = "--pin"


class Pinning(msgspec.Struct, frozen=True):
    """One CPU per vCPU, empty without pinning; QEMU's other threads get the CPUs in `others`.

    `siblings` are the hyper-threads beside them, which are left idle. `node` is the NUMA node to
    take memory from; None where the machine has one, or where the CPUs have several.
    """

    cpus: tuple[int, ...] = ()
    siblings: frozenset[int] = frozenset()
    others: frozenset[int] = frozenset()
    node: int | None = None


NOT_PINNED = Pinning()


def choose(wanted: str, vcpus: int, accelerator: str, root: Path = Path("/")) -> Pinning:
    """Return the CPUs for `auto`, `none` or a number. Raises InputError for an unusable number.

    `auto` pins under KVM, each vCPU to a core of its own, if that leaves a core for the rest: the
    last ones, because interrupts are often served by the first. A number is the first vCPU's CPU.
    """
    allowed = os.sched_getaffinity(0)
    if wanted == NONE or (wanted == AUTO and accelerator != "kvm"):
        return Pinning()
    cores = {frozenset(_siblings(root, cpu) & allowed) for cpu in allowed}
    ordered = sorted(cores, key=lambda core: (-(_node(root, min(core)) or 0), min(core)))
    if wanted != AUTO:
        chosen = _from_number(wanted, allowed, ordered)
    else:
        chosen = [min(core) for core in ordered]
    if len(chosen) < vcpus or (wanted == AUTO and len(cores) <= vcpus):
        return Pinning()
    cpus = tuple(chosen[-vcpus:]) if wanted == AUTO else tuple(chosen[:vcpus])
    siblings = frozenset().union(*(_siblings(root, cpu) for cpu in cpus)) - set(cpus)
    nodes = {_node(root, cpu) for cpu in cpus}
    several = len(list((root / _NODES).glob("node[0-9]*"))) > 1
    return Pinning(
        cpus=cpus,
        siblings=siblings,
        others=frozenset(allowed - set(cpus) - siblings) or frozenset(allowed - set(cpus)),
        node=nodes.pop() if several and len(nodes) == 1 else None,
    )


def _from_number(wanted: str, allowed: set[int], cores: list[frozenset[int]]) -> list[int]:
    number = int(wanted) if wanted.isdecimal() else -1
    if number not in allowed:
        raise InputError(
            f"no CPU {wanted!r} that this process may use",
            where=OPTION,
            expected=f"auto, none, or one of {', '.join(map(str, sorted(allowed)))}",
        )
    return [number, *(min(core) for core in cores if number not in core)]


def _siblings(root: Path, cpu: int) -> set[int]:
    """Return the hyper-threads of a CPU's core, itself included."""
    listed = text_of(root / _CPUS / f"cpu{cpu}/topology/thread_siblings_list")
    return {cpu, *cpu_list(listed)}


def cpu_list(text: str) -> set[int]:
    """Return the CPUs of a list like `0-2,7`; words that are not CPUs are left out."""
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        if first.isdecimal() and (last or first).isdecimal():
            found |= set(range(int(first), int(last or first) + 1))
    return found


def _node(root: Path, cpu: int) -> int | None:
    for link in (root / _CPUS / f"cpu{cpu}").glob("node[0-9]*"):
        return int(link.name.removeprefix("node"))
    return None
