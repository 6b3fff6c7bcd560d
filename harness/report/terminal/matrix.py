# SPDX-License-Identifier: GPL-2.0-only
"""The results of a matrix for a terminal and for programs; pure."""

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
    """Return the results as `--json` prints them."""
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
    """Return the results as a table that rich can print, one row per cell."""
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
    grid.add_column("result", overflow="fold", ratio=1)
    for result in results:
        cell = result.cell
        # A boot alone shows less than one next to base.
        prefix = f"base, {cell.prefix}" if cell.base else str(cell.prefix)
        cells = (cell.tree, cell.kernel, cell.guest or "-", prefix)
        outcome = Text(result.outcome, _STYLE[result.outcome])
        grid.add_row(*map(escape, cells), outcome, escape(one_line(_text(result))))
    counted = ", ".join(f"{count} {outcome}" for outcome, count in _counted(results))
    cached = sum(result.cached for result in results)
    lines = [f"[bold]{len(results)} cells[/]: {counted}" + (f"; {cached} cached" if cached else "")]
    lines += [
        f"[bold]{escape(name)}[/]: {escape(configuration.why)}"
        for name, configuration in matrix.kernels.items()
        if any(result.cell.kernel == name for result in results)
    ]
    return Group(grid, *(Text.from_markup(line) for line in lines))


def _counted(results: Sequence[CellResult]) -> list[tuple[str, int]]:
    counts = Counter(str(result.outcome) for result in results)
    return [(outcome, counts[outcome]) for outcome in _STYLE if counts[outcome]]


def _text(result: CellResult) -> str:
    """Return why a cell failed, or the checks that passed, each with its builds.

    The name of a check begins with that of its build.
    """
    if result.outcome != "ok":
        return result.reason
    shared: dict[str, dict[str, str]] = {}
    for check in result.checks:
        build, _, what = check.name.partition(" ")
        shared.setdefault(what, {})[build] = check.detail
    texts = [
        f"{_builds(list(builds))} {what}" + (f": {details.pop()}" if len(details) == 1 else "")
        for what, builds in shared.items()
        if (details := set(builds.values()))
    ]
    return "; ".join([*texts, result.note] if result.note else texts)


def _builds(builds: list[str]) -> str:
    """Return a list of builds, with a range for consecutive prefixes: `base, 1-8`."""
    numbers = [int(build) for build in builds if build.isdecimal()]
    if len(numbers) > 2 and numbers == list(range(numbers[0], numbers[-1] + 1)):
        builds = [build for build in builds if not build.isdecimal()]
        builds.append(f"{numbers[0]}-{numbers[-1]}")
    return ", ".join(builds)
