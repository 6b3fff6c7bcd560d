# SPDX-License-Identifier: GPL-2.0-only
"""The first answer of `harness reproduce`: replays all patches before any kernel is built.

The replay is stored as a run of its own, with a copy beside it (store.save_replay) that marks it as
unfinished. Boots that follow take over its id and its folder.
"""

from pathlib import Path

import msgspec

from harness.errors import Defect, HarnessError
from harness.events import Ended, Listener, Note
from harness.guest import backing_files
from harness.host.cache import Cache
from harness.jobs.replay import TimedReplay, scipy_imported
from harness.project import run_claims
from harness.project.kernel import Tree
from harness.project.project import Project
from harness.project.run_claims import RunClaims
from harness.record import store
from harness.record.applied import Applied
from harness.record.record import ReplayRun
from harness.replay import check, prepare, runs
from harness.replay.prepare import Prepared, ReplayRequest
from harness.replay.timing import reserve
from harness.replay.timing.schedule import with_spare


def replay_first(
    project: Project,
    cache: Cache,
    wanted: ReplayRequest,
    tree: Tree,
    applied: Applied,
    claims: RunClaims | None,
    listen: Listener,
    *,
    boots_follow: bool = True,
) -> TimedReplay:
    """Replay a series that was applied, or continue the replay of an interrupted command.

    If the replay fails and boots follow, returns a run with outcome `failed` and the reason: boots
    may still work. Raises Defect, or MachineError if results cannot be stored.
    """
    wanted = _fitting(wanted, listen)
    record = runs.failed(project.measurable_series(wanted.slug), applied, wanted, "")
    titles: dict[str, str] = {}
    try:
        with reserve.reserved(wanted.schedule.memory_bytes(1)), scipy_imported():
            made = prepare.of_applied(project, cache, wanted, tree, applied, listen)
        titles = made.titles
        record = runs.new(cache, made, wanted, None)
        found = store.resumable_replay(project.results, record)
        if found is not None and (boots_follow or found.outcome == "lost"):
            listen(Ended(f"resuming run {found.run_id}"))
            record = found
        with cache.locked(f"run-{record.run_id}"):
            record = _finished(project, cache, made, wanted, record, claims, listen)
    except HarnessError as error:
        if isinstance(error, Defect) or not boots_follow:
            raise
        record = _failed(project, record, error)
        listen(Note(f"the replay failed: {record.reason}"))
    folder = store.folder_of(project.results, record)
    if not boots_follow:
        (folder / store.REPLAY).unlink(missing_ok=True)
    elif record.outcome == "complete":
        store.save_replay(folder, record)
    return TimedReplay(record, titles, all(found.equal for found in record.comparisons))


def _fitting(wanted: ReplayRequest, listen: Listener) -> ReplayRequest:
    """Return the request; if memory is too small for it, with namespaces as small as slices."""
    schedule = wanted.schedule
    smaller = min(schedule.size_bytes, schedule.slice_bytes)
    fits = with_spare(schedule.memory_bytes(1)) <= backing_files.available_bytes()
    if fits or smaller == schedule.size_bytes:
        return wanted
    listen(Note(f"too little memory: the replay takes namespaces of {smaller >> 30} GiB"))
    schedule = msgspec.structs.replace(schedule, size_bytes=smaller)
    return msgspec.structs.replace(wanted, schedule=schedule)


def _finished(
    project: Project,
    cache: Cache,
    made: Prepared,
    wanted: ReplayRequest,
    record: ReplayRun,
    claims: RunClaims | None,
    listen: Listener,
) -> ReplayRun:
    """Compare struct pages and time the builds, unless the run has done so."""
    if record.outcome == "complete":
        return record
    runner = prepare.make_runner(cache, made.series, listen)
    if not record.comparisons:
        compared = check.compare_as_booted(runner, made, wanted, listen)
        record = runs.with_comparisons(record, compared, wanted.schedule.seed)
        if compared.unequal:
            names = ", ".join(dict.fromkeys(one.build for one in compared.unequal))
            listen(Note(f"STRUCT PAGES DIFFER from base's: {names}"))
    initial = record

    def begin(folder: Path) -> None:
        run_claims.save(folder, claims)
        store.save_replay(folder, initial)

    return runs.time_builds(project, runner, made, wanted, record, listen, on_begin=begin)


def _failed(project: Project, record: ReplayRun, error: HarnessError) -> ReplayRun:
    """Return the run as it was stored when timing failed, or one that has measured nothing."""
    folder = store.folder_of(project.results, record)
    if (folder / store.FILE).exists():
        record = store.load_replay(folder)
    return msgspec.structs.replace(
        record, outcome="failed", reason=str(error), finished=store.now().isoformat()
    )
