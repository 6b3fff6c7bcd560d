# SPDX-License-Identifier: GPL-2.0-only
"""A series tried on one tree: carried there, compiled, compared, timed; what came of it in a row.

Only what is the series' or the tree's doing is told as a result. Whatever fails on our build is
raised, and must never look like one.
"""

import datetime
from pathlib import Path

import msgspec

from harness.errors import EXIT_VERDICT, DoesNotApply, DoesNotBuild, MachineError
from harness.events import Listener, silent
from harness.host.cache import Cache
from harness.jobs.watch_outcome import Stage, Visit
from harness.judge.replay_ratios import rows
from harness.judge.rule_syntax import Rule
from harness.judge.rules import hold
from harness.judge.validity import basis
from harness.project.project import Project
from harness.record.record import RunRecord
from harness.replay import replay
from harness.replay.replay import Checked
from harness.replay.timing.schedule import Schedule
from harness.series import apply
from harness.series.rebase import rebase
from harness.series.rebase.outcome import Rebased


class TrialRequest(msgspec.Struct, frozen=True):
    """How to try a series. With `timed` it is timed as well as compared, base beside the whole.

    `rules` are what the times are then held to.
    """

    slug: str
    schedule: Schedule
    source: apply.Source | None = None
    plan: str = "reproduce"
    profile: str = "minimal"
    compiler: str = "gcc"
    cases: int = 100
    timed: bool = True
    rules: tuple[Rule, ...] = ()


class Tried(msgspec.Struct, frozen=True):
    """What came of it: the visit, the series on its tree where it got there, the run's record."""

    visit: Visit
    source: apply.RebasedSource | None = None
    record: RunRecord | None = None


def trial(
    project: Project,
    cache: Cache,
    wanted: TrialRequest,
    tag: str,
    tree: str,
    listen: Listener = silent,
) -> Tried:
    """Try a series on a tag, given as `tree` to fetch it by. Raises InputError, MachineError."""
    started = _now()
    carried = rebase.rebase(
        project, cache, rebase.RebaseRequest(wanted.slug, tree, wanted.source), listen
    )
    if carried.conflict is not None:
        # Nobody is there to resolve it, and its worktree takes as much room as a tree.
        rebase.abort(cache, wanted.slug, tree)
    visit = _visit(tag, carried, started)
    if not carried.mbox:
        return Tried(_finished(visit))
    version = wanted.source.version if isinstance(wanted.source, apply.Posted) else None
    source = apply.RebasedSource(Path(carried.mbox), carried.label, version)
    try:
        tried = _replayed(project, cache, wanted, tree, source, visit, listen)
    except (DoesNotApply, DoesNotBuild) as error:
        failed = msgspec.structs.replace(
            visit, exit_code=error.exit_code, stage="compile", reason=str(error)
        )
        tried = Tried(failed, source)
    return msgspec.structs.replace(tried, visit=_finished(tried.visit))


def _replayed(
    project: Project,
    cache: Cache,
    wanted: TrialRequest,
    tree: str,
    source: apply.RebasedSource,
    visit: Visit,
    listen: Listener,
) -> Tried:
    request = replay.ReplayRequest(
        slug=wanted.slug,
        tree=tree,
        schedule=wanted.schedule,
        source=source,
        plan=wanted.plan,
        profile=wanted.profile,
        compiler=wanted.compiler,
        cases=wanted.cases,
    )
    made = replay.prepare(project, cache, request, listen)
    drive = replay.driver(cache, listen)
    found = replay.checked(project, cache, drive, made, request, listen)
    if not found.ok:
        return Tried(_failed(visit, "check", _unequal(found)), source)
    count = sum(compared.cases for compared in found.compared.values())
    said = f"{len(made.builds) - 1} patches, {count} cases equal, {len(found.gates)} gates hold"
    visit = msgspec.structs.replace(visit, stage="held", reason=said)
    if not wanted.timed:
        return Tried(visit, source)
    ends = msgspec.structs.replace(made, builds=(made.builds[0], made.builds[-1]))
    compared = found.compared[replay.AS_BOOTED]
    record = replay.timed(project, cache, drive, ends, request, compared, listen)
    visit = msgspec.structs.replace(
        visit, runs=(record.run_id,), reason=f"{said}; {ratios(record)}"
    )
    return Tried(_held_to(wanted.rules, record, visit), source, record)


def _held_to(rules: tuple[Rule, ...], record: RunRecord, visit: Visit) -> Visit:
    """Hold the times to the rules. Raises MachineError where they cannot decide one."""
    for gated in hold(rules, basis(record)):
        if not gated.ok and gated.value is None:
            raise MachineError(f"{gated.rule} is undecided: {gated.reason}", where=record.run_id)
        if not gated.ok:
            return _failed(visit, "time", f"{gated.rule} fails: {gated.reason}")
    return visit


def ratios(record: RunRecord) -> str:
    """Say what the whole series costs of what base does, by kind."""
    last = rows(record)[-1]
    told = []
    for kind, cost in last.kinds.items():
        low, high = cost.ratio_low, cost.ratio_high
        interval = "too few rounds" if low is None else f"{low:.3f} to {high:.3f}"
        told.append(f"{kind} {cost.ratio:.3f} ({interval})")
    return ", ".join(told)


def _unequal(found: Checked) -> str:
    """The first thing that did not hold."""
    for name, compared in found.compared.items():
        for one in compared.unequal:
            return f"prefix {one.build}, {name}: {one.case}: {one.what}"
    gate = next(gate for gate in found.gates if not gate.ok)
    return f"prefix {gate.build}: {gate.name}: no ({gate.detail})"


def _visit(tag: str, carried: Rebased, started: str) -> Visit:
    fallbacks = tuple(f"patch {s.number}: {s.how}: {s.detail}" for s in carried.fallbacks)
    conflict = carried.conflict
    stage: Stage = "held"
    reason = "the tree has all of it"
    if conflict is not None:
        stage = "rebase"
        files = ", ".join(dict.fromkeys(place.file for place in conflict.places))
        reason = f"patch {conflict.number}/{conflict.total} ({conflict.subject}) meets {files}"
    return Visit(
        tag=tag,
        commit=carried.base,
        release=carried.release,
        exit_code=carried.exit_code,
        stage=stage,
        reason=reason,
        fallbacks=fallbacks,
        started=started,
    )


def _failed(visit: Visit, stage: Stage, reason: str) -> Visit:
    return msgspec.structs.replace(visit, exit_code=EXIT_VERDICT, stage=stage, reason=reason)


def _finished(visit: Visit) -> Visit:
    return msgspec.structs.replace(visit, finished=_now())


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).replace(microsecond=0).isoformat()
