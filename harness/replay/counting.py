# SPDX-License-Identifier: GPL-2.0-only
"""Counts instructions per struct page: exactly repeatable, but says nothing about memory.

Counts two calls that differ only in length; the difference leaves out the cost per call.
"""

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

import msgspec

from harness.errors import MachineError, ToolMissing
from harness.events import Began, Ended, Listener, silent
from harness.host.processes import programs as locate
from harness.replay.program.link import Program
from harness.replay.runner.runner import Runner
from harness.workloads.replay import Case

#: Pages of the shorter call; the longer one has twice as many. Whole pageblocks and compound pages.
PAGES = 1 << 14
_SUMMARY = re.compile(r"^summary: (\d+)$", re.MULTILINE)


class Counted(msgspec.Struct, frozen=True):
    """Instructions per struct page, by kind; `by` is the counter."""

    build: str
    by: str
    per_page: dict[str, float]


def count(
    runner: Runner, programs: Mapping[str, Program], listen: Listener = silent
) -> tuple[Counted, ...]:
    """Count every build's instructions with the CPU's counter, or else with valgrind.

    Raises ToolMissing if the machine has neither.
    """
    first = next(iter(programs.values()))
    by = "the CPU's instruction counter" if _has_counter(runner, first) else "valgrind"
    if by == "valgrind" and locate.find("valgrind") is None:
        raise ToolMissing(
            "this machine has no instruction counter, and valgrind is not installed",
            hint="install valgrind",
        )
    listen(Began(f"count instructions of {len(programs)} builds by {by}"))
    counter = _by_valgrind if by == "valgrind" else _by_cpu
    found = []
    for build, program in programs.items():
        per_page = {}
        for kind in runner.replay.kinds:
            cases = [runner.replay.of_pages(kind, nr) for nr in (PAGES, 2 * PAGES)]
            short, long = counter(runner, program, cases)
            per_page[kind] = (long - short) / PAGES
        found.append(Counted(build, by, per_page))
    listen(Ended(f"counted {len(programs)} builds by {by}"))
    return tuple(found)


def _has_counter(runner: Runner, program: Program) -> bool:
    case = runner.replay.of_pages(runner.replay.kinds[0], PAGES)
    return runner(program, [case.line()]).ran[0].instructions >= 0


def _by_cpu(runner: Runner, program: Program, cases: list[Case]) -> list[int]:
    # The first call takes the page faults.
    return [runner(program, [case.line(), case.line()]).ran[1].instructions for case in cases]


def _by_valgrind(runner: Runner, program: Program, cases: list[Case]) -> list[int]:
    counts = []
    for case in cases:
        with tempfile.TemporaryDirectory() as name:
            out = Path(name) / "callgrind.out"
            valgrind = [
                str(locate.require("valgrind")),
                "--tool=callgrind",
                f"--toggle-collect={runner.replay.function}",
                f"--callgrind-out-file={out}",
            ]
            runner(program, [case.line()], before=valgrind, writable=[out.parent])
            match = _SUMMARY.search(out.read_text())
        if match is None:
            raise MachineError(f"valgrind printed no summary; its output is in {runner.log}")
        counts.append(int(match[1]))
    return counts
