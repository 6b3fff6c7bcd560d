# SPDX-License-Identifier: GPL-2.0-only
"""Traces one call per build and kind, for object checks and for counts of memory traffic."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from harness.errors import MachineError
from harness.events import Began, Ended, Listener, silent
from harness.record.record import BASE, Lines, Traffic
from harness.replay.accesses import TraceStep, touches_memory
from harness.replay.object_checks import (
    ObjectCheck,
    PageRead,
    StoreOrder,
    drained,
    has_stores,
    is_drain,
    non_temporal_stores,
    order,
    rescheduling,
    streaming_functions,
)
from harness.replay.program.link import Program, disassembled
from harness.replay.runner.runner import VMEMMAP, Resched, Runner, Trapped
from harness.replay.traffic import UnknownSize, count_lines
from harness.workloads.replay import PARTS, Case

#: In the order of shim/trace.c.
REGISTERS = tuple(
    f"%{name}"
    for name in (
        *("rip", "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp"),
        *(f"r{number}" for number in range(8, 16)),
    )
)


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
        if build in (*streaming, *plain):
            found.append(has_stores(build, stores_of(runner, program), wanted=build in streaming))
        for kind, case in runner.replay.stepped.items():
            try:
                found += drained(build, kind, traced(runner, program, case))
            except Trapped as trap:
                found.append(
                    ObjectCheck(build, "runs to its end", ok=False, detail=f"{kind}: {trap}")
                )
    failed = sum(not check.ok for check in found)
    listen(Ended(f"{len(found)} object checks, {failed} failed"))
    return tuple(found)


def rescheduled(runner: Runner, programs: Mapping[str, Program]) -> tuple[ObjectCheck, ...]:
    """Check that every build calls cond_resched() as often as base, to within a section.

    The kernel must be configured so that it is a call (check.RESCHED).
    """
    section = runner(programs[BASE], []).facts.pages_per_section
    base = _rescheds(runner, programs[BASE])
    found: list[ObjectCheck] = []
    for build, program in programs.items():
        try:
            found += rescheduling(base, build, _rescheds(runner, program), section)
        except Trapped as trap:
            found.append(ObjectCheck(build, "runs to its end", ok=False, detail=str(trap)))
    return tuple(found)


def _rescheds(runner: Runner, program: Program) -> dict[str, Resched]:
    cases = runner.replay.rescheduled
    ran = runner(program, [case.line(soil=1, resched=1) for case in cases.values()]).ran
    return {name: one.resched for name, one in zip(cases, ran, strict=True) if one.resched}


def plain(runner: Runner, build: str, file: Path, shim: Path | None = None) -> ObjectCheck:
    """Check that an object has no non-temporal stores, without running it (KASAN)."""
    return has_stores(build, count(runner, file, shim), wanted=False)


def stores_of(runner: Runner, program: Program) -> int:
    """Return the number of non-temporal stores that a program's function can reach."""
    return count(runner, program.object, program.shim)


def count(runner: Runner, file: Path, shim: Path | None = None) -> int:
    """Return the number of non-temporal stores that the function can reach.

    A call of a function that has such stores in the shim counts as one.
    """
    callees = streaming_functions(disassembled(shim, runner.binutils)) if shim else ()
    code = disassembled(file, runner.binutils)
    try:
        return non_temporal_stores(code, runner.replay.function, callees)
    except ValueError as error:
        raise MachineError(str(error), where=str(file)) from error


def traffic(
    runner: Runner, programs: Mapping[str, Program], listen: Listener = silent
) -> tuple[Traffic, ...]:
    """Count the cache lines that every build stores per struct page.

    Raises MachineError if a call cannot be traced, or does not say how much it stores.
    """
    cases = runner.replay.counted
    listen(Began(f"count the memory traffic of {len(programs)} builds"))
    found = tuple(
        Traffic(build, kind, _lines(build, trace, case.nr // PARTS))
        for build, program in programs.items()
        for (kind, case), trace in zip(
            cases.items(), single_stepped(runner, program, *cases.values()), strict=True
        )
    )
    listen(Ended(f"counted the memory traffic of {len(programs)} builds"))
    return found


def _lines(build: str, trace: "Trace", nr_pages: int) -> Lines:
    low = trace.low + nr_pages * trace.size
    try:
        steps = (step for step in trace.steps if isinstance(step, TraceStep))
        return count_lines(steps, low, low + nr_pages * trace.size, nr_pages)
    except UnknownSize as error:
        raise MachineError(
            str(error),
            where=f"object of {build}",
            expected="stores to struct pages whose size their text gives",
        ) from error


class Trace(NamedTuple):
    """The steps of a call that touch memory or drain stores, in order, and what reads its pages.

    The struct pages of the case, of `size` bytes each, lie from address `low` up to `high`.
    """

    steps: Iterator[TraceStep | PageRead]
    low: int
    high: int
    size: int


def traced(runner: Runner, program: Program, case: Case) -> StoreOrder:
    """Run one call and return the order of its accesses and fences."""
    (found,) = single_stepped(runner, program, case)
    return order(found.steps, found.low, found.high, found.size)


def single_stepped(runner: Runner, program: Program, *cases: Case) -> list[Trace]:
    """Run calls instruction by instruction and return their traces."""
    code = disassembled(program.path, runner.binutils)
    watched = {
        i.address: i
        for function in code.functions
        for i in function.instructions
        if is_drain(i) or touches_memory(i)
    }
    known = runner.replay.readers
    readers = {f.address: known[f.name] for f in code.functions if f.name in known}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.array(sorted({*watched, *readers}), dtype=np.uint64).tofile(folder / "watch")
        files = [folder / str(number) for number in range(len(cases))]
        lines = [
            case.line(soil=1, watch=str(folder / "watch"), trace=str(file))
            for case, file in zip(cases, files, strict=True)
        ]
        size = runner(program, lines).facts.page_struct_size
        found = [np.fromfile(file, dtype=np.uint64).tolist() for file in files]

    def steps(values: list[int]) -> Iterator[TraceStep | PageRead]:
        for start in range(0, len(values), len(REGISTERS)):
            row = values[start : start + len(REGISTERS)]
            registers = dict(zip(REGISTERS, row, strict=True))
            if row[0] in readers:
                yield PageRead(readers[row[0]], VMEMMAP + registers["%rdi"] * size)
            if row[0] in watched:
                yield TraceStep(watched[row[0]], registers)

    lows = [VMEMMAP + case.start * size for case in cases]
    return [
        Trace(steps(values), low, low + case.nr * size, size)
        for case, low, values in zip(cases, lows, found, strict=True)
    ]
