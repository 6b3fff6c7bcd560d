# SPDX-License-Identifier: GPL-2.0-only
"""What jobs call: the stages, with everything they need given as data.

Nothing but the guest's agent is read from the project where a job runs, which may be another
checkout than the user's.
"""

import msgspec

from harness.errors import InputError
from harness.jobs.graph import Here
from harness.kernel import build as build_stage
from harness.measure import run
from harness.project.guest import Guest
from harness.project.kernel import Kernel, Recipe, Tree
from harness.project.plan import Plan
from harness.record.applied import Applied
from harness.record.record import BootRun, Unbuilt
from harness.series import apply as apply_stage
from harness.series import ports
from harness.series.source import Source
from harness.trees import tree as tree_stage


class Patches(msgspec.Struct, frozen=True):
    """Which patches to apply: a series from `source` (None: the tree's port).

    `prefix` is the longest prefix that will be asked for; None is the whole series.
    """

    slug: str
    source: Source | None = None
    prefix: int | None = None


class Commit(msgspec.Struct, frozen=True):
    """Which kernel to build: of the first `prefix` patches (None: all), called `title`."""

    how: Recipe
    prefix: int | None
    title: str


class BootComparison(msgspec.Struct, frozen=True):
    """What to measure the `builds` on, and by which accelerator (auto, kvm or tcg).

    `version` is the posted version whose claims the patches answer to. With `go_on` a boot that
    fails costs its build alone; `unbuilt` are prefixes that were to be builds.
    """

    plan: Plan
    guest: Guest
    version: int
    accelerator: str = "auto"
    builds: tuple[str, ...] = ("base", "tip")
    keep_images: bool = False
    go_on: bool = False
    unbuilt: tuple[Unbuilt, ...] = ()


def fetch(here: Here, name: str) -> Tree:
    """Return a tree by its name in configs/trees.yaml or a release's tag."""
    return tree_stage.fetch(here.project, here.cache, name, here.listen)


def apply(here: Here, given: Patches, tree: Tree) -> Applied:
    """Apply a series. Raises InputError for a prefix that it does not have."""
    source = given.source or ports.for_tree(here.project, given.slug, tree)
    applied = apply_stage.apply(here.project, here.cache, given.slug, tree, source, here.listen)
    prefix_of(applied, given.prefix)
    return applied


def build(here: Here, given: Commit, tree: Tree, applied: Applied) -> Kernel:
    """Build base, or base and some patches."""
    commit = applied.prefix(prefix_of(applied, given.prefix))
    here.find_kernel(build_stage.key(here.cache, commit, given.how))
    return build_stage.build(here.cache, tree, commit, given.how, here.listen, title=given.title)


def measure(here: Here, given: BootComparison, applied: Applied, *kernels: Kernel) -> BootRun:
    """Boot all builds of a comparison in turn, on this one machine."""
    return run.run(
        here.project,
        here.cache,
        applied,
        given.version,
        dict(zip(given.builds, kernels, strict=True)),
        given.plan,
        given.guest,
        given.accelerator,
        here.listen,
        begun=here.bring_home,
        keep_images=given.keep_images,
        go_on=given.go_on,
        unbuilt=given.unbuilt,
    )


def prefix_of(applied: Applied, asked: int | None) -> int:
    """Return how many patches to take. Raises InputError for more than there are."""
    count = len(applied.patches)
    if asked is not None and not 0 <= asked <= count:
        raise InputError(f"no prefix {asked}", where="--prefix", expected=f"0 to {count}")
    return count if asked is None else asked
