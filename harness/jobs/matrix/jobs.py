# SPDX-License-Identifier: GPL-2.0-only
"""The jobs of a matrix: trees with the series applied, kernels, and what each cell does."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from harness.guest.accelerator import BootChoice
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
    """What to try: a series on the matrix's trees or, if given, on `trees` instead.

    With `fresh`, cells are tried again that were ok before.
    """

    slug: str
    matrix: Matrix
    trees: tuple[str, ...] = ()
    source: Source | None = None
    choice: BootChoice = BootChoice()
    fresh: bool = False


class CellSetup(NamedTuple):
    """A cell and everything that its jobs are made of."""

    cell: Cell
    configuration: Configuration
    how: Recipe
    guest: Guest | None

    @property
    def on_tree(self) -> tuple[str, str]:
        """The names of the jobs that fetch its tree and apply the series."""
        return f"fetch {self.cell.tree}", f"apply {self.cell.tree}"


def tree_jobs(wanted: CellRequest, setups: Iterable[CellSetup]) -> Iterator[Job]:
    """Yield the jobs that fetch each tree once and apply the series to it."""
    patches = jobs.Patches(wanted.slug, wanted.source)
    for tree, names in {setup.cell.tree: setup.on_tree for setup in setups}.items():
        yield from jobs.on_tree(tree, patches, names)


def cell_jobs(wanted: CellRequest, setups: Sequence[CellSetup], series: Series) -> Iterator[Job]:
    """Yield the job of each cell in order, after the kernels that no earlier cell needs."""
    built: dict[Job, str] = {}
    for setup in setups:
        if setup.guest is None:
            yield _examination(wanted, setup, series)
            continue
        prefixes = _prefixes(setup.cell)
        kernels = []
        for build, prefix in prefixes.items():
            job = _build(setup, build, prefix)
            # Cells whose kernels are the same share the job that builds them.
            unnamed = msgspec.structs.replace(job, name=setup.cell.tree)
            if unnamed not in built:
                built[unnamed] = job.name
                yield job
            kernels.append(built[unnamed])
        comparison = jobs.BootComparison(
            plan=_plan(wanted.matrix, setup),
            guest=setup.guest,
            version=posted_version(wanted.source) or series.port_of,
            choice=wanted.choice,
            builds=tuple(prefixes),
            keep_going=True,
        )
        needs = (setup.on_tree[1], *kernels)
        yield Job(setup.cell.name, "boot", boots.boot, comparison, needs)


def _prefixes(cell: Cell) -> dict[str, int | None]:
    """Return the prefix of each build that a cell boots, by the build's name."""
    prefix = cell.prefix if isinstance(cell.prefix, int) else None
    base: dict[str, int | None] = {"base": 0} if cell.base else {}
    return base | {"tip" if prefix is None else str(prefix): prefix}


def _examination(wanted: CellRequest, setup: CellSetup, series: Series) -> Job:
    given = objects.Objects(
        how=setup.how,
        series=series,
        prefix=setup.cell.prefix,
        shows=setup.configuration.shows,
        cases=wanted.matrix.cases,
        needs=setup.configuration.needs,
    )
    return Job(setup.cell.name, "verify", objects.examine, given, setup.on_tree)


def _build(setup: CellSetup, build: str, prefix: int | None) -> Job:
    commit = boots.CellKernel(jobs.Commit(setup.how, prefix, build), setup.configuration.needs)
    name = jobs.building(f"{setup.cell.tree} {setup.cell.kernel} {build}")
    return Job(name, "build", boots.build, commit, setup.on_tree)


def _plan(matrix: Matrix, setup: CellSetup) -> Plan:
    configuration = setup.configuration
    return Plan(
        description=configuration.why,
        guest=setup.cell.guest,
        rebinds=matrix.rebinds,
        kconfig=configuration.kconfig,
        boots=Boots(kvm=1, tcg=1),
        boot_s=matrix.boot_s,
        name=f"{matrix.name} {setup.cell.kernel}",
        kernel_options=configuration.kernel_options,
        page_ref=configuration.page_ref,
    )
