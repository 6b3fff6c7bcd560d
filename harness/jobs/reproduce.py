# SPDX-License-Identifier: GPL-2.0-only
"""Fetches a tree, applies a series, builds base and tip, boots both; leaves one run record.

A replay may precede the boots: it starts once the series is applied, before anything is built.

Every job stores what it finished, so a run that was killed continues where it was.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from harness.errors import InputError, ToolMissing
from harness.events import Event, Planned
from harness.guest.accelerator import BootChoice
from harness.host.cache import Cache
from harness.jobs import jobs
from harness.jobs.graph import Engine, Failed, Graph, Notify, Outcome, ignore, result
from harness.kernel import build as kernel_build
from harness.kernel import configure
from harness.measure.asked import asked
from harness.measure.metal.run import FRAGMENT, OnServer, probe
from harness.project.kernel import Recipe, Tree
from harness.project.plan import Plan
from harness.project.project import Project
from harness.project.run_claims import RunClaims
from harness.record import store
from harness.record.applied import Applied
from harness.record.record import BootRun, ReplayRun
from harness.series import read, trust
from harness.series.source import Source, posted_version
from harness.workloads.workload import Workload

#: Called with a tree and the series that was applied to it, before any kernel is built.
Replayer = Callable[[Tree, Applied], ReplayRun | None]
#: The name of that step, beside those of the jobs.
REPLAY = "replay"
#: The fragment of kernels that compare clocks.
FINE_CLOCK = "fine-clock"


class ReproduceRequest(msgspec.Struct, frozen=True):
    """What to measure. `prefix` None is the whole series.

    `keep_images` leaves the NVDIMMs' backing files beside the record. With `null`, base is compared
    with itself, to measure the noise of this machine. `follow_up` is for a run patch by patch.
    `claims` are what the run is judged by, None for those of series.yaml. With `fine_clock` two
    more kernels are built and booted to compare clocks. `where` is a server to boot, None for
    guests.
    """

    slug: str
    tree: str
    source: Source | None = None
    plan: str = "reproduce"
    profile: str = "minimal"
    compiler: str = "gcc"
    prefix: int | None = None
    choice: BootChoice = BootChoice()
    keep_images: bool = False
    null: bool = False
    follow_up: bool = False
    claims: RunClaims | None = None
    fine_clock: bool = False
    where: OnServer | None = None


def reproduce(
    engine: Engine,
    project: Project,
    cache: Cache,
    wanted: ReproduceRequest,
    notify: Notify = ignore,
    replayer: Replayer | None = None,
) -> BootRun:
    """Build and boot base and tip and return the finished record, failed boots included.

    `replayer` is called before anything is built; the replay that it returns is stored beside the
    record. Raises HarnessError from the job that failed.
    """
    how, comparison = plan(project, cache, wanted)
    if comparison.plan.build_names:
        return _planned_builds(engine, project, cache, wanted, how, comparison, notify)
    prefixes = {"base": 0, "again": 0} if wanted.null else {"base": 0, "tip": wanted.prefix}
    done = on_tree(engine, wanted, notify)
    applied = result(done["apply"], Applied)
    probed = tuple(prefixes) if wanted.fine_clock else ()
    kernels = {name: (how, prefix) for name, prefix in prefixes.items()}
    kernels |= {jobs.with_probes(n): (_with_probes(project, how), prefixes[n]) for n in probed}
    commits = {
        name: (recipe, applied.tip if prefix is None else applied.prefix(prefix))
        for name, (recipe, prefix) in kernels.items()
    }
    notify("", planned(cache, commits, replayer))
    comparison = msgspec.structs.replace(
        comparison, builds=tuple(prefixes), replay=replayed(replayer, done), probed=probed
    )
    graph = Graph(
        [
            *(jobs.build_job(recipe, name, k) for name, (recipe, k) in kernels.items()),
            jobs.measure_job(comparison),
        ],
        done,
    )
    return result(engine.run(graph, raising(notify))["measure"], BootRun)


def _planned_builds(
    engine: Engine,
    project: Project,
    cache: Cache,
    wanted: ReproduceRequest,
    how: Recipe,
    comparison: jobs.BootComparison,
    notify: Notify,
) -> BootRun:
    """Build and boot the builds that the plan names, without a replay, and return the record."""
    builds = {name: comparison.plan.build(name) for name in comparison.plan.build_names}
    done = on_tree(engine, wanted, notify)
    applied = result(done["apply"], Applied)
    others = dict.fromkeys(build.tree for build in builds.values() if build.tree)
    done |= engine.run(Graph(map(jobs.fetch_job, others), done), raising(notify))
    commits = {}
    for name, build in builds.items():
        if build.patches > len(applied.patches):
            raise InputError(
                f"the series has {len(applied.patches)} patches",
                where=f"plan {wanted.plan}, key 'builds.{name}.patches': {build.patches}",
                expected=f"0 to {len(applied.patches)}",
            )
        tree = result(done[jobs.fetching_other(build.tree)], Tree) if build.tree else None
        recipe = _with(project, how, build.kconfig)
        commits[name] = (recipe, tree.commit if tree else applied.prefix(build.patches))
    notify("", planned(cache, commits, None))
    comparison = msgspec.structs.replace(comparison, builds=tuple(builds))
    graph = Graph(
        [
            *(
                jobs.build_job(commits[name][0], name, build.patches, build.tree)
                for name, build in builds.items()
            ),
            jobs.measure_job(comparison),
        ],
        done,
    )
    return result(engine.run(graph, raising(notify))["measure"], BootRun)


def _with_probes(project: Project, how: Recipe) -> Recipe:
    return _with(project, how, [FINE_CLOCK])


def _with(project: Project, how: Recipe, fragments: Sequence[str]) -> Recipe:
    more = configure.recipe(project, fragments).fragments
    return msgspec.structs.replace(how, fragments=(*how.fragments, *more))


def replay_only(
    engine: Engine,
    project: Project,
    cache: Cache,
    wanted: ReproduceRequest,
    notify: Notify,
    replayer: Callable[[Tree, Applied], ReplayRun],
) -> ReplayRun:
    """Fetch the tree, apply the series, and return the replay by `replayer`; boot nothing."""
    plan(project, cache, wanted)
    done = on_tree(engine, wanted, notify)
    notify("", Planned((REPLAY,)))
    return replayer(result(done["fetch"], Tree), result(done["apply"], Applied))


def on_tree(engine: Engine, wanted: ReproduceRequest, notify: Notify) -> dict[str, Outcome]:
    """Fetch the tree and apply the series; return the outcomes of both jobs."""
    patches = jobs.Patches(wanted.slug, wanted.source, wanted.prefix, wanted.follow_up)
    return engine.run(Graph(jobs.on_tree(wanted.tree, patches)), raising(notify))


def replayed(replayer: Replayer | None, done: Mapping[str, Outcome]) -> ReplayRun | None:
    """Return the replay by `replayer` of the applied series; None without `replayer`."""
    if replayer is None:
        return None
    return replayer(result(done["fetch"], Tree), result(done["apply"], Applied))


def planned(
    cache: Cache, kernels: Mapping[str, tuple[Recipe, str]], replayer: Replayer | None
) -> Planned:
    """Return the steps that follow: the replay, the kernels that are not cached, the boots.

    `kernels` are recipe and commit by the name of the build.
    """
    builds = [jobs.building(n) for n, made in kernels.items() if not cached_kernel(cache, *made)]
    return Planned((*([REPLAY] if replayer is not None else []), *builds, "measure"))


def cached_kernel(cache: Cache, how: Recipe, commit: str) -> Path | None:
    """Return the file that describes the cached kernel of a commit; None if it is not cached."""
    try:
        folder = cache.kernels / kernel_build.key(cache, commit, how)
    except ToolMissing:
        return None  # another machine may have the compiler
    meta = folder / kernel_build.META
    return meta if meta.exists() else None


def plan(
    project: Project, cache: Cache, wanted: ReproduceRequest
) -> tuple[Recipe, jobs.BootComparison]:
    """Return how to build and what to boot, of builds yet to be named.

    Raises HarnessError for what can be found wrong before anything is fetched.
    """
    series = project.measurable_series(wanted.slug)
    chosen = project.plan(wanted.plan)
    fragments = chosen.kconfig if wanted.where is None else (*chosen.kconfig, FRAGMENT)
    how = configure.recipe(project, fragments, profile=wanted.profile, compiler=wanted.compiler)
    _require_builds_only(wanted, chosen)
    if series.is_setting and wanted.source is None and not chosen.build_names:
        raise InputError(
            f"plan {wanted.plan} names no builds, and the series {wanted.slug} has no patches",
            where="--plan",
            expected="a plan with builds",
        )
    for name in chosen.build_names:
        _with(project, how, chosen.build(name).kconfig)
    guest = project.guest(chosen.guest)
    series.measured.expected(asked(guest, chosen))
    _require_probes(wanted, series.measured, chosen)
    comparison = jobs.BootComparison(
        plan=chosen,
        guest=guest,
        version=posted_version(wanted.source) or series.port_of,
        choice=wanted.choice,
        keep_images=wanted.keep_images,
        claims=wanted.claims,
        where=wanted.where,
    )
    require_usable(project, cache, wanted.slug, wanted.source)
    if wanted.where is not None:
        probe(cache, wanted.where, comparison.guest)
    return how, comparison


def _require_probes(wanted: ReproduceRequest, workload: Workload, chosen: Plan) -> None:
    """Raise InputError if clocks are to be compared where probes cannot time the function."""
    if not wanted.fine_clock:
        return
    if not workload.function:
        raise InputError(
            f"probes cannot time what workload {workload.name} measures",
            where="--fine-clock",
            expected="a workload that measures one function",
        )
    if chosen.page_ref is True:
        raise InputError(
            f"given with plan {wanted.plan}, which enables a tracepoint",
            where="--fine-clock",
            expected="a plan without page_ref: with its events a binding takes longer",
        )


def _require_builds_only(wanted: ReproduceRequest, chosen: Plan) -> None:
    """Raise InputError if the plan names its builds and the command asks for others."""
    options = {
        "--prefix": wanted.prefix is not None,
        "--follow-up": wanted.follow_up,
        "--fine-clock": wanted.fine_clock,
        "--on": wanted.where is not None,
        "harness null": wanted.null,
    }
    for name, given in options.items():
        if given:
            require_no_builds(chosen, name)


def require_no_builds(chosen: Plan, option: str) -> None:
    """Raise InputError, about an option that chooses builds, if the plan names its own."""
    if chosen.build_names:
        raise InputError(
            f"given with plan {chosen.name}, which names the builds",
            where=option,
            expected="a plan without builds",
        )


def require_usable(project: Project, cache: Cache, slug: str, source: Source | None) -> None:
    """Raise HarnessError unless results can be written and the patches be read and be run here."""
    store.require_writable(project.results)
    read.require_readable(project, cache, slug, source)
    trust.require(cache, source)


def raising(notify: Notify) -> Notify:
    """Return a `notify` that raises the error of the first job that fails, and so ends the run."""

    def notify_or_raise(job: str, event: Event | Outcome) -> None:
        notify(job, event)
        if isinstance(event, Failed):
            raise event.error()

    return notify_or_raise
