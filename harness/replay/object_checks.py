# SPDX-License-Identifier: GPL-2.0-only
"""Checks non-temporal stores: whether an object has any, and when it drains them. Pure.

The first is in the disassembly. The second needs a traced run, because code does not show which
branches exclude each other.
"""

from collections.abc import Iterable, Iterator

import msgspec

from harness.kernel.call_graph import reach
from harness.kernel.objdump import Code, Instruction
from harness.replay.accesses import TraceStep, accesses, is_non_temporal

_FENCES = ("sfence", "mfence")


class ObjectCheck(msgspec.Struct, frozen=True):
    """A condition on one build's object."""

    build: str
    name: str
    ok: bool
    detail: str


class StoreOrder(msgspec.Struct, frozen=True):
    """The stores to struct pages, and the fences, of a traced call.

    `overtaken` lists the ordinary stores to pages with pending non-temporal stores; `pending` is
    the number of pages that had some when the call returned.
    """

    non_temporal: int
    ordinary: int
    fences: int
    overtaken: tuple[str, ...]
    pending: int


def non_temporal_stores(code: Code, function: str) -> int:
    """Return the number in all code that `function` reaches; ValueError if it is missing."""
    reached = reach(code, (function,), ()).functions
    return sum(is_non_temporal(i) for f in reached for i in f.instructions)


def is_drain(instruction: Instruction) -> bool:
    """Return whether an instruction waits for all non-temporal stores before it."""
    return instruction.mnemonic in _FENCES


def order(steps: Iterable[TraceStep], low: int, high: int, size: int) -> StoreOrder:
    """Follow the stores to the struct pages of `size` bytes from address `low` up to `high`."""
    pending: set[int] = set()
    non_temporal = ordinary = fences = 0
    overtaken: dict[str, None] = {}
    for step in steps:
        if is_drain(step.instruction):
            fences += 1
            pending.clear()
            continue
        for access in accesses(step):
            if not access.stores or not low <= access.address < high:
                continue
            page = (access.address - low) // size
            if access.non_temporal:
                non_temporal += 1
                pending.add(page)
            else:
                ordinary += 1
                if page in pending:
                    text = f"{step.instruction.mnemonic} {step.instruction.operands}"
                    overtaken[f"{text} to page {page}"] = None
    return StoreOrder(non_temporal, ordinary, fences, tuple(overtaken), len(pending))


def has_stores(build: str, found: int, *, wanted: bool) -> ObjectCheck:
    """Check that an object has non-temporal stores, or that it has none."""
    name = "has non-temporal stores" if wanted else "has no non-temporal store"
    return ObjectCheck(build, name, (found > 0) == wanted, f"{found} in the code")


def drained(build: str, kind: str, found: StoreOrder) -> Iterator[ObjectCheck]:
    """Check that a traced call drained its non-temporal stores in time."""
    counts = (
        f"{kind}: {found.non_temporal} non-temporal and {found.ordinary} ordinary stores, "
        f"{found.fences} fences"
    )
    detail = f"{kind}: {found.overtaken[0]}" if found.overtaken else counts
    yield ObjectCheck(
        build, "drained before ordinary stores to a page", not found.overtaken, detail
    )
    detail = f"{kind}: {found.pending} pages pending" if found.pending else counts
    yield ObjectCheck(build, "drained before returning", not found.pending, detail)
