# SPDX-License-Identifier: GPL-2.0-only
"""Times builds, or counts their instructions and memory traffic, and stores the run."""

from collections.abc import Callable, Iterator, Mapping, Sequence
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
    LIMIT,
    Build,
    Comparison,
    Count,
    Machine,
    Pass,
    ReplayRun,
    ReplaySetup,
    Subject,
    own_patch_ids,
)
from harness.replay import counting, prepare, trace
from harness.replay.compare import CaseComparison
from harness.replay.prepare import Prepared, ReplayRequest
from harness.replay.runner.runner import Runner
from harness.replay.timing import timing
from harness.replay.timing.schedule import Timed, placements, require_memory
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
    (run,) = time_together(project, runner, [(made, record)], wanted, listen, on_begin=on_begin)
    return run


def time_together(
    project: Project,
    runner: Runner,
    begun: Sequence[tuple[Prepared, ReplayRun]],
    wanted: ReplayRequest,
    listen: Listener = silent,
    *,
    on_begin: Callable[[Path], None] = lambda _folder: None,
) -> tuple[ReplayRun, ...]:
    """Time the builds of several compilers in the same rounds; return one run per compiler.

    Their records are new, unless there is only one.
    """
    schedule = wanted.schedule
    names = [_names(made, alone=len(begun) == 1) for made, _ in begun]
    programs = {
        timed: made.programs[name]
        for (made, _), own in zip(begun, names, strict=True)
        for timed, name in own.items()
    }
    # LIMIT is a build as well.
    require_memory(schedule, len(programs) + 1, backing_files.available_bytes())
    ids = [record.run_id for _, record in begun]
    records = [
        msgspec.structs.replace(
            record,
            setup=msgspec.structs.replace(
                record.setup,
                compiler=made.how.compiler,
                placements={name: placements(schedule, timed) for timed, name in own.items()},
            ),
            same_rounds=tuple(run_id for run_id in ids if run_id != record.run_id),
        )
        for (made, record), own in zip(begun, names, strict=True)
    ]

    def measured(so_far: Timed) -> list[ReplayRun]:
        return [
            msgspec.structs.replace(
                record,
                passes=tuple(_own(so_far.passes, own)),
                rounds=so_far.rounds,
                canary=so_far.canary,
            )
            for record, own in zip(records, names, strict=True)
        ]

    def save(so_far: Timed) -> None:
        for record in measured(so_far):
            store.save(project.results, record)

    done = Timed(records[0].passes, records[0].rounds, records[0].canary)
    save(done)
    for record in records:
        on_begin(store.folder_of(project.results, record))
    try:
        whole = timing.measure(
            runner,
            programs,
            schedule,
            save,
            listen,
            limit_with=next(iter(programs.values())),
            done=done,
        )
    except HarnessError as error:
        for record in records:
            lost = store.load_replay(store.folder_of(project.results, record))
            _finish(project, msgspec.structs.replace(lost, outcome="failed", reason=error.what))
        raise
    return tuple(
        _finish(project, msgspec.structs.replace(record, outcome="complete", reason=""))
        for record in measured(whole)
    )


def _names(made: Prepared, *, alone: bool) -> dict[str, str]:
    """Return the builds' names by the names that they have among those of all compilers."""
    return {
        build.name if alone else f"{build.name} by {made.how.compiler}": build.name
        for build in made.builds
    }


def _own(passes: Sequence[Pass], names: Mapping[str, str]) -> Iterator[Pass]:
    """Yield the passes of one compiler's builds, and those of LIMIT."""
    for p in passes:
        if p.build in names:
            yield msgspec.structs.replace(p, build=names[p.build])
        elif p.build == LIMIT:
            yield p


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
    replay = prepare.replay_of(series)
    schedule = wanted.schedule.of(replay)
    version = posted_version(wanted.source)
    now = store.now()
    return ReplayRun(
        run_id=store.new_run_id(now),
        subject=Subject.of(
            applied, series.port_of if version is None else version, series.workload
        ),
        setup=ReplaySetup(
            schedule_sha256=value_digest(schedule),
            rounds=schedule.rounds,
            passes=schedule.slices * schedule.passes,
            nr_pages={
                kind: replay.of_size(kind, schedule.size_bytes).nr_pages for kind in schedule.kinds
            },
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
