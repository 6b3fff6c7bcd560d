# SPDX-License-Identifier: GPL-2.0-only
"""Runs a replay program on a plan of lines and returns what each line gave, as values."""

import bisect
import os
import shlex
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from harness.errors import MachineError
from harness.host.process import Deadline
from harness.host.sandbox import Sandbox
from harness.kernel.binutils import Binutils
from harness.replay.program.link import Program

T = TypeVar("T")

#: shim/trap.c: the program ended itself and its last line says why.
EXIT_TRAPPED = 70
#: shim/user.h and shim/arena.c.
VMEMMAP = 1 << 40


class Facts(msgspec.Struct, frozen=True):
    """What the configuration fixed. Sizes in bytes and pages."""

    page_struct_size: int
    pages_per_section: int
    pages_per_pageblock: int
    max_nodes: int
    page_ref: bool


class PageRef(msgspec.Struct, frozen=True):
    """Events of the page_ref_set tracepoint: how many, for how many pages, which pages' pfns."""

    events: int
    pages: int
    first: int
    last: int
    digest: str


class Call(msgspec.Struct, frozen=True):
    """One call: its duration on the wall and of the CPU, and what the rest of the kernel was told.

    `instructions` is negative where the machine has no counter; `huge_bytes` is how much of the
    memory came in huge pages; `before` how many bytes of guard precede the first struct page;
    `pageblocks` are (first pfn, one past the last, migratetype, isolate).
    """

    ns: int
    cpu_ns: int
    instructions: int
    huge_bytes: int
    before: int
    pageblocks: tuple[tuple[int, int, int, int], ...]
    page_ref: PageRef
    digest: str = ""


class Filled(msgspec.Struct, frozen=True):
    """The same memory filled by other means; all is 0 where the CPU lacks them."""

    how: str
    supported: bool
    ns: int = 0
    cpu_ns: int = 0
    bytes: int = 0


class Trapped(MachineError):
    """The program stopped itself; `line` counts the plan's lines from 1 (0: before them)."""

    def __init__(self, what: str, line: int) -> None:
        super().__init__(what)
        self.line = line


class Answers(msgspec.Struct, frozen=True):
    """What a plan gave: the facts, then one answer to each line that asks for one."""

    facts: Facts
    given: tuple[Call | Filled, ...]

    @property
    def ran(self) -> tuple[Call, ...]:
        """The calls among them."""
        return tuple(answer for answer in self.given if isinstance(answer, Call))


#: What is answered to a line, by its verb. Taking and giving turns (shim/turn.c) has no answer.
ANSWERS: dict[str, type[Call] | type[Filled]] = {"run": Call, "fill": Filled}


class Runner:
    """How programs are run: on which CPU, in bubblewrap or not, with which log and deadline.

    The code comes out of patches, so it sees no more of the machine than a build does.
    """

    def __init__(self, log: Path, deadline: Deadline, sandbox: Sandbox) -> None:
        self.log = log
        self.deadline = deadline
        self._sandbox = sandbox
        self.binutils = Binutils(log, deadline, sandbox)
        #: The last of those we may use: the first serves the machine's own work more often.
        self.cpu = max(os.sched_getaffinity(0))

    def __call__(
        self,
        program: Program,
        lines: Sequence[str],
        *,
        before: Sequence[str] = (),
        writable: Sequence[Path] = (),
    ) -> Answers:
        """Run `lines`; `before` goes before the program's own argv (an emulator, say).

        `writable` are folders for what such a program writes.

        Raises Trapped where the program stopped itself.
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
                f"{len(replies) - 1} answers to {len(kinds)} questions",
                where=shlex.join(done.argv),
                hint=f"the whole log is in {self.log}",
            )
        given = [_decode(reply, kind) for reply, kind in zip(replies[1:], kinds, strict=True)]
        return Answers(_decode(replies[0], Facts), tuple(given))

    def _trapped(self, program: Program, reply: str) -> Trapped:
        said = _decode(reply, _Stopped)
        if said.error:
            return Trapped(f"the replay program stopped: {said.error}", said.line)
        where = self._function(program, said.instruction)
        symbol = program.trap(said.address)
        if symbol is not None:
            what = f"{where}() reached {symbol}, which no healthy run does"
        elif said.trap == "SIGILL":
            what = f"{where}() hit a BUG() or WARN()"
        elif said.address >= VMEMMAP:
            what = f"{where}() touched {said.address:#x}, beyond the memmap and its guard pages"
        else:
            what = f"{where}() got {said.trap} at {said.address:#x}"
        return Trapped(what, said.line)

    def _function(self, program: Program, address: int) -> str:
        known = self.binutils.addresses(program.path)
        index = bisect.bisect_right([at for at, _ in known], address) - 1
        # A jump to an undefined symbol: whoever jumped is no longer to be seen.
        return known[index][1] if index >= 0 else "the kernel's code"


class _Stopped(msgspec.Struct):
    line: int
    error: str = ""
    trap: str = ""
    address: int = 0
    instruction: int = 0


def _written(lines: Sequence[str]) -> list[Path]:
    """The folders of files that the lines name: what is saved, and FIFOs to take turns with."""
    pairs = [word.partition("=") for line in lines for word in line.split()]
    wanted = ("image", "trace", "file")
    return sorted({Path(value).parent for key, _, value in pairs if key in wanted})


def _decode(reply: str, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(reply, type=kind)
    except msgspec.MsgspecError as error:
        raise MachineError(f"the replay program said {reply[:200]!r}: {error}") from error
