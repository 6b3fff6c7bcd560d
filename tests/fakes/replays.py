# SPDX-License-Identifier: GPL-2.0-only
"""Replays without programs: `replay_first` of a fake kernel, whose object cannot be linked.

Everything around them is real: which run is continued, what is stored when, what boots take over.
"""

import time
from types import SimpleNamespace
from typing import Any

import msgspec

from harness.jobs import first_answer
from harness.record import store
from harness.record.record import BASE, Build, HostUse, Pass, ReplayRun
from harness.replay import runs
from harness.replay.compare import CaseComparison
from tests.fakes.machine import COMMAND, RUN, USE_FAKES

#: The command line of the harness, with the fakes of tests.fakes.machine and with these.
REPLAYING = (
    *COMMAND[:2],
    f"{USE_FAKES}from tests.fakes.replays import use_replays\nuse_replays()\n{RUN}",
)
ROUNDS = 3
#: Nanoseconds per build, in all rounds.
COSTS_NS = {BASE: 4000, "1": 2000, "2": 1000}
USE = HostUse(
    wall_s=1.0, cpus=2, busy_s=1.0, own_s=1.0, steal_s=0.0, load_before=0.0, load_after=0.0
)


def use_replays(**changed: Any) -> None:
    """Make this process replay without programs; `changed` replaces some of the functions."""
    functions = {
        "of_applied": _prepared,
        "make_runner": lambda *_: None,
        "new": _new,
        "compare_as_booted": lambda *_: CaseComparison(7, ()),
        "time_builds": timed,
    } | changed
    rooms = {
        "prepare": ("of_applied", "make_runner"),
        "runs": ("new", "time_builds"),
        "check": ("compare_as_booted",),
    }
    for room, names in rooms.items():
        old = getattr(first_answer, room)
        fakes = {name: functions[name] for name in names}
        setattr(first_answer, room, SimpleNamespace(**(vars(old) | fakes)))


def _prepared(
    project: Any, _cache: Any, wanted: Any, _tree: Any, applied: Any, listen: Any
) -> SimpleNamespace:
    return SimpleNamespace(
        titles={"1": "half"}, series=project.series(wanted.slug), applied=applied
    )


def _new(_cache: Any, made: Any, wanted: Any, _compared: Any) -> ReplayRun:
    blank = runs.failed(made.series, made.applied, wanted, "")
    builds = tuple(
        Build(
            name=BASE if not k else str(k),
            prefix=k,
            commit=made.applied.prefix(k),
            release=made.applied.release,
            build_id=str(k),
            config_sha256="c" * 64,
            compiler="gcc",
        )
        for k in range(len(made.applied.patches) + 1)
    )
    setup = msgspec.structs.replace(blank.setup, rounds=ROUNDS)
    return msgspec.structs.replace(
        blank, builds=builds, setup=setup, outcome="lost", reason="…", finished=None
    )


def timed(
    project: Any, _runner: Any, _made: Any, _wanted: Any, record: ReplayRun, listen: Any, **how: Any
) -> ReplayRun:
    store.save(project.results, record)
    how["on_begin"](store.folder_of(project.results, record))
    for number in range(len(record.rounds), ROUNDS):
        listen(first_answer.Note(f"round {number}"))
        time.sleep(0.2)  # for an interruption
        passes = tuple(_pass(b.name, kind, number) for b in record.builds for kind in KINDS)
        record = msgspec.structs.replace(
            record, passes=record.passes + passes, rounds=(*record.rounds, USE)
        )
        store.save(project.results, record)
    record = msgspec.structs.replace(
        record, outcome="complete", reason="", finished=store.now().isoformat()
    )
    store.save(project.results, record)
    return record


KINDS = ("order0", "order9")


def _pass(build: str, kind: str, number: int) -> Pass:
    cost = COSTS_NS[build] + number
    return Pass(
        build=build,
        process=number,
        round=number,
        index=1,
        kind=kind,
        ns=cost,
        cpu_ns=cost,
        nr_pages=1000,
        nr_bytes=64000,
        digest="d" if number == 0 else "",
    )
