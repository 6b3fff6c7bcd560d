# SPDX-License-Identifier: GPL-2.0-only
"""Times builds, or counts their instructions and memory traffic, and stores the run."""

from collections.abc import Callable
from pathlib import Path

import msgspec

from harness.errors import HarnessError
from harness.events import Listener, silent
from harness.guest import backing_files
from harness.host.cache import Cache
from harness.host.digest import value_digest
from harness.kernel import identity
from harness.measure import machine
from harness.project.project import Project
from harness.project.series import Series
from harness.record import store
from harness.record.applied import Applied
from harness.record.record import (
    BASE,
    Build,
    Comparison,
    Count,
    Machine,
    ReplayRun,
    ReplaySetup,
    Subject,
    own_patch_ids,
)
from harness.replay import counting, trace
from harness.replay.compare import CaseComparison
from harness.replay.prepare import Prepared, ReplayRequest
from harness.replay.runner.runner import Runner
from harness.replay.timing import timing
from harness.replay.timing.schedule import Timed, require_memory
from harness.series.source import posted_version

_PROOF = "the function runs as a process of this machine"


def time_builds(
    project: Project,
    runner: Runner,
    made: Prepared,
    wanted: ReplayRequest,
    record: ReplayRun,
    listen: Listener = silent,
    *,
    on_begin: Callable[[Path], None] = lambda _folder: None,
) -> ReplayRun:
    """Time all builds and return the finished run; it is stored after every round.

    `record` is a new run, or one that was interrupted, whose rounds are not repeated. `on_begin` is
    called with the run's folder.
    """
    builds = len(made.builds) + 1  # LIMIT is one as well
    require_memory(wanted.schedule, builds, backing_files.available_bytes())
    done = Timed(record.passes, record.rounds)

    def save(so_far: Timed) -> None:
        store.save(project.results, msgspec.structs.replace(record, **so_far._asdict()))

    save(done)
    on_begin(store.folder_of(project.results, record))
    try:
        whole = timing.measure(
            runner,
            made.programs,
            wanted.schedule,
            save,
            listen,
            limit_with=made.programs[BASE],
            done=done,
        )
    except HarnessError as error:
        lost = store.load_replay(store.folder_of(project.results, record))
        _finish(project, msgspec.structs.replace(lost, outcome="failed", reason=error.what))
        raise
    return _finish(
        project,
        msgspec.structs.replace(record, outcome="complete", reason="", **whole._asdict()),
    )


def count(
    project: Project,
    cache: Cache,
    runner: Runner,
    made: Prepared,
    wanted: ReplayRequest,
    listen: Listener = silent,
) -> ReplayRun:
    """Count instructions and memory traffic per struct page of all builds.

    Returns the run, which is stored.
    """
    record = new(cache, made, wanted, None)
    found = counting.count(runner, made.programs, listen)
    traffic = trace.traffic(runner, made.programs, listen)
    record = msgspec.structs.replace(
        record,
        setup=msgspec.structs.replace(record.setup, rounds=0, passes=0),
        counts=tuple(
            Count(one.build, kind, one.by, per_page)
            for one in found
            for kind, per_page in one.per_page.items()
        ),
        traffic=traffic,
        outcome="complete",
        reason="",
    )
    return _finish(project, record)


def _finish(project: Project, record: ReplayRun) -> ReplayRun:
    record = msgspec.structs.replace(record, finished=store.now().isoformat())
    store.save(project.results, record)
    return record


def new(
    cache: Cache, made: Prepared, wanted: ReplayRequest, compared: CaseComparison | None
) -> ReplayRun:
    """Return a run of these builds that has measured nothing yet."""
    record = msgspec.structs.replace(
        _without_builds(made.series, made.applied, wanted),
        machine=_machine(made),
        builds=_builds(cache, made),
    )
    return record if compared is None else with_comparisons(record, compared, wanted.schedule.seed)


def with_comparisons(record: ReplayRun, compared: CaseComparison, seed: int) -> ReplayRun:
    """Return the run with what the comparison of struct pages found."""
    unequal = {u.build: f"{u.case}: {u.what}" for u in compared.unequal}
    comparisons = tuple(
        Comparison(
            build=build.name,
            cases=compared.cases,
            seed=seed,
            equal=build.name not in unequal,
            detail=unequal.get(build.name, ""),
        )
        for build in record.builds
        if build.name != BASE
    )
    return msgspec.structs.replace(record, comparisons=comparisons)


def failed(series: Series, applied: Applied, wanted: ReplayRequest, reason: str) -> ReplayRun:
    """Return a run that failed before it had programs."""
    record = _without_builds(series, applied, wanted)
    return msgspec.structs.replace(
        record, outcome="failed", reason=reason, finished=store.now().isoformat()
    )


def _without_builds(series: Series, applied: Applied, wanted: ReplayRequest) -> ReplayRun:
    schedule = wanted.schedule
    version = posted_version(wanted.source)
    now = store.now()
    return ReplayRun(
        run_id=store.new_run_id(now),
        subject=Subject.of(applied, series.port_of if version is None else version),
        setup=ReplaySetup(
            schedule_sha256=value_digest(schedule),
            rounds=schedule.rounds,
            passes=schedule.slices * schedule.passes,
            nr_pages={kind: schedule.case(kind).nr_pages for kind in schedule.kinds},
        ),
        machine=machine.here("native", _PROOF, {}),
        builds=(),
        started=now.isoformat(),
    )


def _builds(cache: Cache, made: Prepared) -> tuple[Build, ...]:
    built = [
        identity.Built(
            Build(
                name=build.name,
                prefix=build.prefix,
                commit=build.commit,
                release=made.applied.release,
                build_id=build.program.object_sha256,
                config_sha256=build.program.config_sha256,
                compiler=build.program.compiler,
                own_patch_ids=own_patch_ids(made.applied, build.name),
            ),
            binary=build.program.object,
            config=build.program.config,
        )
        for build in made.builds
    ]
    return identity.with_differences(cache, built)


def _machine(made: Prepared) -> Machine:
    return machine.here("native", _PROOF, {"cc": made.builds[0].program.compiler})
