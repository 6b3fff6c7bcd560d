# SPDX-License-Identifier: GPL-2.0-only
"""The gates on an object: its non-temporal stores counted, a call of each kind traced."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from harness.errors import MachineError
from harness.events import Began, Ended, Listener, silent
from harness.project.series import FUNCTION
from harness.replay.cases import START_PFN, Case
from harness.replay.object_checks import (
    ObjectCheck,
    StoreOrder,
    TraceStep,
    drained,
    has_stores,
    may_matter,
    non_temporal_stores,
    order,
)
from harness.replay.program.link import Program, disassembled
from harness.replay.runner.runner import VMEMMAP, Runner, Trapped

#: shim/trace.c, in its order.
REGISTERS = tuple(
    f"%{name}"
    for name in (
        *("rip", "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp"),
        *(f"r{number}" for number in range(8, 16)),
    )
)
#: Enough to enter and leave every loop: two pageblocks, two compound pages.
TRACED = {
    "order0": Case("fs_dax", 0, START_PFN, 1 << 10),
    "order9": Case("generic", 9, START_PFN, 1 << 10, altmap=True),
}


def gates(
    driver: Runner,
    programs: Mapping[str, Program],
    listen: Listener = silent,
    *,
    streaming: Sequence[str] = (),
    plain: Sequence[str] = (),
) -> tuple[ObjectCheck, ...]:
    """Judge every build's object; those in `streaming` must have non-temporal stores.

    Those in `plain` must have none. Raises MachineError where a call cannot be traced.
    """
    listen(Began(f"gates on {len(programs)} objects"))
    found: list[ObjectCheck] = []
    for build, program in programs.items():
        stores = count(driver, program.object)
        if build in (*streaming, *plain):
            found.append(has_stores(build, stores, wanted=build in streaming))
        for kind, case in TRACED.items():
            try:
                found += drained(build, kind, traced(driver, program, case))
            except Trapped as trap:
                # An object that cannot be judged has passed no gate.
                found.append(
                    ObjectCheck(build, "runs to its end", ok=False, detail=f"{kind}: {trap}")
                )
    failed = [gate for gate in found if not gate.ok]
    listen(Ended(f"{len(found)} gates, {len(failed)} failed"))
    return tuple(found)


def plain(driver: Runner, build: str, file: Path) -> ObjectCheck:
    """Judge an object that cannot be run (KASAN has no shadow here) by its code alone."""
    return has_stores(build, count(driver, file), wanted=False)


def count(driver: Runner, file: Path) -> int:
    """Return how many non-temporal stores a kernel's object has in the function's reach."""
    code = disassembled(file, driver.binutils)
    try:
        return non_temporal_stores(code, FUNCTION)
    except ValueError as error:
        raise MachineError(str(error), where=str(file)) from error


def traced(driver: Runner, program: Program, case: Case) -> StoreOrder:
    """Return what one call does, store by store."""
    code = disassembled(program.path, driver.binutils)
    watched = {i.address: i for f in code.functions for i in f.instructions if may_matter(i)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.array(sorted(watched), dtype=np.uint64).tofile(folder / "watch")
        line = case.line(soil=1, watch=str(folder / "watch"), trace=str(folder / "trace"))
        size = driver(program, [line]).facts.page_struct_size
        values = np.fromfile(folder / "trace", dtype=np.uint64).reshape(-1, len(REGISTERS))
    steps = (
        TraceStep(watched[row[0]], dict(zip(REGISTERS, row, strict=True)))
        for row in values.tolist()
    )
    low = VMEMMAP + case.start * size
    return order(steps, low, low + case.nr * size, size)
