# SPDX-License-Identifier: GPL-2.0-only
"""Which functions of an object another one can reach, and what they want from other objects.

Direct branches and every relocation in an instruction count. An indirect call counts as the
relocation that fetched its target; where that lies in data it is not seen.
"""

from collections.abc import Collection, Sequence

import msgspec

from harness.kernel.objdump import Code, Function, Instruction


class Reached(msgspec.Struct, frozen=True):
    """The functions in the order found, and for every undefined symbol the functions that want it.

    `functions` begins with the roots.
    """

    functions: tuple[Function, ...]
    wanted: dict[str, tuple[str, ...]]


def reach(code: Code, roots: Sequence[str], undefined: Collection[str]) -> Reached:
    """Follow the code from `roots`. Raises ValueError for a root that the object has not."""
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
                askers = wanted.setdefault(symbol, [])
                if function.name not in askers:
                    askers.append(function.name)
            for callee in _callees(code, function, instruction):
                if (callee.section, callee.address) not in seen:
                    seen.add((callee.section, callee.address))
                    found.append(callee)
    return Reached(tuple(found), {name: tuple(askers) for name, askers in wanted.items()})


def _undefined(instruction: Instruction, undefined: Collection[str]) -> list[str]:
    return [r.symbol for r in instruction.relocations if r.symbol in undefined]


def _callees(code: Code, function: Function, instruction: Instruction) -> list[Function]:
    targets = [code.resolve(relocation) for relocation in instruction.relocations]
    if instruction.target is not None and not instruction.relocations:
        targets.append(code.at(function.section, instruction.target))
    return [target for target in targets if target is not None]
