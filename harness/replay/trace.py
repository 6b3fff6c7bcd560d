# SPDX-License-Identifier: GPL-2.0-only
"""Traces one call per build and kind, for object checks and for counts of memory traffic."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from harness.errors import MachineError
from harness.events import Began, Ended, Listener, silent
from harness.project.series import FUNCTION
from harness.record.record import Lines, Traffic
from harness.replay.accesses import TraceStep, touches_memory
from harness.replay.cases import START_PFN, Case
from harness.replay.object_checks import (
    ObjectCheck,
    StoreOrder,
    drained,
    has_stores,
    is_drain,
    non_temporal_stores,
    order,
)
from harness.replay.program.link import Program, disassembled
from harness.replay.runner.runner import VMEMMAP, Runner, Trapped
from harness.replay.traffic import UnknownSize, count_lines

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
#: Calls of three equal parts. The traffic of the middle one is counted, since a call may store its
#: first and last pages in another way. Each step is a signal: few pages, but whole compound pages.
PARTS = 3
COUNTED = {
    "order0": Case("fs_dax", 0, START_PFN, PARTS << 7),
    "order9": Case("generic", 9, START_PFN, PARTS << 9, early=True),
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


def traffic(
    runner: Runner, programs: Mapping[str, Program], listen: Listener = silent
) -> tuple[Traffic, ...]:
    """Count the cache lines that every build stores per struct page.

    Raises MachineError if a call cannot be traced, or does not say how much it stores.
    """
    listen(Began(f"count the memory traffic of {len(programs)} builds"))
    found = tuple(
        Traffic(build, kind, _lines(runner, build, program, case))
        for build, program in programs.items()
        for kind, case in COUNTED.items()
    )
    listen(Ended(f"counted the memory traffic of {len(programs)} builds"))
    return found


def _lines(runner: Runner, build: str, program: Program, case: Case) -> Lines:
    trace = single_stepped(runner, program, case)
    nr_pages = case.nr // PARTS
    low = trace.low + nr_pages * trace.size
    try:
        return count_lines(trace.steps, low, low + nr_pages * trace.size, nr_pages)
    except UnknownSize as error:
        raise MachineError(
            str(error),
            where=f"object of {build}",
            expected="stores to struct pages whose size their text gives",
        ) from error


class Trace(NamedTuple):
    """The steps of a call that touch memory or drain stores, in order.

    The struct pages of the case, of `size` bytes each, lie from address `low` up to `high`.
    """

    steps: Iterator[TraceStep]
    low: int
    high: int
    size: int


def traced(runner: Runner, program: Program, case: Case) -> StoreOrder:
    """Run one call and return the order of its stores and fences."""
    found = single_stepped(runner, program, case)
    return order(found.steps, found.low, found.high, found.size)


def single_stepped(runner: Runner, program: Program, case: Case) -> Trace:
    """Run one call instruction by instruction and return its trace."""
    code = disassembled(program.path, runner.binutils)
    watched = {
        i.address: i
        for function in code.functions
        for i in function.instructions
        if is_drain(i) or touches_memory(i)
    }
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
    return Trace(steps, low, low + case.nr * size, size)
