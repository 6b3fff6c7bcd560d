# SPDX-License-Identifier: GPL-2.0-only
"""Which bytes a traced instruction loads and stores, from its text and the registers. Pure."""

import functools
import re
from typing import NamedTuple

import msgspec

from harness.kernel.objdump import Instruction

_NON_TEMPORAL = re.compile(r"v?movnt(?!dqa)\w+|movdir64b|movdiri?[lq]?")
#: Name a place in memory but neither load nor store it.
_NEITHER = re.compile(r"lea|nop|prefetch|cldemote|invlpg")
#: With memory as their last operand they load it, and store nothing.
_LOADS = re.compile(
    r"v?u?comis|v?ptest|cmp(?!xchg)|test|bt[lwq]?$|push|call|jmp|scas|clflush|clwb|i?mul|i?div|verw"
)
#: With memory as their last operand they store it without a load of it; all others do both.
_STORES = re.compile(r"v?mov|set|stos|pop|v?p?extr|vpcompress|fi?st|st")
#: `0x8(%rdi,%rax,8)`, `%es:(%rdi)`.
_MEMORY = re.compile(r"(?:%\ws:)?(-?0x[0-9a-f]+)?\((%\w+)?(?:,(%\w+),([1248]))?\)")
_OPERAND = re.compile(r"(?:[^,(]|\([^)]*\))+")
_VECTOR_BYTES = {"x": 16, "y": 32, "z": 64, "m": 8}
#: Moves of a whole vector register, and of 4 or 8 bytes of one.
_VECTOR_MOVES = {
    re.compile(r"v?mov(nt)?(dq[au]?(8|16|32|64)?|[au]?p[sd])"): 0,
    re.compile(r"v?mov(nt)?(d|ss)"): 4,
    re.compile(r"v?mov(nt)?(q|sd|[lh]p[sd])"): 8,
}
_SUFFIX_BYTES = {"b": 1, "w": 2, "l": 4, "q": 8}
#: Sizes that neither a register nor a suffix gives.
_FIXED_BYTES = {"movdir64b": 64, "cmpxchg16b": 16, "cmpxchg8b": 8} | dict.fromkeys(
    ("call", "jmp", "push", "pop"), 8
)
_VECTOR = re.compile(r"%([xyzm])mm?\d")
_LOW_BYTE = re.compile(r"%(?:[abcd][lh]|[sd]il|[sb]pl|r\d+b)")
_WORD = re.compile(r"%(?:[abcd]x|[sd]i|[sb]p|r\d+w)")


class TraceStep(msgspec.Struct, frozen=True):
    """An instruction about to be executed, and the registers by name (`%rdi`)."""

    instruction: Instruction
    registers: dict[str, int]


class Access(NamedTuple):
    """`size` bytes of memory at `address` that an instruction loads, stores, or both.

    `size` is 0 where the instruction's text does not give it.
    """

    address: int
    size: int
    loads: bool
    stores: bool
    non_temporal: bool = False


class _Place(NamedTuple):
    """A memory operand: its address is displacement + base + times * scale."""

    displacement: int
    base: str | None
    times: str | None
    scale: int
    size: int
    loads: bool
    stores: bool


def is_non_temporal(instruction: Instruction) -> bool:
    """Return whether an instruction is a non-temporal store."""
    return _NON_TEMPORAL.fullmatch(instruction.mnemonic) is not None


def touches_memory(instruction: Instruction) -> bool:
    """Return whether an instruction may load or store memory other than the stack."""
    return any(place.base != "%rsp" for place in _places(instruction))


def accesses(step: TraceStep) -> tuple[Access, ...]:
    """Return what a step loads and stores, in the order of its operands.

    A single-stepped instruction with a `rep` prefix stops after each element: one step, one
    element.
    """
    instruction, registers = step.instruction, step.registers
    if instruction.prefix.startswith("rep") and not registers.get("%rcx", 0):
        return ()
    non_temporal = is_non_temporal(instruction)
    found = []
    for place in _places(instruction):
        address = place.displacement
        for register, factor in ((place.base, 1), (place.times, place.scale)):
            if register is not None:
                address += registers.get(register, 0) * factor
        found.append(
            Access(
                address % (1 << 64),
                place.size,
                place.loads,
                place.stores,
                non_temporal and place.stores,
            )
        )
    return tuple(found)


@functools.lru_cache(maxsize=1 << 16)
def _places(instruction: Instruction) -> tuple[_Place, ...]:
    mnemonic = instruction.mnemonic
    operands = [text.strip() for text in _OPERAND.findall(instruction.operands)]
    if _NEITHER.match(mnemonic):
        return ()
    found = []
    for number, text in enumerate(operands):
        # A call through memory has a `*` before it, a masked vector store {%k1} behind it.
        match = _MEMORY.match(text.removeprefix("*"))
        if match is None:
            continue
        is_last = number == len(operands) - 1
        stores = is_last and not _LOADS.match(mnemonic)
        loads = not stores or not _STORES.match(mnemonic)
        size = _size(mnemonic, operands, text)
        displacement, base, times, scale = match.groups()
        found.append(
            _Place(int(displacement or "0", 16), base, times, int(scale or 1), size, loads, stores)
        )
    if mnemonic == "movdir64b":  # the address that it stores to is a register
        found.append(_Place(0, operands[-1], None, 1, 64, loads=False, stores=True))
    return tuple(found)


def _size(mnemonic: str, operands: list[str], place: str) -> int:
    """Return how many bytes of a memory operand are accessed; 0 if the text does not say."""
    if mnemonic in _FIXED_BYTES:
        return _FIXED_BYTES[mnemonic]
    if "{" in place:  # a mask decides
        return 0
    extends = re.fullmatch(r"mov[sz]([bwl])[wlq]", mnemonic)
    if extends:
        return _SUFFIX_BYTES[extends[1]]
    if mnemonic.startswith("set"):
        return 1
    if vector := next((m for m in map(_VECTOR.match, operands) if m), None):
        known = (n for move, n in _VECTOR_MOVES.items() if move.fullmatch(mnemonic))
        size = next(known, None)
        return 0 if size is None else size or _VECTOR_BYTES[vector[1]]
    # objdump omits the suffix where a register gives the size; `shll %cl,(%rdi)` has both.
    shifts = re.match(r"(?:sh|sa|ro|rc)[lr]", mnemonic)
    sizes = [] if shifts else [size for size in map(_register_bytes, operands) if size]
    return sizes[0] if sizes else _SUFFIX_BYTES.get(mnemonic[-1], 0)


def _register_bytes(text: str) -> int:
    """Return the size of a general register; 0 for other operands."""
    if not text.startswith("%") or ":" in text:
        return 0
    if _LOW_BYTE.fullmatch(text):
        return 1
    if _WORD.fullmatch(text):
        return 2
    if text.startswith("%e") or re.fullmatch(r"%r\d+d", text):
        return 4
    return 8 if text.startswith("%r") else 0
