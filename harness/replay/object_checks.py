# SPDX-License-Identifier: GPL-2.0-only
"""Checks non-temporal stores: whether an object has any, and when it drains them. Pure.

The first is in the disassembly. The second needs a traced run, because code does not show which
branches exclude each other.
"""

import re
from collections.abc import Iterable, Iterator

import msgspec

from harness.kernel.call_graph import reach
from harness.kernel.objdump import Code, Instruction

_NON_TEMPORAL = re.compile(r"v?movnt(?!dqa)\w+|movdir64b|movdiri?[lq]?")
_FENCES = ("sfence", "mfence")
_NO_STORE = re.compile(r"v?u?comis|cmp(?!xchg)|test|bt[lqw]?$|lea|nop|prefetch|push|call|j|clflush")
#: The last operand, where it is memory: `0x8(%rdi,%rax,8)`, `%es:(%rdi)`.
_MEMORY = re.compile(r"(?:.*[\s,])?(?:%\ws:)?(-?0x[0-9a-f]+)?\((%\w+)?(?:,(%\w+),([1248]))?\)")


class ObjectCheck(msgspec.Struct, frozen=True):
    """A condition on one build's object."""

    build: str
    name: str
    ok: bool
    detail: str


class TraceStep(msgspec.Struct, frozen=True):
    """An instruction about to be executed, and the registers by name (`%rdi`)."""

    instruction: Instruction
    registers: dict[str, int]

    @property
    def address(self) -> int | None:
        """The address of its last operand; None if that is not in memory."""
        match = _MEMORY.fullmatch(self.instruction.operands)
        if match is None:
            return None
        displacement, base, index, scale = match.groups()
        address = int(displacement or "0", 16)
        for register, factor in ((base, 1), (index, int(scale or 1))):
            if register is not None:
                address += self.registers.get(register, 0) * factor
        return address % (1 << 64)


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


def is_non_temporal(instruction: Instruction) -> bool:
    """Return whether an instruction is a non-temporal store."""
    return _NON_TEMPORAL.fullmatch(instruction.mnemonic) is not None


def may_matter(instruction: Instruction) -> bool:
    """Return whether an instruction is a fence or may store to memory."""
    if instruction.mnemonic in _FENCES:
        return True
    if _NO_STORE.match(instruction.mnemonic):
        return False
    return _MEMORY.fullmatch(instruction.operands) is not None


def order(steps: Iterable[TraceStep], low: int, high: int, size: int) -> StoreOrder:
    """Follow the stores to the struct pages of `size` bytes from address `low` up to `high`."""
    pending: set[int] = set()
    non_temporal = ordinary = fences = 0
    overtaken: dict[str, None] = {}
    for step in steps:
        if step.instruction.mnemonic in _FENCES:
            fences += 1
            pending.clear()
            continue
        address = step.address
        if address is None or not low <= address < high:
            continue
        page = (address - low) // size
        if is_non_temporal(step.instruction):
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
