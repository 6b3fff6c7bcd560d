# SPDX-License-Identifier: GPL-2.0-only
"""The jobs of a matrix: trees with the series, kernels, and what each cell does with them."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from harness.jobs import jobs
from harness.jobs.graph import Job
from harness.jobs.matrix import boots, objects
from harness.project.guest import Guest
from harness.project.kernel import Recipe
from harness.project.matrix_plan import Cell, Configuration, Matrix
from harness.project.plan import Boots, Plan
from harness.project.series import Series
from harness.series.source import Source, posted_version


class CellRequest(msgspec.Struct, frozen=True):
    """What to try: a series on the matrix's trees, or on these instead of them.

    `fresh` tries again what came out well before.
    """

    slug: str
    matrix: Matrix
    trees: tuple[str, ...] = ()
    source: Source | None = None
    accelerator: str = "auto"
    fresh: bool = False


class CellSetup(NamedTuple):
    """One cell with everything that its jobs are made of."""

    cell: Cell
    configuration: Configuration
    how: Recipe
    guest: Guest | None

    @property
    def ground(self) -> tuple[str, str]:
        """The jobs that fetch its tree and apply the series."""
        return f"fetch {self.cell.tree}", applies(self.cell.tree)


def applies(tree: str) -> str:
    """Return the name of the job that applies the series to a tree."""
    return f"apply {tree}"


def on_trees(wanted: CellRequest, places: Iterable[CellSetup]) -> Iterator[Job]:
    """Fetch each tree once and apply the series to it."""
    patches = jobs.Patches(wanted.slug, wanted.source)
    for (fetch, apply), tree in {place.ground: place.cell.tree for place in places}.items():
        yield Job(fetch, "fetch", jobs.fetch, tree)
        yield Job(apply, "apply", jobs.apply, patches, (fetch,))


def in_cells(wanted: CellRequest, places: Sequence[CellSetup], series: Series) -> Iterator[Job]:
    """Give cells in order, each after the kernels that it is the first to need."""
    built: dict[Job, str] = {}
    for place in places:
        if place.guest is None:
            yield _examination(wanted, place, series)
            continue
        builds = _builds(place.cell)
        names = []
        for build, prefix in builds.items():
            job = _build(place, build, prefix)
            # Cells whose kernels are the same share the job that builds them.
            unnamed = msgspec.structs.replace(job, name=place.cell.tree)
            if unnamed not in built:
                built[unnamed] = job.name
                yield job
            names.append(built[unnamed])
        yield _boot(wanted, place, place.guest, series, tuple(builds), names)


def _builds(cell: Cell) -> dict[str, int | None]:
    prefix = cell.prefix if isinstance(cell.prefix, int) else None
    base: dict[str, int | None] = {"base": 0} if cell.base else {}
    return base | {"tip" if prefix is None else str(prefix): prefix}


def _examination(wanted: CellRequest, place: CellSetup, series: Series) -> Job:
    configuration = place.configuration
    given = objects.Objects(
        how=place.how,
        object=series.object,
        prefix=place.cell.prefix,
        shows=configuration.shows,
        cases=wanted.matrix.cases,
        needs=configuration.needs,
    )
    return Job(place.cell.name, "verify", objects.examine, given, place.ground)


def _build(place: CellSetup, build: str, prefix: int | None) -> Job:
    commit = boots.CellKernel(jobs.Commit(place.how, prefix, build), place.configuration.needs)
    name = f"build {place.cell.tree} {place.cell.kernel} {build}"
    return Job(name, "build", boots.build, commit, place.ground)


def _boot(
    wanted: CellRequest,
    place: CellSetup,
    guest: Guest,
    series: Series,
    builds: tuple[str, ...],
    kernels: Sequence[str],
) -> Job:
    comparison = jobs.BootComparison(
        plan=_plan(wanted.matrix, place),
        guest=guest,
        version=posted_version(wanted.source) or series.port_of,
        accelerator=wanted.accelerator,
        builds=builds,
        go_on=True,
    )
    needs = (applies(place.cell.tree), *kernels)
    return Job(place.cell.name, "boot", boots.boot, comparison, needs)


def _plan(matrix: Matrix, place: CellSetup) -> Plan:
    configuration = place.configuration
    return Plan(
        description=configuration.why,
        guest=place.cell.guest,
        rebinds=matrix.rebinds,
        kconfig=configuration.kconfig,
        boots=Boots(kvm=1, tcg=1),
        boot_s=matrix.boot_s,
        name=f"{matrix.name} {place.cell.kernel}",
        kernel_options=configuration.kernel_options,
        page_ref=configuration.page_ref,
    )
