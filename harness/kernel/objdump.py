# SPDX-License-Identifier: GPL-2.0-only
"""Parses `objdump -dr --no-show-raw-insn` into instructions with their relocations. Pure."""

import bisect
import re

import msgspec

_SECTION = re.compile(r"Disassembly of section (\S+):")
_LABEL = re.compile(r"([0-9a-f]+) <(.+)>:")
_INSTRUCTION = re.compile(r"\s+([0-9a-f]+):\t(\S.*)")
_RELOCATION = re.compile(r"\s+([0-9a-f]+): (R_X86_64_\w+)\t(\S+)")
_ADDEND = re.compile(r"(.+?)([+-]0x[0-9a-f]+)")
#: `call 451 <name>` or `jne,pn 451 <name+0x8>`: the one operand is an address.
_TARGET = re.compile(r"([0-9a-f]+) <[^>]+>")
_PREFIXES = frozenset(("lock", "rep", "repz", "repnz", "bnd", "notrack", "data16", "cs", "ds"))
#: Relative to the end of a 4-byte field; objdump's addend is relative to its start.
_RELATIVE = ("R_X86_64_PC32", "R_X86_64_PLT32")


class Relocation(msgspec.Struct, frozen=True):
    """A reference to `symbol` (or section) plus `offset` bytes."""

    symbol: str
    offset: int


class Instruction(msgspec.Struct, frozen=True):
    """An instruction in AT&T syntax.

    `target` is a direct branch's address within the section; a relocation overrides it.
    """

    address: int
    mnemonic: str
    operands: str = ""
    prefix: str = ""
    target: int | None = None
    relocations: tuple[Relocation, ...] = ()


class Function(msgspec.Struct, frozen=True):
    """The instructions between two labels of a section."""

    section: str
    name: str
    address: int
    instructions: tuple[Instruction, ...]


class Code:
    """The functions of an object, by name or address."""

    def __init__(self, functions: tuple[Function, ...]) -> None:
        self.functions = functions
        self._sections: dict[str, list[Function]] = {}
        for function in functions:
            self._sections.setdefault(function.section, []).append(function)

    def named(self, name: str) -> Function | None:
        """Return the function of that name."""
        return next((f for f in self.functions if f.name == name), None)

    def at(self, section: str, address: int) -> Function | None:
        """Return the function at an address of a code section."""
        found = self._sections.get(section, [])
        index = bisect.bisect_right([f.address for f in found], address) - 1
        if index < 0:
            return None
        return found[index] if found[index].name != section else _piece(found[index], address)

    def resolve(self, relocation: Relocation) -> Function | None:
        """Return the function that a relocation refers to; None for data and other objects."""
        function = self.named(relocation.symbol)
        if function is not None:
            return self.at(function.section, function.address + relocation.offset)
        return self.at(relocation.symbol, relocation.offset)


def parse_disassembly(text: str) -> Code:
    """Return the functions of a disassembly. Raises ValueError if there are none.

    A section without labels is one function with the section's name.
    """
    functions: list[Function] = []
    section = name = ""
    address = 0
    instructions: list[Instruction] = []

    def close() -> None:
        if instructions:
            functions.append(Function(section, name, address, tuple(instructions)))
            instructions.clear()

    for line in text.splitlines():
        if match := _INSTRUCTION.fullmatch(line):
            instructions.append(_instruction(int(match[1], 16), match[2]))
        elif (match := _RELOCATION.fullmatch(line)) and instructions:
            instructions[-1] = _relocated(instructions[-1], match[2], match[3])
        elif match := _LABEL.fullmatch(line):
            close()
            name, address = match[2], int(match[1], 16)
        elif match := _SECTION.fullmatch(line):
            close()
            section, name, address = match[1], match[1], 0
    close()
    if not functions:
        raise ValueError("no instruction in it; expected output of objdump -dr")
    return Code(tuple(functions))


def _piece(whole: Function, address: int) -> Function:
    """Return one of several pieces of code in a section without labels, like .altinstr_aux."""
    end = next(
        (i.address for i in whole.instructions if i.address >= address and i.mnemonic == "jmp"),
        whole.instructions[-1].address,
    )
    inside = tuple(i for i in whole.instructions if address <= i.address <= end)
    return Function(whole.section, f"{whole.section}+{address:#x}", address, inside)


def _instruction(address: int, text: str) -> Instruction:
    words = text.split("#")[0].split() or [text]
    prefix = []
    while words[0] in _PREFIXES and len(words) > 1:
        prefix.append(words.pop(0))
    operands = " ".join(words[1:])
    match = _TARGET.fullmatch(operands)
    return Instruction(
        address,
        words[0].split(",")[0],  # `jne,pn`: a branch hint
        operands,
        " ".join(prefix),
        int(match[1], 16) if match else None,
    )


def _relocated(instruction: Instruction, kind: str, text: str) -> Instruction:
    match = _ADDEND.fullmatch(text)
    symbol, offset = (match[1], int(match[2], 16)) if match else (text, 0)
    if kind in _RELATIVE:
        offset += 4
    added = (*instruction.relocations, Relocation(symbol, offset))
    return msgspec.structs.replace(instruction, relocations=added)
