# SPDX-License-Identifier: GPL-2.0-only
"""The functions that jobs call, and the values that they are given.

A job may run in another checkout than the user's. So it reads nothing of the project there but the
guest's agent; all else is in the values.
"""

import functools
from pathlib import Path

import msgspec

from harness.errors import InputError
from harness.guest.accelerator import BootChoice
from harness.jobs.graph import Here, Job
from harness.judge.ratios.precision import more_boots
from harness.kernel import build as kernel_build
from harness.measure import run
from harness.measure.metal import run as metal
from harness.measure.metal.run import OnServer
from harness.project import run_claims
from harness.project.guest import Guest
from harness.project.kernel import Kernel, Recipe, Tree
from harness.project.plan import Plan
from harness.project.run_claims import RunClaims
from harness.record import store
from harness.record.applied import Applied
from harness.record.record import FOLLOW_UP, BootRun, ReplayRun, Unbuilt
from harness.series import apply as series_apply
from harness.series import on_top, ports
from harness.series.source import Source
from harness.trees import tree as trees

#: The jobs that fetch the tree and apply the patches.
ON_TREE = ("fetch", "apply")


class Patches(msgspec.Struct, frozen=True):
    """The patches to apply: those of a series from `source`; None is its port for the tree.

    `prefix` is the longest prefix that will be asked for; None is the whole series. `follow_up`
    puts the series' follow-up on top.
    """

    slug: str
    source: Source | None = None
    prefix: int | None = None
    follow_up: bool = False


class Commit(msgspec.Struct, frozen=True):
    """The kernel to build: base and the first `prefix` patches (None: all), shown as `title`.

    The title FOLLOW_UP is the kernel of the whole series with its follow-up. A job that is given
    another tree builds that tree as it is.
    """

    how: Recipe
    prefix: int | None
    title: str


class BootComparison(msgspec.Struct, frozen=True):
    """The `builds` to boot and measure, on which guest, and what the user chose for boots.

    `version` is the posted version whose claims the patches must meet. With `keep_going`, a boot
    that fails costs only the boots of its build; `unbuilt` are the prefixes that did not build.
    `claims` are stored beside the record before the first boot, None for those of series.yaml, and
    so is `replay`, whose id and folder the run takes over.
    `probed` are builds that are also built with probes and booted to compare clocks.
    `where` is the server that boots, None for a guest on this machine.
    """

    plan: Plan
    guest: Guest
    version: int
    choice: BootChoice = BootChoice()
    builds: tuple[str, ...] = ("base", "tip")
    keep_images: bool = False
    keep_going: bool = False
    unbuilt: tuple[Unbuilt, ...] = ()
    claims: RunClaims | None = None
    replay: ReplayRun | None = None
    probed: tuple[str, ...] = ()
    where: OnServer | None = None


def on_tree(tree: str, patches: Patches, names: tuple[str, str] = ON_TREE) -> tuple[Job, Job]:
    """Return the jobs that fetch a tree and apply patches to it."""
    fetching, applying = names
    return (
        Job(fetching, "fetch", fetch, tree),
        Job(applying, "apply", apply, patches, (fetching,)),
    )


def build_job(how: Recipe, build_name: str, prefix: int | None, tree: str = "") -> Job:
    """Return the job that builds the kernel of a prefix, or of another tree."""
    commit = Commit(how, prefix, build_name)
    needs = (*ON_TREE, fetching_other(tree)) if tree else ON_TREE
    return Job(building(build_name), "build", build, commit, needs)


def fetch_job(tree: str) -> Job:
    """Return the job that fetches a tree other than the series' base."""
    return Job(fetching_other(tree), "fetch", fetch, tree)


def fetching_other(tree: str) -> str:
    """Return the name of the job that fetches a tree other than the series' base."""
    return f"fetch {tree}"


def building(build_name: str) -> str:
    """Return the name of the job that builds a kernel."""
    return f"build {build_name}"


def with_probes(build_name: str) -> str:
    """Return the name of a build whose kernel has probes."""
    return f"{build_name} with probes"


def measure_job(comparison: BootComparison) -> Job:
    """Return the job that boots and measures all builds of a comparison."""
    kernels = (*comparison.builds, *map(with_probes, comparison.probed))
    needs = ("apply", *map(building, kernels))
    return Job("measure", "boot", measure, comparison, needs)


def fetch(here: Here, name: str) -> Tree:
    """Return a tree by its name in configs/trees.yaml or the tag of a release."""
    return trees.fetch(here.project, here.cache, name, here.listen)


def apply(here: Here, given: Patches, tree: Tree) -> Applied:
    """Apply a series and return its commits. Raises InputError for a prefix that it lacks."""
    if given.source is None and here.project.series(given.slug).is_setting:
        return series_apply.unpatched(given.slug, tree)
    source = given.source or ports.for_tree(here.project, given.slug, tree)
    applied = series_apply.apply(here.project, here.cache, given.slug, tree, source, here.listen)
    _prefix(applied, given.prefix)
    if given.follow_up:
        applied = on_top.with_follow_up(here.project, here.cache, tree, applied)
    return applied


def build(
    here: Here, given: Commit, tree: Tree, applied: Applied, other: Tree | None = None
) -> Kernel:
    """Build and return the kernel of base and some patches, or of another tree."""
    commit = applied.prefix(_prefix(applied, given.prefix))
    if given.title == FOLLOW_UP:
        commit = applied.last
    if other is not None:
        tree, commit = other, other.commit
    here.import_kernel(kernel_build.key(here.cache, commit, given.how))
    return kernel_build.build(here.cache, tree, commit, given.how, here.listen, title=given.title)


def measure(here: Here, given: BootComparison, applied: Applied, *kernels: Kernel) -> BootRun:
    """Boot all builds of a comparison, interleaved, on this machine; return the record."""

    def begin(folder: Path) -> None:
        run_claims.save(folder, given.claims)
        if given.replay is not None and store.replay_beside(folder) is None:
            store.save_replay(folder, given.replay)
        here.export_run(folder)

    count = len(given.builds)
    named = dict(zip(given.builds, kernels[:count], strict=True))
    if given.where is not None:
        return metal.run(
            here.project,
            here.cache,
            applied,
            given.version,
            named,
            given.plan,
            given.guest,
            given.where,
            here.listen,
            on_begin=begin,
        )
    return run.run(
        here.project,
        here.cache,
        applied,
        given.version,
        named,
        given.plan,
        given.guest,
        given.choice,
        here.listen,
        on_begin=begin,
        keep_images=given.keep_images,
        keep_going=given.keep_going,
        unbuilt=given.unbuilt,
        more=functools.partial(more_boots, until=given.choice.until),
        run_id=given.replay.run_id if given.replay is not None else "",
        probed=dict(zip(given.probed, kernels[count:], strict=True)),
    )


def _prefix(applied: Applied, asked: int | None) -> int:
    """Return how many patches to take. Raises InputError if the series has fewer."""
    count = len(applied.patches)
    if asked is not None and not 0 <= asked <= count:
        raise InputError(f"no prefix {asked}", where="--prefix", expected=f"0 to {count}")
    return count if asked is None else asked
