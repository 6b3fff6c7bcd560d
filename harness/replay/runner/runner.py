# SPDX-License-Identifier: GPL-2.0-only
"""Runs a replay program on a plan and returns the answers to its lines, as values."""

import bisect
import os
import shlex
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from harness.errors import MachineError
from harness.host.processes.process import Deadline
from harness.host.processes.sandbox import Sandbox
from harness.kernel.binutils import Binutils
from harness.replay.program.link import Program
from harness.workloads.replay import Replay

T = TypeVar("T")

#: shim/trap.c: the program stopped itself; the last line of its output says why.
EXIT_TRAPPED = 70
#: shim/user.h.
VMEMMAP, ROOM = 1 << 40, 0xE0 << 32


class Facts(msgspec.Struct, frozen=True):
    """Facts of the kernel configuration, sizes in bytes and pages.

    `traceable` is whether the object was built with the function's fragments (Replay.fragments).
    """

    page_struct_size: int
    pages_per_section: int
    pages_per_pageblock: int
    max_nodes: int
    traceable: bool


class Resched(msgspec.Struct, frozen=True):
    """The calls of cond_resched(), and the most struct pages initialized without one."""

    calls: int
    longest: int


class Call(msgspec.Struct, frozen=True):
    """One call: wall and CPU time, and its calls to the rest of the kernel (`seen`).

    `instructions` is negative if the machine has no counter; `huge_bytes` is the memory in huge
    pages; `before` the bytes of guard before the first struct page. `resched` and `digest` are
    there if asked for.
    """

    ns: int
    cpu_ns: int
    instructions: int
    huge_bytes: int
    before: int
    seen: dict[str, Any]
    digest: str = ""
    resched: Resched | None = None


class Filled(msgspec.Struct, frozen=True):
    """The same memory filled with one instruction; all 0 if the CPU lacks it."""

    how: str
    supported: bool
    ns: int = 0
    cpu_ns: int = 0
    bytes: int = 0


class Looped(msgspec.Struct, frozen=True):
    """The times of the canary: a loop of a fixed number of cycles."""

    ns: int
    cpu_ns: int


class Trapped(MachineError):
    """The program stopped itself at plan line `line`, from 1 (0: before the first)."""

    def __init__(self, what: str, line: int) -> None:
        super().__init__(what)
        self.line = line


Answer = Call | Filled | Looped


class Answers(msgspec.Struct, frozen=True):
    """The facts, then one answer per run, fill or canary line of the plan."""

    facts: Facts
    given: tuple[Answer, ...]

    @property
    def ran(self) -> tuple[Call, ...]:
        """The answers to run lines."""
        return tuple(answer for answer in self.given if isinstance(answer, Call))


#: By the verb of a line. Lines of shim/turn.c have no answer.
ANSWERS: dict[str, type[Answer]] = {"run": Call, "fill": Filled, "canary": Looped}


class Runner:
    """Runs programs of one function pinned to one CPU, in the sandbox: they come from patches."""

    def __init__(self, log: Path, deadline: Deadline, sandbox: Sandbox, replay: Replay) -> None:
        self.log = log
        self.deadline = deadline
        self.replay = replay
        self._sandbox = sandbox
        self.binutils = Binutils(log, deadline, sandbox)
        #: The last one: the first serves more interrupts.
        self.cpu = max(os.sched_getaffinity(0))

    def __call__(
        self,
        program: Program,
        lines: Sequence[str],
        *,
        before: Sequence[str] = (),
        writable: Sequence[Path] = (),
    ) -> Answers:
        """Run the plan `lines`. Raises Trapped if the program stopped itself.

        `before` goes before the program's argv (valgrind); it may write to `writable`.
        """
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            plan = folder / "plan"
            plan.write_text("".join(f"{line}\n" for line in lines))
            done = self._sandbox.run(
                [*before, str(program.path), str(plan), str(self.cpu)],
                log=self.log,
                deadline=self.deadline,
                writable=[*writable, *_written(lines)],
                readable=[Path(program.folder), folder],
                ok=(0, EXIT_TRAPPED),
                called=program.path.name,
            )
        replies = done.stdout.splitlines()
        if done.exit_code == EXIT_TRAPPED:
            raise self._trapped(program, replies[-1] if replies else "")
        kinds = [ANSWERS[verb] for line in lines if (verb := line.partition(" ")[0]) in ANSWERS]
        if len(replies) != len(kinds) + 1:
            raise MachineError(
                f"the replay program gave {len(replies) - 1} answers to {len(kinds)} lines",
                where=shlex.join(done.argv),
                hint=f"the whole log is in {self.log}",
            )
        given = [_decode(reply, kind) for reply, kind in zip(replies[1:], kinds, strict=True)]
        return Answers(_decode(replies[0], Facts), tuple(given))

    def _trapped(self, program: Program, reply: str) -> Trapped:
        stopped = _decode(reply, _Stopped)
        if stopped.error:
            return Trapped(f"the replay program stopped: {stopped.error}", stopped.line)
        where = self._function(program, stopped.instruction)
        symbol = program.trap(stopped.address)
        if symbol is not None:
            what = f"{where}() reached {symbol}, which no correct run does"
        elif stopped.trap == "SIGILL":
            what = f"{where}() hit a BUG() or WARN()"
        elif stopped.address >= VMEMMAP:
            what = f"{where}() touched {stopped.address:#x}, beyond the memmap and its guard pages"
        else:
            what = f"{where}() got {stopped.trap} at {stopped.address:#x}"
        return Trapped(what, stopped.line)

    def _function(self, program: Program, address: int) -> str:
        known = self.binutils.addresses(program.path)
        index = bisect.bisect_right([at for at, _ in known], address) - 1
        # A jump to an undefined symbol: the caller is not known.
        return known[index][1] if index >= 0 else "the kernel's code"


class _Stopped(msgspec.Struct):
    line: int
    error: str = ""
    trap: str = ""
    address: int = 0
    instruction: int = 0


def _written(lines: Sequence[str]) -> list[Path]:
    """Return the folders of the files that lines name: images, traces, FIFOs."""
    pairs = [word.partition("=") for line in lines for word in line.split()]
    wanted = ("image", "trace", "file")
    return sorted({Path(value).parent for key, _, value in pairs if key in wanted})


def _decode(reply: str, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(reply, type=kind)
    except msgspec.MsgspecError as error:
        raise MachineError(
            f"unexpected output of the replay program: {reply[:200]!r}: {error}"
        ) from error
