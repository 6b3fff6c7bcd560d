# SPDX-License-Identifier: GPL-2.0-only
"""Times all builds: each by itself on the whole namespace, then by turns
(harness.replay.timing.rounds).

By itself shows what the reported namespace takes, page faults apart, and leaves its memmap to be
compared by digest. What a build costs beside another one is for the turns to say.
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
from harness.replay.timing.schedule import Keep, Schedule, Timed

#: Calls on the whole namespace, beside a process's first.
PASSES = 2


def measure(
    driver: Runner,
    programs: Mapping[str, Program],
    schedule: Schedule,
    keep: Keep,
    listen: Listener = silent,
    *,
    limit_with: Program | None = None,
) -> Timed:
    """Measure the whole namespace (round 0), then the rounds; `keep` hears all so far after each.

    `limit_with` is a program to fill the memory with; any will do. Raises Trapped, TimedOut.
    """
    meter = Meter()
    alone = tuple(_alone(driver, programs, schedule, listen))
    whole = Timed(alone, (meter.used(),))
    keep(whole)
    by_turns = rounds.measure(
        driver,
        programs,
        schedule,
        lambda so_far: keep(whole.then(so_far)),
        listen,
        limit_with=limit_with,
    )
    if alone and not any(p.huge_bytes for p in alone):
        listen(Note("the machine gave no huge pages: TLB misses are part of these times"))
    return whole.then(by_turns)


def _alone(
    driver: Runner, programs: Mapping[str, Program], schedule: Schedule, listen: Listener
) -> Iterator[Pass]:
    """One process for each build and kind, so that every kind has a first pass."""
    lot = random.Random(schedule.seed)  # noqa: S311 (repeatable, no secret)
    todo = [(build, kind) for build in programs for kind in schedule.kinds]
    listen(Began(f"time {len(programs)} builds on the whole namespace"))
    for process, (build, kind) in enumerate(lot.sample(todo, len(todo))):
        listen(Advanced(process, len(todo), f"{build}, {kind}"))
        case = schedule.case(kind)
        # The digest is taken after the last pass, where it disturbs none.
        answers = driver(programs[build], [case.line()] * PASSES + [case.line(digest=1)])
        size = answers.facts.page_struct_size
        for index, ran in enumerate(answers.ran):
            found = rounds.of_answer(kind, ran, case.nr_pages, size)
            yield msgspec.structs.replace(found, build=build, process=process, index=index)
    listen(Ended(f"timed {len(programs)} builds on the whole namespace"))
