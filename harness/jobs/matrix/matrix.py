# SPDX-License-Identifier: GPL-2.0-only
"""Runs a matrix as two graphs: first trees with the series applied, then all cells.

A cell that fails, or cannot be tried, affects no other cell. Results that are ok are cached.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from harness.errors import EXIT_VERDICT, InputError
from harness.events import Event, Note
from harness.host.cache import Cache
from harness.jobs.graph import Done, Engine, Failed, Graph, Notify, Outcome, Skipped, ignore
from harness.jobs.matrix.cached import CachedCells
from harness.jobs.matrix.jobs import CellRequest, CellSetup, cell_jobs, tree_jobs
from harness.jobs.reproduce import require_usable
from harness.kernel import configure
from harness.project.matrix_plan import Cell, CellResult, Matrix, Shown
from harness.project.project import Project
from harness.project.series import Series
from harness.record.applied import Applied
from harness.record.record import Check

#: A job raises these where something that it needs does not exist here.
CANNOT = ("Unsupported", "ToolMissing")


def run(
    engine: Engine,
    project: Project,
    cache: Cache,
    wanted: CellRequest,
    notify: Notify = ignore,
) -> tuple[CellResult, ...]:
    """Try all cells and return the result of each, in the matrix's order.

    Raises InputError for what is wrong with project or request, before anything is fetched.
    """
    setups = _setups(project, wanted)
    series = project.measurable_series(wanted.slug)
    require_usable(project, cache, wanted.slug, wanted.source)
    outcomes = engine.run(Graph(tree_jobs(wanted, setups)), notify)
    cached = CachedCells(project, cache)
    results, keys = _known(wanted, setups, series, outcomes, cached)
    for result in results.values():
        if result.cached:
            notify("", Note(f"{result.cell.name}: cached"))
    todo = [setup for setup in setups if setup.cell.name not in results]
    cells = {setup.cell.name: setup.cell for setup in todo}

    def notify_and_store(job: str, event: Event | Outcome) -> None:
        notify(job, event)
        if isinstance(event, Done | Failed | Skipped):
            outcomes[job] = event
            if job in cells:
                results[job] = _result(cells[job], outcomes, event)
                cached.put(keys[job], results[job])

    engine.run(Graph(cell_jobs(wanted, todo, series), outcomes), notify_and_store)
    return tuple(results[setup.cell.name] for setup in setups)


def require_cells(matrix: Matrix, only: Sequence[str]) -> Matrix:
    """Return the matrix with only these kernels. Raises InputError for an unknown one."""
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
        msgspec.structs.replace(block, kernels=kernels)
        for block in matrix.cells
        if (kernels := tuple(kernel for kernel in block.kernels if kernel in only))
    ]
    if not blocks:
        raise InputError(f"no cell of {matrix.name} uses it", where="--kernel")
    return msgspec.structs.replace(matrix, cells=tuple(blocks))


def _setups(project: Project, wanted: CellRequest) -> list[CellSetup]:
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
    setups: Sequence[CellSetup],
    series: Series,
    outcomes: Mapping[str, Outcome],
    cached: CachedCells,
) -> tuple[dict[str, CellResult], dict[str, str]]:
    """Return the results that need no job, and the keys to cache the others by."""
    results: dict[str, CellResult] = {}
    keys: dict[str, str] = {}
    for setup in setups:
        name, applying = setup.cell.name, setup.on_tree[1]
        applied = outcomes[applying]
        if not isinstance(applied, Done):
            results[name] = _without_shown(setup.cell, outcomes, applying)
            continue
        keys[name] = cached.key(setup.how, *_depends_on(wanted, setup, series, applied.value))
        found = None if wanted.fresh else cached.get(keys[name])
        if found is not None:
            results[name] = msgspec.structs.replace(found, cell=setup.cell)
    return results, keys


def _depends_on(
    wanted: CellRequest, setup: CellSetup, series: Series, applied: Applied
) -> tuple[Any, ...]:
    """Return everything but this harness that the result of a cell depends on."""
    matrix = wanted.matrix
    limits = (matrix.rebinds, matrix.boot_s, matrix.cases, wanted.choice.accelerator)
    commits = (applied.slug, applied.base, *(patch.commit for patch in applied.patches))
    of_object = (series.object, setup.configuration.shows, setup.configuration.needs)
    shown = setup.configuration if setup.guest else of_object
    where = (setup.cell.prefix, setup.cell.base, applied.release)
    return (setup.guest, shown, where, commits, limits)


def _result(cell: Cell, outcomes: Mapping[str, Outcome], outcome: Outcome) -> CellResult:
    if not isinstance(outcome, Done):
        return _without_shown(cell, outcomes, cell.name)
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


def _without_shown(cell: Cell, outcomes: Mapping[str, Outcome], job: str) -> CellResult:
    """Return the result of a cell whose job failed, or a job that it needs."""
    outcome = outcomes[job]
    cause = outcome.because if isinstance(outcome, Skipped) else job
    failed = outcomes[cause]
    assert isinstance(failed, Failed)  # noqa: S101 (only a failure is a cause)
    error = failed.error()
    reason = str(error) if cause == cell.name else f"{cause}: {error}"
    if failed.kind in CANNOT:
        return CellResult(cell, "cannot", reason)
    checks = (Check(cause, ok=False, detail=error.what),)
    return CellResult(
        cell, "failed", reason, checks, exit_code=error.exit_code, detail=error.detail or ""
    )
