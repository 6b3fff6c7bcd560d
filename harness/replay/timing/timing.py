# SPDX-License-Identifier: GPL-2.0-only
"""Times all builds: each alone on the whole namespace, then interleaved in slices (rounds.py).

Alone gives the milliseconds of the reported namespace and the digest of its memmap. Ratios come
from the slices.
"""

import random
from collections.abc import Iterator, Mapping

import msgspec

from harness.events import Advanced, Began, Ended, Listener, Note, silent
from harness.measure.host_usage import Meter
from harness.record.record import Pass
from harness.replay.program.link import Program
from harness.replay.runner.runner import Runner
from harness.replay.timing import rounds
from harness.replay.timing.schedule import NOTHING, Save, Schedule, Timed

#: Calls on the whole namespace after a process's first.
PASSES = 2


def measure(
    runner: Runner,
    programs: Mapping[str, Program],
    schedule: Schedule,
    save: Save,
    listen: Listener = silent,
    *,
    limit_with: Program | None = None,
    done: Timed = NOTHING,
) -> Timed:
    """Measure the whole namespace (round 0), then the rounds; call `save` after each.

    `limit_with` is a program to fill memory with: any build's. `done` is from an interrupted call,
    and is not measured again. Raises Trapped, TimedOut.
    """
    schedule = schedule.of(runner.replay)
    whole = done
    if not done.rounds:
        meter = Meter()
        alone = tuple(_alone(runner, programs, schedule, listen))
        whole = Timed(alone, (meter.used(),), ((),))
        save(whole)
    in_slices = rounds.measure(
        runner,
        programs,
        schedule,
        lambda so_far: save(whole.then(so_far)),
        listen,
        limit_with=limit_with,
        first=max(1, len(done.rounds)),
    )
    alone = tuple(p for p in whole.passes if p.round == 0)
    if alone and not any(p.huge_bytes for p in alone):
        listen(Note("no huge pages were available: times include TLB misses"))
    return whole.then(in_slices)


def _alone(
    runner: Runner, programs: Mapping[str, Program], schedule: Schedule, listen: Listener
) -> Iterator[Pass]:
    """Time one process per build and kind, so that every kind has a first pass."""
    rng = random.Random(schedule.seed)  # noqa: S311 (repeatable, no secret)
    todo = [(build, kind) for build in programs for kind in schedule.kinds]
    listen(Began(f"time {len(programs)} builds on the whole namespace"))
    for process, (build, kind) in enumerate(rng.sample(todo, len(todo))):
        listen(Advanced(process, len(todo), f"{build}, {kind}"))
        case = runner.replay.of_size(kind, schedule.size_bytes)
        # Computing the digest disturbs the pass after it: the last one has none.
        answers = runner(programs[build], [case.line()] * PASSES + [case.line(digest=1)])
        size = answers.facts.page_struct_size
        for index, ran in enumerate(answers.ran):
            found = rounds.of_answer(kind, ran, case.nr_pages, size)
            yield msgspec.structs.replace(found, build=build, process=process, index=index)
    listen(Ended(f"timed {len(programs)} builds on the whole namespace"))
