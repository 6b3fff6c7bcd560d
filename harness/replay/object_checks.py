# SPDX-License-Identifier: GPL-2.0-only
"""Checks a function's stores past the caches, and how often it can be rescheduled. Pure.

Whether an object has non-temporal stores is in the disassembly. When it drains them needs a traced
run, because code does not show which branches exclude each other.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping

import msgspec

from harness.kernel.call_graph import reach
from harness.kernel.objdump import Code, Instruction
from harness.replay.accesses import TraceStep, accesses, is_non_temporal
from harness.replay.runner.runner import Resched

_FENCES = ("sfence", "mfence")


class ObjectCheck(msgspec.Struct, frozen=True):
    """A condition on one build's object."""

    build: str
    name: str
    ok: bool
    detail: str


class PageRead(msgspec.Struct, frozen=True):
    """A call by which the rest of the kernel reads the struct page at an address."""

    call: str
    address: int


class StoreOrder(msgspec.Struct, frozen=True):
    """The stores to struct pages, and the fences, of a traced call.

    `overtaken` lists the ordinary stores to pages with pending non-temporal stores, `read_back`
    the loads and calls that read such pages; `pending` is the number of pages that had some when
    the call returned.
    """

    non_temporal: int
    ordinary: int
    fences: int
    overtaken: tuple[str, ...]
    read_back: tuple[str, ...]
    pending: int


def streaming_functions(code: Code) -> frozenset[str]:
    """Return the functions that have non-temporal stores themselves."""
    return frozenset(f.name for f in code.functions if any(map(is_non_temporal, f.instructions)))


def non_temporal_stores(code: Code, function: str, callees: Collection[str] = ()) -> int:
    """Return the number in all code that `function` reaches; ValueError if it is missing.

    A function that uses one of `callees`, functions of other objects with such stores, counts as
    one.
    """
    found = reach(code, (function,), callees)
    stores = sum(is_non_temporal(i) for f in found.functions for i in f.instructions)
    return stores + sum(len(users) for users in found.wanted.values())


def is_drain(instruction: Instruction) -> bool:
    """Return whether an instruction waits for all non-temporal stores before it."""
    return instruction.mnemonic in _FENCES


def order(steps: Iterable[TraceStep | PageRead], low: int, high: int, size: int) -> StoreOrder:
    """Follow the accesses to the struct pages of `size` bytes from address `low` up to `high`."""
    pending: set[int] = set()
    non_temporal = ordinary = fences = 0
    overtaken: dict[str, None] = {}
    read_back: dict[str, None] = {}
    for step in steps:
        if isinstance(step, PageRead):
            page = (step.address - low) // size
            if page in pending:
                read_back[f"{step.call}() of page {page}"] = None
            continue
        if is_drain(step.instruction):
            fences += 1
            pending.clear()
            continue
        text = f"{step.instruction.mnemonic} {step.instruction.operands}"
        for access in accesses(step):
            if not low <= access.address < high:
                continue
            page = (access.address - low) // size
            if access.non_temporal:
                non_temporal += 1
                pending.add(page)
                continue
            ordinary += access.stores
            if page in pending and access.stores:
                overtaken[f"{text} to page {page}"] = None
            elif page in pending:
                read_back[f"{text} from page {page}"] = None
    return StoreOrder(
        non_temporal, ordinary, fences, tuple(overtaken), tuple(read_back), len(pending)
    )


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
    detail = f"{kind}: {found.read_back[0]}" if found.read_back else counts
    yield ObjectCheck(build, "drained before a page is read back", not found.read_back, detail)
    detail = f"{kind}: {found.pending} pages pending" if found.pending else counts
    yield ObjectCheck(build, "drained before returning", not found.pending, detail)


def rescheduling(
    base: Mapping[str, Resched], build: str, found: Mapping[str, Resched], section: int
) -> Iterator[ObjectCheck]:
    """Check that a build initializes at most a section more than base without cond_resched().

    Both are by call; `section` is in pages.
    """
    for kind, its in found.items():
        most = base[kind].longest
        text = f"{kind}: {its.longest} pages without cond_resched(), {most} in base"
        yield ObjectCheck(build, "reschedules like base", its.longest <= most + section, text)
