# SPDX-License-Identifier: GPL-2.0-only
"""Finds the functions that a function of an object can reach, and their undefined symbols. Pure.

Edges are direct branches and all relocations in instructions. So an indirect call is an edge if an
instruction loads its target; a target in data is not seen.
"""

from collections.abc import Collection, Sequence

import msgspec

from harness.kernel.objdump import Code, Function, Instruction


class Reached(msgspec.Struct, frozen=True):
    """The functions reached, roots first, and the functions that use each undefined symbol."""

    functions: tuple[Function, ...]
    wanted: dict[str, tuple[str, ...]]


def reach(code: Code, roots: Sequence[str], undefined: Collection[str]) -> Reached:
    """Return what `roots` reach. Raises ValueError if the object lacks one of them."""
    found: list[Function] = []
    for root in roots:
        function = code.named(root)
        if function is None:
            raise ValueError(f"no function {root} in it")
        found.append(function)
    seen = {(f.section, f.address) for f in found}
    wanted: dict[str, list[str]] = {}
    for function in found:  # grows while it is walked
        for instruction in function.instructions:
            for symbol in _undefined(instruction, undefined):
                users = wanted.setdefault(symbol, [])
                if function.name not in users:
                    users.append(function.name)
            for callee in _callees(code, function, instruction):
                if (callee.section, callee.address) not in seen:
                    seen.add((callee.section, callee.address))
                    found.append(callee)
    return Reached(tuple(found), {name: tuple(users) for name, users in wanted.items()})


def _undefined(instruction: Instruction, undefined: Collection[str]) -> list[str]:
    return [r.symbol for r in instruction.relocations if r.symbol in undefined]


def _callees(code: Code, function: Function, instruction: Instruction) -> list[Function]:
    targets = [code.resolve(relocation) for relocation in instruction.relocations]
    if instruction.target is not None and not instruction.relocations:
        targets.append(code.at(function.section, instruction.target))
    return [target for target in targets if target is not None]
