# SPDX-License-Identifier: GPL-2.0-only
"""Makes the programs of a replay: tree, series, the object of each build, linked with the shim."""

from collections.abc import Sequence

import msgspec

from harness import workloads
from harness.errors import InputError, Unsupported
from harness.events import Listener, Note, silent
from harness.host.cache import Cache
from harness.host.processes.process import Deadline
from harness.kernel import configure
from harness.project.kernel import Recipe, Tree
from harness.project.project import Project
from harness.project.series import Series
from harness.record.applied import Applied
from harness.record.record import AGAIN, BASE, FOLLOW_UP
from harness.replay.program import objects, variants
from harness.replay.program.link import Program
from harness.replay.runner.runner import Runner
from harness.replay.timing.schedule import Schedule
from harness.series import apply, on_top, trust
from harness.series.source import Source
from harness.workloads.replay import Case, Replay

RUN_S = 3600


class ReplayRequest(msgspec.Struct, frozen=True):
    """What to replay: base and some prefixes, or base and variants of the whole series.

    Compares `cases` random calls beside the fixed ones, or those of `only`. `prefixes` is None for
    all of them; with `stores` (names of variants) it has no effect. With `follow_up` the series'
    follow-up is the last build.
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
    only: tuple[Case, ...] = ()
    follow_up: bool = False


class UnlinkedBuild(msgspec.Struct, frozen=True):
    """A commit to replay. `prefix` is the number of the series' patches in it."""

    name: str
    prefix: int
    commit: str
    title: str


class ReplayBuild(UnlinkedBuild, frozen=True):
    """A build and its program."""

    program: Program


class Prepared(msgspec.Struct, frozen=True):
    """The builds of a replay, base first, and what they were made from."""

    series: Series
    tree: Tree
    applied: Applied
    how: Recipe
    builds: tuple[ReplayBuild, ...]

    @property
    def programs(self) -> dict[str, Program]:
        """The programs by name of the build."""
        return {build.name: build.program for build in self.builds}

    @property
    def titles(self) -> dict[str, str]:
        """The titles by name of the build, of builds whose title is another."""
        return {build.name: build.title for build in self.builds if build.name != build.title}


def prepare(
    project: Project, cache: Cache, wanted: ReplayRequest, listen: Listener = silent
) -> Prepared:
    """Fetch, apply, compile and link. Raises the HarnessError of the step that failed."""
    replay_of(project.measurable_series(wanted.slug))
    trust.require(cache, wanted.source)
    found = apply.on_tree(project, cache, wanted.slug, wanted.tree, wanted.source, listen)
    return of_applied(project, cache, wanted, *found, listen)


def of_applied(
    project: Project,
    cache: Cache,
    wanted: ReplayRequest,
    tree: Tree,
    applied: Applied,
    listen: Listener = silent,
) -> Prepared:
    """Compile and link the builds of a series that was applied to a tree."""
    series = project.measurable_series(wanted.slug)
    how = configure.recipe(
        project,
        project.plan(wanted.plan).kconfig,
        profile=wanted.profile,
        compiler=wanted.compiler,
    )
    if wanted.stores:
        builds = _variants(project, cache, tree, applied, series, wanted.stores, listen)
    else:
        builds = _prefixes(applied, wanted.prefixes)
    if wanted.follow_up:
        if not applied.follow_up:
            applied = on_top.with_follow_up(project, cache, tree, applied)
        title = applied.follow_up[-1].subject
        builds.append(UnlinkedBuild(FOLLOW_UP, len(applied.patches), applied.last, title))
    base = UnlinkedBuild(BASE, 0, applied.base, BASE)
    linked = _linked(cache, tree, series, (base, *builds), how, listen)
    return Prepared(series, tree, applied, how, linked)


def with_fragments(
    project: Project,
    cache: Cache,
    made: Prepared,
    fragments: Sequence[str],
    listen: Listener = silent,
) -> Prepared:
    """Return the same builds with more fragments of configs/kconfig/."""
    how = recipe_with(project, made.how, fragments)
    builds = _linked(cache, made.tree, made.series, made.builds, how, listen)
    return msgspec.structs.replace(made, how=how, builds=builds)


def recipe_with(project: Project, how: Recipe, fragments: Sequence[str]) -> Recipe:
    """Return the recipe with more fragments of configs/kconfig/."""
    added = configure.recipe(project, fragments).fragments
    return msgspec.structs.replace(how, fragments=(*how.fragments, *added))


def base_twice(made: Prepared) -> Prepared:
    """Return base and base again, to measure the noise floor."""
    base = made.builds[0]
    again = msgspec.structs.replace(base, name=AGAIN, title="base once more")
    return msgspec.structs.replace(made, builds=(base, again))


def find_replay(series: Series) -> Replay | None:
    """Return how a series' function is replayed; None if it cannot be."""
    found = workloads.find(series.workload).replay
    return found if found and series.function in found.changes else None


def replay_of(series: Series) -> Replay:
    """Return how a series' function is replayed. Raises Unsupported if it cannot be."""
    found = find_replay(series)
    if found is None:
        raise Unsupported(
            f"{series.function}() has no replay in workload {series.workload}",
            where=series.slug,
            expected="a function that can be called in a process",
            hint=f"boot it: harness measure {series.slug} --plan PLAN",
        )
    return found


def make_runner(cache: Cache, series: Series, listen: Listener = silent) -> Runner:
    """Return a runner of replay programs of a series' function, in the cache's sandbox."""
    cache.sandbox.warn(listen)
    return Runner(cache.log("replay"), Deadline(RUN_S), cache.sandbox, replay_of(series))


def _prefixes(applied: Applied, asked: tuple[int, ...] | None) -> list[UnlinkedBuild]:
    count = len(applied.patches)
    wanted = range(1, count + 1) if asked is None else sorted(set(asked) - {0})
    for k in wanted:
        if not 0 <= k <= count:
            raise InputError(f"no prefix {k}", where="--prefix", expected=f"0 to {count}")
    return [
        UnlinkedBuild(str(k), k, applied.prefix(k), applied.patches[k - 1].subject) for k in wanted
    ]


def _variants(
    project: Project,
    cache: Cache,
    tree: Tree,
    applied: Applied,
    series: Series,
    names: tuple[str, ...],
    listen: Listener,
) -> list[UnlinkedBuild]:
    builds = []
    for variant in variants.chosen(series, names):
        missing = variants.missing_cpu_feature(variant)
        if missing:
            listen(Note(missing))
            continue
        commit = variants.commit(project, cache, tree, applied, variant)
        title = "the series" if variant.is_tip else f"the series with {variant.name}"
        builds.append(UnlinkedBuild(variant.name, len(applied.patches), commit, title))
    return builds


def _linked(
    cache: Cache,
    tree: Tree,
    series: Series,
    builds: Sequence[UnlinkedBuild],
    how: Recipe,
    listen: Listener,
) -> tuple[ReplayBuild, ...]:
    titles = [b.title if b.name == BASE else f"{b.name}: {b.title}" for b in builds]
    wanted = [objects.Wanted(b.commit, title) for b, title in zip(builds, titles, strict=True)]
    programs = objects.programs(cache, tree, wanted, how, series.object, replay_of(series), listen)
    return tuple(
        ReplayBuild(b.name, b.prefix, b.commit, b.title, program)
        for b, program in zip(builds, programs, strict=True)
    )
