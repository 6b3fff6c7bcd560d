# SPDX-License-Identifier: GPL-2.0-only
"""Fetches a tree, applies a series, builds base and tip, boots both; leaves one run record.

Every job stores what it finished, so a run that was killed continues where it was.
"""

import msgspec

from harness.events import Event
from harness.guest.accelerator import BootChoice
from harness.host.cache import Cache
from harness.jobs import jobs
from harness.jobs.graph import Engine, Failed, Graph, Notify, Outcome, ignore, result
from harness.kernel import configure
from harness.project.kernel import Recipe
from harness.project.project import Project
from harness.project.run_claims import RunClaims
from harness.record import store
from harness.record.record import BootRun
from harness.series import read, trust
from harness.series.source import Source, posted_version


class ReproduceRequest(msgspec.Struct, frozen=True):
    """What to measure. `prefix` None is the whole series.

    `keep_images` leaves the NVDIMMs' backing files beside the record. With `null`, base is compared
    with itself, to measure the noise of this machine. `follow_up` is for a run patch by patch.
    `claims` are what the run is judged by, None for those of series.yaml.
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


def reproduce(
    engine: Engine,
    project: Project,
    cache: Cache,
    wanted: ReproduceRequest,
    notify: Notify = ignore,
) -> BootRun:
    """Build and boot base and tip and return the finished record, failed boots included.

    Raises HarnessError from the job that failed.
    """
    how, comparison = plan(project, cache, wanted)
    prefixes = {"base": 0, "again": 0} if wanted.null else {"base": 0, "tip": wanted.prefix}
    patches = jobs.Patches(wanted.slug, wanted.source, wanted.prefix)
    comparison = msgspec.structs.replace(comparison, builds=tuple(prefixes))
    graph = Graph(
        [
            *jobs.on_tree(wanted.tree, patches),
            *(jobs.build_job(how, name, prefix) for name, prefix in prefixes.items()),
            jobs.measure_job(comparison),
        ]
    )
    return result(engine.run(graph, raising(notify))["measure"], BootRun)


def plan(
    project: Project, cache: Cache, wanted: ReproduceRequest
) -> tuple[Recipe, jobs.BootComparison]:
    """Return how to build and what to boot, of builds yet to be named.

    Raises HarnessError for what can be found wrong before anything is fetched.
    """
    series = project.measurable_series(wanted.slug)
    chosen = project.plan(wanted.plan)
    how = configure.recipe(
        project, chosen.kconfig, profile=wanted.profile, compiler=wanted.compiler
    )
    comparison = jobs.BootComparison(
        plan=chosen,
        guest=project.guest(chosen.guest),
        version=posted_version(wanted.source) or series.port_of,
        choice=wanted.choice,
        keep_images=wanted.keep_images,
        claims=wanted.claims,
    )
    require_usable(project, cache, wanted.slug, wanted.source)
    return how, comparison


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
