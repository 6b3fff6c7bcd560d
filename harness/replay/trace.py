# SPDX-License-Identifier: GPL-2.0-only
"""Checks objects: counts non-temporal stores in the code, traces one call per kind."""

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

#: In the order of shim/trace.c.
REGISTERS = tuple(
    f"%{name}"
    for name in (
        *("rip", "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp"),
        *(f"r{number}" for number in range(8, 16)),
    )
)
#: Two pageblocks, two compound pages: every loop is entered and left.
TRACED = {
    "order0": Case("fs_dax", 0, START_PFN, 1 << 10),
    "order9": Case("generic", 9, START_PFN, 1 << 10, altmap=True),
}


def object_checks(
    runner: Runner,
    programs: Mapping[str, Program],
    listen: Listener = silent,
    *,
    streaming: Sequence[str] = (),
    plain: Sequence[str] = (),
) -> tuple[ObjectCheck, ...]:
    """Check every build's object. Raises MachineError if a call cannot be traced.

    Builds in `streaming` must have non-temporal stores, those in `plain` must not.
    """
    listen(Began(f"check {len(programs)} objects"))
    found: list[ObjectCheck] = []
    for build, program in programs.items():
        stores = count(runner, program.object)
        if build in (*streaming, *plain):
            found.append(has_stores(build, stores, wanted=build in streaming))
        for kind, case in TRACED.items():
            try:
                found += drained(build, kind, traced(runner, program, case))
            except Trapped as trap:
                found.append(
                    ObjectCheck(build, "runs to its end", ok=False, detail=f"{kind}: {trap}")
                )
    failed = sum(not check.ok for check in found)
    listen(Ended(f"{len(found)} object checks, {failed} failed"))
    return tuple(found)


def plain(runner: Runner, build: str, file: Path) -> ObjectCheck:
    """Check that an object has no non-temporal stores, without running it (KASAN)."""
    return has_stores(build, count(runner, file), wanted=False)


def count(runner: Runner, file: Path) -> int:
    """Return the number of non-temporal stores that the function can reach."""
    code = disassembled(file, runner.binutils)
    try:
        return non_temporal_stores(code, FUNCTION)
    except ValueError as error:
        raise MachineError(str(error), where=str(file)) from error


def traced(runner: Runner, program: Program, case: Case) -> StoreOrder:
    """Run one call and return the order of its stores and fences."""
    code = disassembled(program.path, runner.binutils)
    watched = {i.address: i for f in code.functions for i in f.instructions if may_matter(i)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.array(sorted(watched), dtype=np.uint64).tofile(folder / "watch")
        line = case.line(soil=1, watch=str(folder / "watch"), trace=str(folder / "trace"))
        size = runner(program, [line]).facts.page_struct_size
        values = np.fromfile(folder / "trace", dtype=np.uint64).reshape(-1, len(REGISTERS))
    steps = (
        TraceStep(watched[row[0]], dict(zip(REGISTERS, row, strict=True)))
        for row in values.tolist()
    )
    low = VMEMMAP + case.start * size
    return order(steps, low, low + case.nr * size, size)
