# SPDX-License-Identifier: GPL-2.0-only
"""The verb: tree, series, one program a prefix; compared, gated, timed; one run record."""

import os
import platform
from pathlib import Path

import msgspec

from harness.errors import HarnessError, InputError
from harness.events import Listener, Note, silent
from harness.guest import backing_files
from harness.host.cache import Cache
from harness.host.digest import value_digest
from harness.host.process import Deadline
from harness.kernel import configure, identity
from harness.measure.machine import cpu
from harness.project.kernel import Recipe, Tree
from harness.project.project import Project
from harness.project.series import Series
from harness.record import store
from harness.record.applied import Applied
from harness.record.record import (
    AGAIN,
    BASE,
    Build,
    Comparison,
    Count,
    Machine,
    ReplayRun,
    ReplaySetup,
    Subject,
)
from harness.replay import check, counting, trace
from harness.replay.cases import Case, corners, drawn
from harness.replay.check import CaseComparison
from harness.replay.object_checks import ObjectCheck
from harness.replay.program import objects, variants
from harness.replay.program.link import Program
from harness.replay.runner.runner import Runner
from harness.replay.timing import timing
from harness.replay.timing.schedule import Schedule, Timed, require_memory
from harness.series import apply, trust
from harness.series.source import Source, posted_version

UNLINKED = Program("", ())
RUN_S = 3600
#: configs/kconfig/: what the equality of the tracepoint's slow path, and the KASAN gate, need.
PAGE_REF, KASAN = "page-ref", "kasan"
#: What the comparison of the objects that are timed is called.
AS_BOOTED = "as booted"


class ReplayRequest(msgspec.Struct, frozen=True):
    """What to replay. `prefixes` None is all of them; base always comes along.

    With `stores` it is base and, instead of prefixes, these variants of the whole series.
    """

    slug: str
    tree: str
    schedule: Schedule
    source: Source | None = None
    plan: str = "reproduce"
    profile: str = "minimal"
    compiler: str = "gcc"
    prefixes: tuple[int, ...] | None = None
    stores: tuple[str, ...] = ()
    cases: int = 100


class Made(msgspec.Struct, frozen=True):
    """One build: how many patches of the series it has, its commit, its program, its title."""

    name: str
    prefix: int
    commit: str
    title: str
    program: Program


class Prepared(msgspec.Struct, frozen=True):
    """The builds of a replay: what they were made of, and their programs by build."""

    series: Series
    tree: Tree
    applied: Applied
    how: Recipe
    builds: tuple[Made, ...]

    @property
    def programs(self) -> dict[str, Program]:
        """The programs by build."""
        return {build.name: build.program for build in self.builds}


class Checked(msgspec.Struct, frozen=True):
    """What `replay check` found: comparisons by configuration, and the gates."""

    compared: dict[str, CaseComparison]
    gates: tuple[ObjectCheck, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing differs and every gate holds."""
        return all(not c.unequal for c in self.compared.values()) and all(g.ok for g in self.gates)


def prepare(
    project: Project, cache: Cache, wanted: ReplayRequest, listen: Listener = silent
) -> Prepared:
    """Fetch, apply, compile and link. Raises HarnessError from whichever step failed."""
    series = project.measurable_series(wanted.slug)
    trust.require(cache, wanted.source)
    how = configure.recipe(
        project,
        project.plan(wanted.plan).kconfig,
        profile=wanted.profile,
        compiler=wanted.compiler,
    )
    kernel_tree, applied = apply.on_tree(
        project, cache, wanted.slug, wanted.tree, wanted.source, listen
    )
    if wanted.stores:
        commits = _variants(project, cache, kernel_tree, applied, series, wanted.stores, listen)
    else:
        commits = _prefixes(applied, wanted.prefixes)
    made = Prepared(series, kernel_tree, applied, how, commits)
    return msgspec.structs.replace(made, builds=_linked(cache, made, how, listen))


def _prefixes(applied: Applied, asked: tuple[int, ...] | None) -> tuple[Made, ...]:
    counting = len(applied.patches)
    wanted = range(1, counting + 1) if asked is None else sorted(set(asked) - {0})
    for k in wanted:
        if not 0 <= k <= counting:
            raise InputError(f"no prefix {k}", where="--prefix", expected=f"0 to {counting}")
    titles = {k: applied.patches[k - 1].subject for k in wanted}
    builds = [Made(str(k), k, applied.prefix(k), titles[k], UNLINKED) for k in wanted]
    return (_base(applied), *builds)


def _variants(
    project: Project,
    cache: Cache,
    kernel_tree: Tree,
    applied: Applied,
    series: Series,
    names: tuple[str, ...],
    listen: Listener,
) -> tuple[Made, ...]:
    builds = [_base(applied)]
    for variant in variants.chosen(series, names):
        lacking = variants.lacks(variant)
        if lacking:
            listen(Note(lacking))
            continue
        commit = variants.commit(project, cache, kernel_tree, applied, variant)
        title = "the series" if variant.is_tip else f"the series with {variant.name}"
        builds.append(Made(variant.name, len(applied.patches), commit, title, UNLINKED))
    return tuple(builds)


def _base(applied: Applied) -> Made:
    return Made(BASE, 0, applied.base, BASE, UNLINKED)


def _linked(cache: Cache, made: Prepared, how: Recipe, listen: Listener) -> tuple[Made, ...]:
    titles = [s.title if s.name == BASE else f"{s.name}: {s.title}" for s in made.builds]
    wanted = [
        objects.Wanted(build.commit, title)
        for build, title in zip(made.builds, titles, strict=True)
    ]
    programs = objects.programs(cache, made.tree, wanted, how, made.series.object, listen)
    return tuple(
        msgspec.structs.replace(build, program=program)
        for build, program in zip(made.builds, programs, strict=True)
    )


def twice(made: Prepared) -> Prepared:
    """Return base against itself: what the machine's noise alone makes of a ratio."""
    base = made.builds[0]
    again = msgspec.structs.replace(base, name=AGAIN, title="base once more")
    return msgspec.structs.replace(made, builds=(base, again))


def driver(cache: Cache, listen: Listener = silent) -> Runner:
    """Return how programs are run here."""
    cache.sandbox.warn(listen)
    return Runner(cache.log("replay"), Deadline(RUN_S), cache.sandbox)


def compared(
    drive: Runner, made: Prepared, wanted: ReplayRequest, listen: Listener = silent
) -> CaseComparison:
    """Compare all builds with base on the objects that are timed."""
    return check.compare(drive, made.programs, cases(wanted, page_ref=False), listen)


def cases(wanted: ReplayRequest, *, page_ref: bool) -> list[Case]:
    """Return the plainest cases, then as many by lot as are wanted."""
    return [*corners(), *drawn(wanted.cases, wanted.schedule.seed, page_ref=page_ref)]


def checked(
    project: Project,
    cache: Cache,
    drive: Runner,
    made: Prepared,
    wanted: ReplayRequest,
    listen: Listener = silent,
) -> Checked:
    """Compare on both configurations and judge the objects, without any timing."""
    tip = made.builds[-1]
    found = {AS_BOOTED: compared(drive, made, wanted, listen)}
    builds = _linked(cache, made, _with(project, made.how, PAGE_REF), listen)
    with_events = msgspec.structs.replace(made, builds=builds).programs
    found["page_ref_set traceable"] = check.compare(
        drive, with_events, cases(wanted, page_ref=True), listen
    )
    gates = list(trace.gates(drive, made.programs, listen, **_expected(made)))
    if made.series.non_temporal:
        kasan = objects.unlinked(
            cache,
            made.tree,
            tip.commit,
            _with(project, made.how, KASAN),
            made.series.object,
            listen,
            title=f"{tip.name} with KASAN",
        )
        gates.append(trace.plain(drive, f"{tip.name} with KASAN", kasan))
    return Checked(found, tuple(gates))


def _expected(made: Prepared) -> dict[str, list[str]]:
    """Whose objects must, and must not, have non-temporal stores."""
    if not made.series.non_temporal:
        return {}
    whole = [build.name for build in made.builds if build.commit == made.applied.tip]
    return {"streaming": whole, "plain": [BASE]}


def _with(project: Project, how: Recipe, fragment: str) -> Recipe:
    added = configure.recipe(project, [fragment]).fragments
    return msgspec.structs.replace(how, fragments=(*how.fragments, *added))


def counted(
    project: Project,
    cache: Cache,
    drive: Runner,
    made: Prepared,
    wanted: ReplayRequest,
    listen: Listener = silent,
) -> ReplayRun:
    """Count every build's instructions a struct page and return the record, which is saved."""
    record = _record(cache, made, wanted, None)
    found = counting.count(drive, made.programs, listen)
    record = msgspec.structs.replace(
        record,
        setup=msgspec.structs.replace(record.setup, rounds=0, passes=0),
        counts=tuple(
            Count(one.build, kind, one.by, per_page)
            for one in found
            for kind, per_page in one.per_page.items()
        ),
        outcome="complete",
        reason="",
    )
    return _finish(project, record)


def timed(
    project: Project,
    cache: Cache,
    drive: Runner,
    made: Prepared,
    wanted: ReplayRequest,
    found: CaseComparison | None,
    listen: Listener = silent,
) -> ReplayRun:
    """Time all builds and return the finished record, which is saved after every round."""
    builds = len(made.builds) + 1  # the limit is one as well
    require_memory(wanted.schedule, builds, backing_files.available_bytes())
    record = _record(cache, made, wanted, found)

    def keep(so_far: Timed) -> None:
        store.save(project.results, msgspec.structs.replace(record, **so_far._asdict()))

    keep(Timed((), ()))
    try:
        whole = timing.measure(
            drive, made.programs, wanted.schedule, keep, listen, limit_with=made.programs[BASE]
        )
    except HarnessError as error:
        lost = store.load_replay(store.folder_of(project.results, record))
        _finish(project, msgspec.structs.replace(lost, outcome="failed", reason=error.what))
        raise
    return _finish(
        project,
        msgspec.structs.replace(record, outcome="complete", reason="", **whole._asdict()),
    )


def _finish(project: Project, record: ReplayRun) -> ReplayRun:
    record = msgspec.structs.replace(record, finished=store.now().isoformat())
    store.save(project.results, record)
    return record


def _record(
    cache: Cache, made: Prepared, wanted: ReplayRequest, found: CaseComparison | None
) -> ReplayRun:
    schedule = wanted.schedule
    version = posted_version(wanted.source)
    unequal = {u.build: f"{u.case}: {u.what}" for u in (found.unequal if found else ())}
    now = store.now()
    return ReplayRun(
        run_id=store.new_run_id(now),
        subject=Subject.of(made.applied, made.series.port_of if version is None else version),
        setup=ReplaySetup(
            schedule_sha256=value_digest(schedule),
            rounds=schedule.rounds,
            passes=schedule.turns * schedule.passes,
            nr_pages={kind: schedule.case(kind).nr_pages for kind in schedule.kinds},
        ),
        machine=_machine(made),
        builds=_builds(cache, made),
        started=now.isoformat(),
        comparisons=tuple(
            Comparison(
                build=build.name,
                cases=found.cases,
                seed=schedule.seed,
                equal=build.name not in unequal,
                detail=unequal.get(build.name, ""),
            )
            for build in made.builds
            if found is not None and build.name != BASE
        ),
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
            ),
            binary=build.program.object,
            config=build.program.config,
        )
        for build in made.builds
    ]
    return identity.with_differences(cache, built)


def _machine(made: Prepared) -> Machine:
    return Machine(
        cpu=cpu(Path("/proc/cpuinfo").read_text()).name,
        cpus=len(os.sched_getaffinity(0)),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        kernel=platform.release(),
        accelerator="native",
        accelerator_proof="the function runs as a process of this machine",
        tools={"cc": made.builds[0].program.compiler},
    )
