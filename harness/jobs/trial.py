# SPDX-License-Identifier: GPL-2.0-only
"""Tries a series on one tag of a tree: rebase, compile, compare, time and, if asked, boot.

A Visit says what is due to the series or the tree. A failure of this machine is raised: it must
never look like a result.
"""

from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from harness.errors import EXIT_VERDICT, DoesNotApply, DoesNotBuild, MachineError
from harness.events import Event, Listener, silent
from harness.host.cache import Cache
from harness.jobs import reproduce
from harness.jobs.claims import ClaimsRequest, run_claims
from harness.jobs.graph import Outcome
from harness.jobs.local import Local
from harness.judge.conclude import conclude
from harness.judge.exit_code import reproduce_exit_code
from harness.judge.ratios.replay_ratios import ReplayRow
from harness.judge.rule_syntax import Rule
from harness.project.project import Project
from harness.project.run_claims import RunClaims, claims_of, save
from harness.project.series import Series
from harness.record import store
from harness.replay import check, prepare, runs
from harness.replay.check import AS_BOOTED, Checked
from harness.replay.prepare import ReplayRequest
from harness.replay.timing.schedule import Schedule
from harness.series.rebase import rebase
from harness.series.rebase.outcome import Rebased
from harness.series.source import Posted, RebasedSource, Source

#: The step that failed; `held` if none did.
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


def of_boots(rule: Rule, series: Series) -> bool:
    """Return whether a rule is about boots of the series, not about replays."""
    return rule.kind not in prepare.replay_of(series).kinds


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
    rebased = rebase.rebase(
        project, cache, rebase.RebaseRequest(wanted.slug, tree, wanted.source), listen
    )
    if rebased.conflict is not None:
        # It will not be resolved here, and its worktree is as large as a tree.
        rebase.abort(cache, wanted.slug, tree)
    visit = _visit(tag, rebased, started)
    if rebased.mbox:
        version = wanted.source.version if isinstance(wanted.source, Posted) else None
        source = RebasedSource(Path(rebased.mbox), rebased.label, version)
        asked = ClaimsRequest(wanted.slug, wanted.source, wanted.plan)
        claims = run_claims(project, cache, asked, listen)
        this = _OnTag(project, cache, wanted, tree, source, listen, claims)
        for step in (_replayed, _booted) if wanted.boots else (_replayed,):
            try:
                visit = step(this, visit)
            except (DoesNotApply, DoesNotBuild) as error:
                visit = _failed(visit, "compile", str(error), error.exit_code)
            if visit.exit_code:
                break
    return msgspec.structs.replace(visit, finished=store.now().isoformat())


class _OnTag(NamedTuple):
    """The series as rebased onto the tag, and how to try it."""

    project: Project
    cache: Cache
    wanted: TrialRequest
    tree: str
    source: RebasedSource
    listen: Listener
    claims: RunClaims | None

    @property
    def series(self) -> dict[str, Any]:
        """What requests for a replay and for boots have in common."""
        wanted = self.wanted
        return {
            "slug": wanted.slug,
            "tree": self.tree,
            "source": self.source,
            "plan": wanted.plan,
            "profile": wanted.profile,
            "compiler": wanted.compiler,
        }


def _replayed(this: _OnTag, visit: Visit) -> Visit:
    project, cache, wanted, listen = this.project, this.cache, this.wanted, this.listen
    request = ReplayRequest(schedule=wanted.schedule, cases=wanted.cases, **this.series)
    made = prepare.prepare(project, cache, request, listen)
    runner = prepare.make_runner(cache, made.series, listen)
    found = check.check(project, cache, runner, made, request, listen)
    if not found.ok:
        return _failed(visit, "check", _unequal(found))
    count = sum(compared.cases for compared in found.compared.values())
    patches, held = len(made.builds) - 1, len(found.checks)
    equal = f"{patches} patches, {count} cases equal, {held} object checks hold"
    if not wanted.timed:
        return msgspec.structs.replace(visit, reason=equal)
    ends = msgspec.structs.replace(made, builds=(made.builds[0], made.builds[-1]))
    compared = found.compared[AS_BOOTED]
    record = runs.time_builds(
        project,
        runner,
        ends,
        request,
        runs.new(cache, ends, request, compared),
        listen,
        on_begin=lambda folder: save(folder, this.claims),
    )
    rules = tuple(rule for rule in wanted.rules if not of_boots(rule, made.series))
    concluded = conclude(record, (), rules=rules)
    visit = msgspec.structs.replace(
        visit, runs=(record.run_id,), reason=f"{equal}; {_ratios(concluded.rows[-1])}"
    )
    for rule in concluded.rules:
        if not rule.ok and rule.value is None:
            raise MachineError(f"{rule.rule} is undecided: {rule.reason}", where=record.run_id)
        if not rule.ok:
            return _failed(visit, "time", f"{rule.rule} fails: {rule.reason}")
    return visit


def _booted(this: _OnTag, visit: Visit) -> Visit:
    def notify(_job: str, event: Event | Outcome) -> None:
        if isinstance(event, Event):
            this.listen(event)

    project, cache, slug = this.project, this.cache, this.wanted.slug
    request = reproduce.ReproduceRequest(**this.series, claims=this.claims)
    record = reproduce.reproduce(Local(project, cache), project, cache, request, notify)
    series = project.series(slug)
    found = conclude(
        record,
        claims_of(project, record),
        store.null_runs(project.results, slug),
        tuple(rule for rule in this.wanted.rules if of_boots(rule, series)),
    )
    results = [f"{v.metric} {v.verdict}" for v in found.verdicts]
    results += [f"{rule.rule} fails: {rule.reason}" for rule in found.rules if not rule.ok]
    reason = f"{visit.reason}; {record.evidence}: {', '.join(results) or record.outcome}"
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
    """Return the first difference or failed check."""
    for name, compared in found.compared.items():
        for one in compared.unequal:
            return f"prefix {one.build}, {name}: {one.case}: {one.what}"
    check = next(check for check in found.checks if not check.ok)
    return f"prefix {check.build}: {check.name}: no ({check.detail})"


def _visit(tag: str, rebased: Rebased, started: str) -> Visit:
    fallbacks = tuple(f"patch {s.number}: {s.how}: {s.detail}" for s in rebased.fallbacks)
    conflict = rebased.conflict
    stage: Stage = "held"
    reason = "the tree has all of it"
    if conflict is not None:
        stage = "rebase"
        files = ", ".join(dict.fromkeys(place.file for place in conflict.places))
        reason = f"patch {conflict.number}/{conflict.total} ({conflict.subject}) meets {files}"
    return Visit(
        tag=tag,
        commit=rebased.base,
        release=rebased.release,
        exit_code=rebased.exit_code,
        stage=stage,
        reason=reason,
        fallbacks=fallbacks,
        started=started,
    )


def _failed(visit: Visit, stage: Stage, reason: str, exit_code: int = EXIT_VERDICT) -> Visit:
    return msgspec.structs.replace(visit, exit_code=exit_code, stage=stage, reason=reason)
