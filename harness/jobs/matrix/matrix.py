# SPDX-License-Identifier: GPL-2.0-only
"""A matrix as two graphs: trees with the series on them, then all cells, each with its outcome.

A cell that fails, or cannot be tried, costs no other cell. What came out well is kept.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from harness.errors import EXIT_VERDICT, InputError
from harness.events import Event, Note
from harness.host.cache import Cache
from harness.jobs.graph import Done, Engine, Failed, Graph, Hear, Outcome, Skipped, unheard
from harness.jobs.matrix.cached import KeptCells
from harness.jobs.matrix.jobs import CellRequest, CellSetup, applies, in_cells, on_trees
from harness.kernel import configure
from harness.project.matrix_plan import Cell, CellResult, Matrix, Shown
from harness.project.project import Project
from harness.project.series import Series
from harness.record import store
from harness.record.applied import Applied
from harness.record.record import Check
from harness.series import read, trust

#: What a job raises where there was nothing to try with.
CANNOT = ("Unsupported", "ToolMissing")


def run(
    engine: Engine, project: Project, cache: Cache, wanted: CellRequest, hear: Hear = unheard
) -> tuple[CellResult, ...]:
    """Try all cells and return what came of each, in the matrix's order.

    Raises InputError for what project and request lack, before anything is fetched.
    """
    places = _places(project, wanted)
    series = project.measurable_series(wanted.slug)
    store.require_writable(project.results)
    read.require_readable(project, cache, wanted.slug, wanted.source)
    trust.require(cache, wanted.source)
    ground = engine.run(Graph(on_trees(wanted, places)), hear)
    kept = KeptCells(project, cache)
    results, keys = _known(wanted, places, series, ground, kept)
    for result in results.values():
        if result.kept:
            hear("", Note(f"{result.cell.name}: kept from an earlier run"))
    todo = [place for place in places if place.cell.name not in results]
    cells = {place.cell.name: place.cell for place in todo}
    outcomes: dict[str, Outcome] = {}

    def hear_and_keep(job: str, heard: Event | Outcome) -> None:
        hear(job, heard)
        if isinstance(heard, Done | Failed | Skipped):
            outcomes[job] = heard
            if job in cells:
                results[job] = _result(cells[job], outcomes, heard)
                kept.put(keys[job], results[job])

    done = {name: outcome for name, outcome in ground.items() if isinstance(outcome, Done)}
    engine.run(Graph(in_cells(wanted, todo, series), done), hear_and_keep)
    return tuple(results[place.cell.name] for place in places)


def require_cells(matrix: Matrix, only: Sequence[str]) -> Matrix:
    """Return the matrix with those kernels alone. Raises InputError for one that it has not."""
    for name in only:
        if name not in matrix.kernels:
            raise InputError(
                f"no kernel {name!r} in {matrix.name}",
                where="--kernel",
                expected=f"one of {', '.join(matrix.kernels)}",
            )
    if not only:
        return matrix
    blocks = [
        msgspec.structs.replace(block, kernels=kept)
        for block in matrix.cells
        if (kept := tuple(kernel for kernel in block.kernels if kernel in only))
    ]
    if not blocks:
        raise InputError(f"no cell of {matrix.name} has it", where="--kernel")
    return msgspec.structs.replace(matrix, cells=tuple(blocks))


def _places(project: Project, wanted: CellRequest) -> list[CellSetup]:
    matrix = wanted.matrix
    recipes = {
        name: configure.recipe(project, c.kconfig, compiler=c.compiler, arch=c.arch)
        for name, c in matrix.kernels.items()
    }
    return [
        CellSetup(
            cell,
            matrix.kernels[cell.kernel],
            recipes[cell.kernel],
            project.guest(cell.guest) if cell.guest else None,
        )
        for cell in matrix.expanded(wanted.trees)
    ]


def _known(
    wanted: CellRequest,
    places: Sequence[CellSetup],
    series: Series,
    ground: Mapping[str, Outcome],
    kept: KeptCells,
) -> tuple[dict[str, CellResult], dict[str, str]]:
    """Return the results that need no job, and what the others are to be kept by."""
    results: dict[str, CellResult] = {}
    keys: dict[str, str] = {}
    for place in places:
        name = place.cell.name
        applied = ground[applies(place.cell.tree)]
        if not isinstance(applied, Done):
            results[name] = _broken(place.cell, ground, applies(place.cell.tree))
        else:
            keys[name] = kept.key(place.how, *_depends_on(wanted, place, series, applied.value))
            found = None if wanted.fresh else kept.get(keys[name])
            if found is not None:
                results[name] = msgspec.structs.replace(found, cell=place.cell)
    return results, keys


def _depends_on(
    wanted: CellRequest, place: CellSetup, series: Series, applied: Applied
) -> tuple[Any, ...]:
    """Everything but this harness that could make another outcome of a cell."""
    matrix = wanted.matrix
    told = (matrix.rebinds, matrix.boot_s, matrix.cases, wanted.accelerator)
    commits = (applied.slug, applied.base, *(patch.commit for patch in applied.patches))
    of_object = (series.object, place.configuration.shows, place.configuration.needs)
    shown = place.configuration if place.guest else of_object
    where = (place.cell.prefix, place.cell.base, applied.release)
    return (place.guest, shown, where, commits, told)


def _result(cell: Cell, outcomes: Mapping[str, Outcome], outcome: Outcome) -> CellResult:
    if not isinstance(outcome, Done):
        return _broken(cell, outcomes, cell.name)
    shown: Shown = outcome.value
    wrong = [f"{check.name}: {check.detail}" for check in shown.checks if not check.ok]
    if not shown.checks:
        wrong = ["nothing was shown"]
    return CellResult(
        cell=cell,
        outcome="failed" if wrong else "ok",
        reason="; ".join(wrong),
        checks=shown.checks,
        run=shown.run,
        exit_code=EXIT_VERDICT if wrong else 0,
        note=shown.note,
    )


def _broken(cell: Cell, outcomes: Mapping[str, Outcome], job: str) -> CellResult:
    """What a cell comes to of which a job failed, its own or one that it needs."""
    outcome = outcomes[job]
    blamed = outcome.because if isinstance(outcome, Skipped) else job
    failed = outcomes[blamed]
    assert isinstance(failed, Failed)  # noqa: S101 (nothing else is blamed)
    error = failed.error()
    reason = str(error) if blamed == cell.name else f"{blamed}: {error}"
    if failed.kind in CANNOT:
        return CellResult(cell, "cannot", reason)
    checks = (Check(blamed, ok=False, detail=error.what),)
    return CellResult(
        cell, "failed", reason, checks, exit_code=error.exit_code, detail=error.detail or ""
    )
