# SPDX-License-Identifier: GPL-2.0-only
"""Rounds: in each, one process of every build is alive, and they take turns of a few passes.

A process is the unit of repetition: where its memory lies differs from one to the next as it does
from boot to boot. The machine's own limit is one more build, so it meets the same disturbances.

On a shared virtual machine with compilers beside, what disturbs a pass lasts for some tens of
milliseconds (passes of 6 ms next to each other correlate by 0.8). Turns have to be as short as that
and many, so they work on a smaller namespace than the one that is reported: 4 GiB have 64 MiB of
memmap, twice the last-level cache of the processors we know. The first pass of a kind in a turn
costs a build that streams up to 4 % more, as the build before it left its own in the caches; so
half the namespace is initialized before, untimed. 1 % is left, as it is after the whole.
"""

import itertools
import random
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import msgspec

from harness.events import Advanced, Began, Ended, Listener, silent
from harness.measure.host_usage import Meter
from harness.record.record import LIMIT, NON_TEMPORAL, Pass
from harness.replay.program.link import Program
from harness.replay.runner.interleave import Slice, take
from harness.replay.runner.runner import Call, Filled, Runner
from harness.replay.timing.schedule import Keep, Schedule, Timed

#: Instructions of shim/fill.c that fill through the cache.
ORDINARY = ("mov", "rep-stosb")


class _Call(NamedTuple):
    """A line of a plan. Without a kind it is not kept."""

    line: str
    kind: str
    settles: bool
    nr_pages: int


def measure(
    driver: Runner,
    programs: Mapping[str, Program],
    schedule: Schedule,
    keep: Keep,
    listen: Listener = silent,
    *,
    limit_with: Program | None = None,
) -> Timed:
    """Run all rounds, numbered from 1, and return what they gave; `keep` hears it after each.

    `limit_with` is a program to fill the memory with. Raises Trapped, TimedOut.
    """
    lot = random.Random(schedule.seed)  # noqa: S311 (repeatable, no secret)
    builds = dict(programs) | ({LIMIT: limit_with} if limit_with is not None else {})
    so_far = Timed((), ())
    listen(Began(f"time {len(builds)} builds by turns in {schedule.rounds} rounds"))
    for number in range(1, schedule.rounds + 1):
        listen(Advanced(number - 1, schedule.rounds, f"round {number}"))
        meter = Meter()
        # Which memory they get may depend on who starts first.
        started = {build: builds[build] for build in lot.sample(list(builds), len(builds))}
        # Numbers that no process of another round has, nor any that ran by itself.
        first = len(programs) * len(schedule.kinds) + (number - 1) * len(builds)
        numbers = {build: first + index for index, build in enumerate(started)}
        passes = tuple(
            msgspec.structs.replace(p, process=numbers[p.build], round=number)
            for p in _round(driver, started, schedule, lot)
        )
        so_far = so_far.then(Timed(passes, (meter.used(),)))
        keep(so_far)
    listen(Ended(f"{len(so_far.passes)} passes by turns in {schedule.rounds} rounds"))
    return so_far


def _round(
    driver: Runner, builds: Mapping[str, Program], schedule: Schedule, lot: random.Random
) -> Iterator[Pass]:
    """All turns of one process a build; who follows whom is drawn anew each time."""
    programs = [build for build in builds if build != LIMIT]
    plan: list[tuple[int, str, list[_Call]]] = []
    for number in range(schedule.turns):
        # One kind after the other, so that what is compared is close in time.
        for kind in lot.sample(schedule.kinds, len(schedule.kinds)):
            calls = _calls(schedule, kind, is_first=number == 0)
            plan += [(number, build, calls) for build in lot.sample(programs, len(programs))]
        # One turn, amid the others, will do for the limit: nothing is paired with it.
        if LIMIT in builds and number == schedule.turns // 2:
            plan.append((number, LIMIT, [_faults(schedule), *_fills(lot)]))
    turns = [Slice(build, tuple(call.line for call in calls)) for _, build, calls in plan]
    index = {build: itertools.count() for build in builds}
    for (number, build, calls), answers in zip(plan, take(driver, builds, turns), strict=True):
        for call, answer in zip(calls, answers.given, strict=True):
            at = next(index[build])
            if call.kind and not (isinstance(answer, Filled) and not answer.supported):
                found = of_answer(call.kind, answer, call.nr_pages, answers.facts.page_struct_size)
                yield msgspec.structs.replace(
                    found, build=build, index=at, turn=number, settles=call.settles
                )


def of_answer(kind: str, answer: Call | Filled, nr_pages: int, page_struct_size: int) -> Pass:
    """Return a call, or a fill, as the record keeps it; who made it when is for the caller."""
    return Pass(
        build="",
        process=0,
        round=0,
        index=0,
        kind=kind,
        ns=answer.ns,
        cpu_ns=answer.cpu_ns,
        nr_pages=nr_pages,
        nr_bytes=nr_pages * page_struct_size if isinstance(answer, Call) else answer.bytes,
        huge_bytes=answer.huge_bytes if isinstance(answer, Call) else 0,
        digest=answer.digest if isinstance(answer, Call) else "",
    )


def _calls(schedule: Schedule, kind: str, *, is_first: bool) -> list[_Call]:
    """A build's turn. A process's very first pass faults the memory in, and settles."""
    case = schedule.turn_case(kind)
    again = _Call(case.line(), kind, settles=False, nr_pages=case.nr_pages)
    if is_first:
        return [again._replace(settles=True), *[again] * schedule.passes]
    settled = again._replace(line=case.line(settle=case.nr // 2))
    return [settled, *[again] * (schedule.passes - 1)]


def _faults(schedule: Schedule) -> _Call:
    """The call that faults in what the limit's process fills: the bytes of an order-0 pass."""
    case = schedule.turn_case("order0")
    # Shrunk to what the altmap leaves.
    case = msgspec.structs.replace(case, nr=case.nr_pages, altmap=False, reserve=0, free=0)
    return _Call(case.line(), "", settles=True, nr_pages=case.nr_pages)


def _fills(lot: random.Random) -> Iterator[_Call]:
    """The limit's turn: the memory filled once by each means, after one that settles.

    A fill has no order of loads and stores that a second one could improve.
    """
    for ways in (NON_TEMPORAL, ORDINARY):
        yield _Call(f"fill how={ways[0]}", ways[0], settles=True, nr_pages=0)
        for how in lot.sample(ways, len(ways)):
            yield _Call(f"fill how={how}", how, settles=False, nr_pages=0)
