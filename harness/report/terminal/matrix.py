# SPDX-License-Identifier: GPL-2.0-only
"""A matrix for a terminal and for programs: a row a cell, and what each one showed."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
from rich import box
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from harness.project.matrix_plan import CellResult, Matrix, worst
from harness.report.escaping import one_line

_STYLE = {"ok": "green", "failed": "bold red", "cannot": "yellow"}


def document(matrix: Matrix, slug: str, results: Sequence[CellResult]) -> dict[str, Any]:
    """Return the shape of `--json`."""
    return {
        "matrix": matrix.name,
        "series": slug,
        "exit_code": worst(results),
        "outcomes": dict(_counted(results)),
        "cells": [
            {
                "name": result.cell.name,
                **msgspec.to_builtins(result.cell),
                **{k: v for k, v in msgspec.to_builtins(result).items() if k != "cell"},
            }
            for result in results
        ],
    }


def table(matrix: Matrix, slug: str, results: Sequence[CellResult]) -> RenderableType:
    """Return the matrix as something rich can print."""
    grid = Table(
        title=f"{slug}: {matrix.name}, {matrix.description}",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=0,
        pad_edge=False,
        show_edge=False,
    )
    for name in ("tree", "kernel", "guest", "prefix", ""):
        grid.add_column(name, no_wrap=True)
    grid.add_column("what was shown", overflow="fold", ratio=1)
    for result in results:
        cell = result.cell
        # What a boot without base beside it cannot show is to be seen.
        prefix = f"base, {cell.prefix}" if cell.base else str(cell.prefix)
        cells = (cell.tree, cell.kernel, cell.guest or "-", prefix)
        outcome = Text(result.outcome, _STYLE[result.outcome])
        grid.add_row(*map(escape, cells), outcome, escape(one_line(_shown(result))))
    counted = ", ".join(f"{count} {outcome}" for outcome, count in _counted(results))
    kept = sum(result.kept for result in results)
    lines = [f"[bold]{len(results)} cells[/]: {counted}" + (f"; {kept} kept" if kept else "")]
    lines += [
        f"[bold]{escape(name)}[/]: {escape(configuration.why)}"
        for name, configuration in matrix.kernels.items()
        if any(result.cell.kernel == name for result in results)
    ]
    return Group(grid, *(Text.from_markup(line) for line in lines))


def _counted(results: Sequence[CellResult]) -> list[tuple[str, int]]:
    counts = Counter(str(result.outcome) for result in results)
    return [(outcome, counts[outcome]) for outcome in _STYLE if counts[outcome]]


def _shown(result: CellResult) -> str:
    """What is wrong, or else every condition, those that several builds share together.

    A condition's name begins with its build's.
    """
    if result.outcome != "ok":
        return result.reason
    shared: dict[str, dict[str, str]] = {}
    for check in result.checks:
        build, _, what = check.name.partition(" ")
        shared.setdefault(what, {})[build] = check.detail
    told = [
        f"{_together(list(builds))} {what}" + (f": {said.pop()}" if len(said) == 1 else "")
        for what, builds in shared.items()
        if (said := set(builds.values()))
    ]
    return "; ".join([*told, result.note] if result.note else told)


def _together(builds: list[str]) -> str:
    """Builds as people write them: `base, 1-8`."""
    numbers = [int(build) for build in builds if build.isdecimal()]
    if len(numbers) > 2 and numbers == list(range(numbers[0], numbers[-1] + 1)):
        builds = [build for build in builds if not build.isdecimal()]
        builds.append(f"{numbers[0]}-{numbers[-1]}")
    return ", ".join(builds)
