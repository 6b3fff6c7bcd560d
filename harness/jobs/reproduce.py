# SPDX-License-Identifier: GPL-2.0-only
"""The whole job as a graph: tree, series, base and tip kernels, boots; one run record.

Every job keeps what it finished, so a run that is killed goes on where it was.
"""

import msgspec

from harness.events import Event
from harness.host.cache import Cache
from harness.jobs import jobs
from harness.jobs.graph import Done, Engine, Failed, Graph, Hear, Job, Outcome, unheard
from harness.kernel import configure
from harness.project.project import Project
from harness.record import store
from harness.record.record import BootRun
from harness.series import read, trust
from harness.series.source import Source, posted_version


class ReproduceRequest(msgspec.Struct, frozen=True):
    """What to measure. `prefix` None is the whole series; `accelerator` auto, kvm or tcg.

    `keep_images` leaves the NVDIMMs' backing files beside the record. With `null` it is base
    against itself: what the machine's noise alone makes of a ratio.
    """

    slug: str
    tree: str
    source: Source | None = None
    plan: str = "reproduce"
    profile: str = "minimal"
    compiler: str = "gcc"
    prefix: int | None = None
    accelerator: str = "auto"
    keep_images: bool = False
    null: bool = False

    @property
    def builds(self) -> dict[str, int | None]:
        """The prefix of each build, base first; base's other self is `again`."""
        return {"base": 0, "again": 0} if self.null else {"base": 0, "tip": self.prefix}


def graph(project: Project, wanted: ReproduceRequest) -> Graph:
    """Return the jobs of a request. Raises InputError for what project and request lack."""
    series = project.measurable_series(wanted.slug)
    plan = project.plan(wanted.plan)
    how = configure.recipe(project, plan.kconfig, profile=wanted.profile, compiler=wanted.compiler)
    comparison = jobs.BootComparison(
        plan=plan,
        guest=project.guest(plan.guest),
        version=posted_version(wanted.source) or series.port_of,
        accelerator=wanted.accelerator,
        builds=tuple(wanted.builds),
        keep_images=wanted.keep_images,
    )
    patches = jobs.Patches(wanted.slug, wanted.source, wanted.prefix)
    return Graph(
        [
            Job("fetch", "fetch", jobs.fetch, wanted.tree),
            Job("apply", "apply", jobs.apply, patches, ("fetch",)),
            *(
                Job(
                    f"build {build}",
                    "build",
                    jobs.build,
                    jobs.Commit(how, prefix, build),
                    ("fetch", "apply"),
                )
                for build, prefix in wanted.builds.items()
            ),
            Job(
                "measure",
                "boot",
                jobs.measure,
                comparison,
                ("apply", *(f"build {build}" for build in wanted.builds)),
            ),
        ]
    )


def reproduce(
    engine: Engine, project: Project, cache: Cache, wanted: ReproduceRequest, hear: Hear = unheard
) -> BootRun:
    """Do everything that a run record needs and return the finished record.

    Raises HarnessError from whichever step failed; the record tells of boots that failed.
    """
    jobs_of_it = graph(project, wanted)
    store.require_writable(project.results)
    # What can be found wrong with the series alone is found before anything is fetched.
    read.require_readable(project, cache, wanted.slug, wanted.source)
    trust.require(cache, wanted.source)
    outcome = engine.run(jobs_of_it, ending_at_a_failure(hear))["measure"]
    assert isinstance(outcome, Done)  # noqa: S101 (a failure was raised)
    assert isinstance(outcome.value, BootRun)  # noqa: S101
    return outcome.value


def ending_at_a_failure(hear: Hear) -> Hear:
    """Return a `hear` that raises what a job raised, where all that counts needs every job."""

    def hear_or_raise(job: str, heard: Event | Outcome) -> None:
        hear(job, heard)
        if isinstance(heard, Failed):
            raise heard.error()

    return hear_or_raise
