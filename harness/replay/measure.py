# SPDX-License-Identifier: GPL-2.0-only
"""Times the sides in turn: each round runs every side once, in an order drawn anew.

A process is the unit of repetition: where its memory lies differs from one to the next as it does
from boot to boot. The machine's own limit is one more side, so it meets the same disturbances.
"""

import random
from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec

from harness.errors import MachineError
from harness.events import Advanced, Began, Ended, Listener, Said, nobody
from harness.model.record import HostUse, Pass
from harness.replay.cases import Case, namespace
from harness.replay.drive import Driver, Filled, Ran
from harness.replay.link import Program
from harness.stages.hostuse import Meter

KINDS = ("order0", "order9")
#: The side that measures what this machine's memory can take.
LIMIT = "limit"
#: shim/fill.c; these leave the cache alone ...
NON_TEMPORAL = ("movnti", "movntdq", "vmovntdq-512")
#: ... and these do not.
ORDINARY = ("mov", "rep-stosb")


class Schedule(msgspec.Struct, frozen=True):
    """How much is measured. `passes` are those of each kind a process, beside its first."""

    size_bytes: int
    rounds: int
    passes: int
    seed: int
    kinds: tuple[str, ...] = KINDS

    def case(self, kind: str) -> Case:
        """Return the call that a kind stands for."""
        return namespace(kind, self.size_bytes)


class Timed(NamedTuple):
    """The passes, and what the host did in each round."""

    passes: tuple[Pass, ...]
    rounds: tuple[HostUse, ...]


def measure(
    driver: Driver,
    programs: Mapping[str, Program],
    schedule: Schedule,
    keep: Callable[[Timed], None],
    listen: Listener = nobody,
    *,
    limit_with: Program | None = None,
) -> Timed:
    """Run all rounds and return what they gave; `keep` hears all so far after each round.

    `limit_with` is a program to fill the memory with; any will do. Raises Trapped, TimedOut.
    """
    lot = random.Random(schedule.seed)  # noqa: S311 (repeatable, no secret)
    sides = [*programs, *([LIMIT] if limit_with is not None else [])]
    passes: list[Pass] = []
    rounds: list[HostUse] = []
    process = 0
    listen(Began(f"time {len(sides)} sides in {schedule.rounds} rounds"))
    for round_number in range(schedule.rounds):
        meter = Meter()
        for side in lot.sample(sides, len(sides)):
            listen(Advanced(process, len(sides) * schedule.rounds, side))
            if side == LIMIT and limit_with is not None:
                made = _fill(driver, limit_with, schedule, lot)
            else:
                made = _run(driver, programs[side], schedule, lot, digest=round_number == 0)
            passes += [
                msgspec.structs.replace(p, side=side, process=process, round=round_number)
                for p in made
            ]
            process += 1
        rounds.append(meter.used())
        keep(Timed(tuple(passes), tuple(rounds)))
    if passes and not any(p.huge_bytes for p in passes):
        listen(Said("the machine gave no huge pages: TLB misses are part of these times"))
    listen(Ended(f"{len(passes)} passes in {process} processes"))
    return Timed(tuple(passes), tuple(rounds))


def _run(
    driver: Driver, program: Program, schedule: Schedule, lot: random.Random, *, digest: bool
) -> list[Pass]:
    kinds = lot.sample(schedule.kinds, len(schedule.kinds))
    turns = [kinds[0], *(kinds * schedule.passes)]
    # The digest is taken after the last pass of each kind, when it can disturb least.
    digested = range(len(turns) - len(kinds), len(turns)) if digest else range(0)
    lines = [schedule.case(k).line(digest=int(i in digested)) for i, k in enumerate(turns)]
    answers = driver(program, lines)
    size = answers.facts.page_struct_size
    return [
        _pass(index, kind, ran, schedule.case(kind).nr_pages, size)
        for index, (kind, ran) in enumerate(zip(turns, answers.ran, strict=True))
    ]


def _pass(index: int, kind: str, ran: Ran, nr_pages: int, size: int) -> Pass:
    return Pass(
        side="",
        process=0,
        round=0,
        index=index,
        kind=kind,
        ns=ran.ns,
        cpu_ns=ran.cpu_ns,
        nr_pages=nr_pages,
        nr_bytes=nr_pages * size,
        huge_bytes=ran.huge_bytes,
        digest=ran.digest,
    )


def _fill(driver: Driver, program: Program, schedule: Schedule, lot: random.Random) -> list[Pass]:
    """Fill the memory that an order-0 call, which is not counted, has faulted in.

    Once by each means: a fill has no order of loads and stores that a second one could improve.
    """
    ways = (*NON_TEMPORAL, *ORDINARY)
    turns = lot.sample(ways, len(ways))
    case = msgspec.structs.replace(schedule.case("order0"), altmap=False, reserve=0, free=0)
    # Shrunk to what the altmap leaves, so that the bytes are those of a pass.
    case = msgspec.structs.replace(case, nr=schedule.case("order0").nr_pages)
    answers = driver(program, [case.line(), *(f"fill how={how}" for how in turns)])
    filled = [answer for answer in answers.given if isinstance(answer, Filled)]
    return [
        Pass(
            side="",
            process=0,
            round=0,
            index=index,
            kind=answer.how,
            ns=answer.ns,
            cpu_ns=answer.cpu_ns,
            nr_pages=0,
            nr_bytes=answer.bytes,
            huge_bytes=answers.ran[0].huge_bytes,
        )
        for index, answer in enumerate(filled, 1)
        if answer.supported
    ]


def require_memory(schedule: Schedule, available_bytes: int) -> None:
    """Raise MachineError unless a pass's memmap fits into memory twice over."""
    needed = max(schedule.case(kind).nr for kind in schedule.kinds) * 64
    if available_bytes < needed * 5 // 4:
        raise MachineError(
            f"{available_bytes / 2**30:.1f} GiB of memory, too little for the memmap",
            expected=f"{needed * 5 / 4 / 2**30:.1f} GiB",
            mend="take a smaller namespace with --size",
        )
