# SPDX-License-Identifier: GPL-2.0-only
"""Tries a series on one tag of a tree: rebase, compile, compare, time and, if asked, boot.

A Visit says what is due to the series or the tree. A failure of this machine is raised: it must
never look like a result.
"""

from pathlib import Path
from typing import Literal

import msgspec

from harness.errors import EXIT_VERDICT, DoesNotApply, DoesNotBuild, MachineError
from harness.events import Event, Listener, silent
from harness.host.cache import Cache
from harness.jobs import reproduce
from harness.jobs.graph import Outcome
from harness.jobs.local import Local
from harness.judge.conclude import conclude
from harness.judge.exit_code import reproduce_exit_code
from harness.judge.replay_ratios import ReplayRow
from harness.judge.rule_syntax import Rule
from harness.project.project import Project
from harness.record import store
from harness.replay import check, prepare, runs
from harness.replay.check import AS_BOOTED, Checked
from harness.replay.prepare import ReplayRequest
from harness.replay.timing.schedule import KINDS, Schedule
from harness.series.rebase import rebase
from harness.series.rebase.outcome import Rebased
from harness.series.source import Posted, RebasedSource, Source

#: The step that a trial ended in; `held` if all steps did well.
Stage = Literal["rebase", "compile", "check", "time", "boot", "held"]


class TrialRequest(msgspec.Struct, frozen=True):
    """How to try a series.

    If `timed`, base and the whole series are timed as well as compared; if `boots`, a series that
    passed is booted by `plan`. `rules` must then hold.
    """

    slug: str
    schedule: Schedule
    source: Source | None = None
    plan: str = "reproduce"
    profile: str = "minimal"
    compiler: str = "gcc"
    cases: int = 100
    timed: bool = True
    boots: bool = False
    rules: tuple[Rule, ...] = ()


class Visit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The result of a trial on one tag.

    `exit_code` is 0 if everything held, 1 if something did not, 3 if the series does not apply or
    build; `reason` is one sentence. `runs` are the ids of its run records. Times are UTC, ISO 8601.
    """

    tag: str
    commit: str
    release: str
    exit_code: int
    stage: Stage
    reason: str
    fallbacks: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    started: str = ""
    finished: str = ""


def of_boots(rule: Rule) -> bool:
    """Return whether a rule is about boots, not about replays."""
    return rule.kind not in KINDS


def trial(
    project: Project,
    cache: Cache,
    wanted: TrialRequest,
    tag: str,
    tree: str,
    listen: Listener = silent,
) -> Visit:
    """Try a series on a tag, which `tree` names for a fetch. Raises InputError, MachineError."""
    started = store.now().isoformat()
    carried = rebase.rebase(
        project, cache, rebase.RebaseRequest(wanted.slug, tree, wanted.source), listen
    )
    if carried.conflict is not None:
        # It will not be resolved here, and its worktree is as large as a tree.
        rebase.abort(cache, wanted.slug, tree)
    visit = _visit(tag, carried, started)
    if carried.mbox:
        version = wanted.source.version if isinstance(wanted.source, Posted) else None
        source = RebasedSource(Path(carried.mbox), carried.label, version)
        for step in (_replayed, _booted) if wanted.boots else (_replayed,):
            try:
                visit = step(project, cache, wanted, tree, source, visit, listen)
            except (DoesNotApply, DoesNotBuild) as error:
                visit = _failed(visit, "compile", str(error), error.exit_code)
            if visit.exit_code:
                break
    return msgspec.structs.replace(visit, finished=store.now().isoformat())


def _replayed(
    project: Project,
    cache: Cache,
    wanted: TrialRequest,
    tree: str,
    source: RebasedSource,
    visit: Visit,
    listen: Listener,
) -> Visit:
    request = ReplayRequest(
        slug=wanted.slug,
        tree=tree,
        schedule=wanted.schedule,
        source=source,
        plan=wanted.plan,
        profile=wanted.profile,
        compiler=wanted.compiler,
        cases=wanted.cases,
    )
    made = prepare.prepare(project, cache, request, listen)
    drive = prepare.make_runner(cache, listen)
    found = check.check(project, cache, drive, made, request, listen)
    if not found.ok:
        return _failed(visit, "check", _unequal(found))
    count = sum(compared.cases for compared in found.compared.values())
    said = f"{len(made.builds) - 1} patches, {count} cases equal, {len(found.gates)} gates hold"
    if not wanted.timed:
        return msgspec.structs.replace(visit, reason=said)
    ends = msgspec.structs.replace(made, builds=(made.builds[0], made.builds[-1]))
    compared = found.compared[AS_BOOTED]
    record = runs.time_builds(project, cache, drive, ends, request, compared, listen)
    rules = tuple(rule for rule in wanted.rules if not of_boots(rule))
    concluded = conclude(record, (), rules=rules)
    visit = msgspec.structs.replace(
        visit, runs=(record.run_id,), reason=f"{said}; {_ratios(concluded.rows[-1])}"
    )
    for gated in concluded.gates:
        if not gated.ok and gated.value is None:
            raise MachineError(f"{gated.rule} is undecided: {gated.reason}", where=record.run_id)
        if not gated.ok:
            return _failed(visit, "time", f"{gated.rule} fails: {gated.reason}")
    return visit


def _booted(
    project: Project,
    cache: Cache,
    wanted: TrialRequest,
    tree: str,
    source: RebasedSource,
    visit: Visit,
    listen: Listener,
) -> Visit:
    def notify(_job: str, heard: Event | Outcome) -> None:
        if isinstance(heard, Event):
            listen(heard)

    request = reproduce.ReproduceRequest(
        slug=wanted.slug,
        tree=tree,
        source=source,
        plan=wanted.plan,
        profile=wanted.profile,
        compiler=wanted.compiler,
    )
    record = reproduce.reproduce(Local(project, cache), project, cache, request, notify)
    found = conclude(
        record,
        project.claims(wanted.slug),
        store.null_runs(project.results, wanted.slug),
        tuple(filter(of_boots, wanted.rules)),
    )
    said = [f"{v.driver} {v.verdict}" for v in found.verdicts]
    said += [f"{gate.rule} fails: {gate.reason}" for gate in found.gates if not gate.ok]
    reason = f"{visit.reason}; {record.evidence}: {', '.join(said) or record.outcome}"
    visit = msgspec.structs.replace(visit, reason=reason, runs=(*visit.runs, record.run_id))
    if reproduce_exit_code(found):
        return _failed(visit, "boot", reason)
    return visit


def _ratios(last: ReplayRow) -> str:
    """Return the cost of the whole series relative to base, per kind."""
    texts = []
    for kind, cost in last.kinds.items():
        low, high = cost.ratio_low, cost.ratio_high
        interval = "too few rounds" if low is None else f"{low:.3f} to {high:.3f}"
        texts.append(f"{kind} {cost.ratio:.3f} ({interval})")
    return ", ".join(texts)


def _unequal(found: Checked) -> str:
    """Return the first thing that did not hold."""
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


def _failed(visit: Visit, stage: Stage, reason: str, exit_code: int = EXIT_VERDICT) -> Visit:
    return msgspec.structs.replace(visit, exit_code=exit_code, stage=stage, reason=reason)
