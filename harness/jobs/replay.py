# SPDX-License-Identifier: GPL-2.0-only
"""Replays of a series, from tree and patches to a stored run: timed, checked or counted."""

import contextlib
import importlib
import threading
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from harness.errors import InputError
from harness.events import Listener, silent
from harness.host.cache import Cache
from harness.judge.stats.ratio import FEWEST
from harness.kernel.make import kbuild
from harness.project import run_claims
from harness.project.project import Project
from harness.project.run_claims import RunClaims
from harness.record.record import ReplayRun
from harness.replay import check, prepare, runs
from harness.replay.check import Checked
from harness.replay.prepare import ReplayRequest
from harness.replay.timing import reserve

#: The most rounds that are measured for `null_rounds`.
MAX_NULL_ROUNDS = 200


class TimedReplay(NamedTuple):
    """A stored run, the titles of its builds, and whether all leave the struct pages of base."""

    record: ReplayRun
    titles: dict[str, str]
    equal: bool


def time_prefixes(
    project: Project,
    cache: Cache,
    wanted: ReplayRequest,
    listen: Listener = silent,
    claims: RunClaims | None = None,
) -> TimedReplay:
    """Compare the struct pages of all builds with base's, then time all builds.

    `claims` are what the run is judged by, None for those of series.yaml.
    """
    (timed,) = time_compilers(project, cache, wanted, (wanted.compiler,), listen, claims)
    return timed


def time_compilers(
    project: Project,
    cache: Cache,
    wanted: ReplayRequest,
    compilers: Sequence[str],
    listen: Listener = silent,
    claims: RunClaims | None = None,
) -> tuple[TimedReplay, ...]:
    """Compare struct pages, then time the builds of all compilers in the same rounds.

    Returns one run per compiler. Raises ToolMissing before anything else if one is not installed.
    """
    for compiler in compilers:
        kbuild.require(compiler)
    requests = [msgspec.structs.replace(wanted, compiler=compiler) for compiler in compilers]
    with reserve.reserved(wanted.schedule.memory_bytes(1)), scipy_imported():
        made = [prepare.prepare(project, cache, request, listen) for request in requests]
        runner = prepare.make_runner(cache, made[0].series, listen)
        compared = [check.compare_as_booted(runner, one, wanted, listen) for one in made]
    begun = [
        (one, runs.new(cache, one, wanted, found))
        for one, found in zip(made, compared, strict=True)
    ]
    records = runs.time_together(
        project,
        runner,
        begun,
        wanted,
        listen,
        on_begin=lambda folder: run_claims.save(folder, claims),
    )
    return tuple(
        TimedReplay(record, one.titles, not found.unequal)
        for record, one, found in zip(records, made, compared, strict=True)
    )


def check_prefixes(
    project: Project, cache: Cache, wanted: ReplayRequest, listen: Listener = silent
) -> Checked:
    """Compare struct pages and check the objects of all builds; nothing is timed or stored."""
    made = prepare.prepare(project, cache, wanted, listen)
    runner = prepare.make_runner(cache, made.series, listen)
    return check.check(project, cache, runner, made, wanted, listen)


def count(
    project: Project, cache: Cache, wanted: ReplayRequest, listen: Listener = silent
) -> ReplayRun:
    """Count instructions and memory traffic per struct page of all builds."""
    made = prepare.prepare(project, cache, wanted, listen)
    runner = prepare.make_runner(cache, made.series, listen)
    return runs.count(project, cache, runner, made, wanted, listen)


def time_base_twice(
    project: Project, cache: Cache, wanted: ReplayRequest, listen: Listener = silent
) -> ReplayRun:
    """Time base against itself; the request has prefix 0 alone."""
    with reserve.reserved(wanted.schedule.memory_bytes(1)):
        made = prepare.base_twice(prepare.prepare(project, cache, wanted, listen))
        runner = prepare.make_runner(cache, made.series, listen)
    record = runs.new(cache, made, wanted, None)
    return runs.time_builds(project, runner, made, wanted, record, listen)


@contextlib.contextmanager
def scipy_imported() -> Iterator[None]:
    """Import scipy.stats in a thread while the block waits for make: a second of CPU time.

    The import has ended when the block ends, so that it disturbs no timing.
    """
    thread = threading.Thread(target=importlib.import_module, args=["scipy.stats"])
    thread.start()
    try:
        yield
    finally:
        thread.join()


def null_rounds(rounds: int, tries: int) -> int:
    """Return how many rounds to measure for `tries` of `rounds` rounds each.

    Raises InputError for fewer rounds than an interval needs.
    """
    if rounds < FEWEST:
        raise InputError(
            f"{rounds} rounds per try are too few for an interval",
            where="--rounds",
            expected=f"at least {FEWEST}",
        )
    return max(rounds, min(rounds * tries, MAX_NULL_ROUNDS))
