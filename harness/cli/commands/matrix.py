# SPDX-License-Identifier: GPL-2.0-only
"""`harness matrix`."""

from typing import TYPE_CHECKING, NamedTuple

import click

from harness.cli import printable
from harness.cli.engine_option import EngineChoice, engine, engine_options
from harness.cli.options import (
    Renamed,
    as_one,
    choice_options,
    chosen_cache,
    chosen_project,
    json_option,
    named_tree,
    print_json,
    print_rich,
    sandbox_option,
    what_options,
)

if TYPE_CHECKING:
    from harness.guest.accelerator import BootChoice
    from harness.series.source import Source


class MatrixOptions(NamedTuple):
    """The options of `harness matrix`."""

    plan: str
    slug: str
    trees: tuple[str, ...]
    kernels: tuple[str, ...]
    source: "Source | None"
    choice: "BootChoice"
    only_list: bool
    fresh: bool
    workers: EngineChoice
    as_json: bool


@click.command()
@click.argument("plan", metavar="[PLAN]", default="matrix")
@what_options
@click.option(
    "--base",
    "--tree",
    "trees",
    cls=Renamed,
    multiple=True,
    metavar="B",
    help="Use this tree, release or PATH@REV instead of the plan's; may be given again.",
)
@click.option(
    "--kernel",
    "kernels",
    multiple=True,
    metavar="K",
    help="Only cells of this kernel configuration; may be given again.",
)
@choice_options
@sandbox_option
@click.option("--list", "only_list", is_flag=True, help="Only list the cells.")
@click.option("--fresh", is_flag=True, help="Run cells again that are cached as passed.")
@engine_options
@json_option
@as_one(MatrixOptions)
def matrix(options: MatrixOptions) -> None:
    """Run every cell of PLAN (configs/plans/matrix.yaml, or matrix-PLAN.yaml) with WHAT.

    A cell is a tree, a kernel configuration, a guest and a prefix. Builds, boots and binds base and
    prefix, compares their struct pages and checks their consoles; without a guest, compares and
    checks their compiled objects. A cell that cannot run says why. Passed cells are cached, so an
    interrupted matrix continues with the rest.

    \b
    Exits with the worst: 3 something does not apply or build · 1 a cell failed · 69 the machine or
    base itself failed · 0 every cell passed or cannot run.

    \b
    Examples:
      harness matrix quick                       the most useful cells, on two trees
      harness matrix quick --kernel kasan        one configuration of them
      harness matrix --list                      list all cells
      harness matrix quick --base v7.3 --json    a new tree, for programs
    """
    from harness.jobs.matrix.jobs import CellRequest
    from harness.jobs.matrix.matrix import require_cells, run
    from harness.project.matrix_plan import worst

    project, cache = chosen_project(), chosen_cache()
    chosen = require_cells(project.matrix(options.plan), options.kernels)
    # Names of cells are names of folders.
    trees = tuple(named_tree(name) for name in options.trees)
    if options.only_list:
        for cell in chosen.expanded(trees):
            click.echo(cell.name)
        return
    request = CellRequest(
        options.slug,
        chosen,
        trees,
        options.source,
        options.choice,
        options.fresh,
    )
    with engine(project, cache, options.workers, named=True) as (runs, notify):
        results = run(runs, project, cache, request, notify)
    if options.as_json:
        from harness.report.terminal.matrix import document

        print_json(document(chosen, options.slug, results))
    else:
        from harness.report.terminal.matrix import table

        print_rich(table(chosen, options.slug, results))
        for result in results:
            for line in result.detail.splitlines():
                click.echo(printable(f"{result.cell.name} | {line}"))
    code = worst(results)
    if code:
        raise click.exceptions.Exit(code)
