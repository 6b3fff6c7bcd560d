# SPDX-License-Identifier: GPL-2.0-only
"""Times all builds in rounds: one process per build, interleaved in slices of a few passes.

A process is the unit of repetition: its memory layout differs from the next one's, as it does from
boot to boot. The memory limit (LIMIT) is measured like one more build, in the same conditions.

On a shared virtual machine with compilers running, a disturbance lasts for some tens of
milliseconds (adjacent passes of 6 ms correlate by 0.8). Slices must be as short as that, so they
use a smaller namespace than the one that is reported: 4 GiB have 64 MiB of memmap, twice the
last-level cache of the processors we know. The first pass of a kind in a slice takes a streaming
build up to 4 % longer, because the build before it filled the caches. Half the namespace is
initialized first, untimed; 1 % remains, as it does after the whole namespace.

Each round runs another link of each program (link.PLACEMENTS). The last pass of each kind leaves a
digest, which shows that every link leaves the struct pages of base. Before each slice the
canary is timed, a loop of a fixed number of cycles: it shows what the CPU itself did.
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
from harness.replay.runner.interleave import Slice, run_slices
from harness.replay.runner.runner import Answer, Call, Filled, Runner
from harness.replay.timing.schedule import NOTHING, Save, Schedule, Timed, placements
from harness.workloads.replay import Replay

#: Instructions of shim/fill.c that fill through the cache.
ORDINARY = ("mov", "rep-stosb")
#: The line of a plan that times the canary.
CANARY = "canary"


class _Call(NamedTuple):
    """A line of a plan. Its answer is dropped if it has no kind."""

    line: str
    kind: str
    settles: bool
    nr_pages: int


def measure(
    runner: Runner,
    programs: Mapping[str, Program],
    schedule: Schedule,
    save: Save,
    listen: Listener = silent,
    *,
    limit_with: Program | None = None,
    first: int = 1,
) -> Timed:
    """Run all rounds from number `first`, and return their samples; call `save` after each.

    `limit_with` is a program to fill memory with. Raises Trapped, TimedOut.
    """
    schedule = schedule.of(runner.replay)
    builds = dict(programs) | ({LIMIT: limit_with} if limit_with is not None else {})
    placed = {build: placements(schedule, build) for build in programs}
    so_far = NOTHING
    listen(Began(f"time {len(builds)} builds in slices, in {schedule.rounds} rounds"))
    for number in range(first, schedule.rounds + 1):
        # One seed per round: an interrupted run goes on as it would have.
        rng = random.Random(f"{schedule.seed} {number}")  # noqa: S311 (repeatable, no secret)
        listen(Advanced(number - 1, schedule.rounds, f"round {number}"))
        meter = Meter()
        # The order of starting may decide which memory each gets.
        started = {build: builds[build] for build in rng.sample(list(builds), len(builds))}
        started |= {b: builds[b].placed(placed[b][number - 1]) for b in started if b in placed}
        # Process numbers are unique in a run; the first ones ran alone.
        used = len(programs) * len(schedule.kinds) + (number - 1) * len(builds)
        numbers = {build: used + index for index, build in enumerate(started)}
        passes, canary = _round(runner, started, schedule, rng)
        passes = [
            msgspec.structs.replace(p, process=numbers[p.build], round=number) for p in passes
        ]
        so_far = so_far.then(Timed(tuple(passes), (meter.used(),), (tuple(canary),)))
        save(so_far)
    listen(Ended(f"{len(so_far.passes)} passes in slices, in {schedule.rounds} rounds"))
    return so_far


def _round(
    runner: Runner, builds: Mapping[str, Program], schedule: Schedule, rng: random.Random
) -> tuple[list[Pass], list[int]]:
    """Run one round: one process per build, slices in a new random order each time.

    Returns the passes, and the CPU time of the canary before each slice.
    """
    programs = [build for build in builds if build != LIMIT]
    plan: list[tuple[int, str, list[_Call]]] = []
    for number in range(schedule.slices):
        # One kind after the other, so that what is compared is close in time.
        for kind in rng.sample(schedule.kinds, len(schedule.kinds)):
            calls = _calls(runner.replay, schedule, kind, number)
            plan += [(number, build, calls) for build in rng.sample(programs, len(programs))]
        # The limit needs one slice only: nothing is paired with it.
        if LIMIT in builds and number == schedule.slices // 2:
            plan.append((number, LIMIT, [_faults(runner.replay, schedule), *_fills(rng)]))
    slices = [Slice(build, (CANARY, *(call.line for call in calls))) for _, build, calls in plan]
    index = {build: itertools.count() for build in builds}
    passes: list[Pass] = []
    canary: list[int] = []
    for (number, build, calls), answers in zip(
        plan, run_slices(runner, builds, slices), strict=True
    ):
        looped, *given = answers.given
        canary.append(looped.cpu_ns)
        for call, answer in zip(calls, given, strict=True):
            at = next(index[build])
            if call.kind and not (isinstance(answer, Filled) and not answer.supported):
                found = of_answer(call.kind, answer, call.nr_pages, answers.facts.page_struct_size)
                passes.append(
                    msgspec.structs.replace(
                        found, build=build, index=at, slice=number, settles=call.settles
                    )
                )
    return passes, canary


def of_answer(kind: str, answer: Answer, nr_pages: int, page_struct_size: int) -> Pass:
    """Return a call or fill as a Pass; the caller sets build, process, round and index."""
    return Pass(
        build="",
        process=0,
        round=0,
        index=0,
        kind=kind,
        ns=answer.ns,
        cpu_ns=answer.cpu_ns,
        nr_pages=nr_pages,
        nr_bytes=answer.bytes if isinstance(answer, Filled) else nr_pages * page_struct_size,
        huge_bytes=answer.huge_bytes if isinstance(answer, Call) else 0,
        digest=answer.digest if isinstance(answer, Call) else "",
    )


def _calls(replay: Replay, schedule: Schedule, kind: str, number: int) -> list[_Call]:
    """Return the calls of a slice. The first pass of a process faults the memory in."""
    case = replay.of_size(kind, schedule.in_slices_bytes)
    digests = [0] * schedule.passes
    digests[-1] = int(number == schedule.slices - 1)
    once = _Call(case.line(), kind, settles=False, nr_pages=case.nr_pages)
    timed = [once._replace(line=case.line(digest=digest)) for digest in digests]
    if number == 0:
        return [once._replace(settles=True), *timed]
    settled = case.line(settle=case.nr // 2, digest=digests[0])
    return [once._replace(line=settled), *timed[1:]]


def _faults(replay: Replay, schedule: Schedule) -> _Call:
    """Return the call that faults in the memory that fills use: that of a pass of the first kind.

    A pass may initialize only the last pages of its range.
    """
    kind = replay.kinds[0]
    nr_pages = replay.of_size(kind, schedule.in_slices_bytes).nr_pages
    case = replay.of_pages(kind, nr_pages)
    return _Call(case.line(), "", settles=True, nr_pages=nr_pages)


def _fills(rng: random.Random) -> Iterator[_Call]:
    """Return the fills of LIMIT's slice: one per instruction, after one that settles."""
    for ways in (NON_TEMPORAL, ORDINARY):
        yield _Call(f"fill how={ways[0]}", ways[0], settles=True, nr_pages=0)
        for how in rng.sample(ways, len(ways)):
            yield _Call(f"fill how={how}", how, settles=False, nr_pages=0)
