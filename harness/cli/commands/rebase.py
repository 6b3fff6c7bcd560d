# SPDX-License-Identifier: GPL-2.0-only
"""`harness rebase`."""

from typing import TYPE_CHECKING, NamedTuple

import click

from harness.cli import printable
from harness.cli.options import (
    as_one,
    chosen_cache,
    chosen_project,
    json_option,
    print_json,
    what_options,
)
from harness.cli.progress import watching
from harness.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.series.rebase.outcome import Rebased
    from harness.series.source import Source


class RebaseOptions(NamedTuple):
    """The options of `harness rebase`."""

    slug: str
    onto: tuple[str, ...]
    source: "Source | None"
    base: str | None
    export: bool
    go_on: bool
    skip: bool
    abort: bool
    as_json: bool


@click.command()
@what_options
@click.option(
    "--onto",
    multiple=True,
    metavar="T",
    help="Tree, release (v7.2.12) or tag of a tree (mine@v7.3-rc2); may be given again.",
)
@click.option(
    "--base",
    metavar="T",
    help="Tree that the patches were made for (default: found automatically).",
)
@click.option(
    "--export",
    is_flag=True,
    help="Write the result to series/SERIES/ports/T/, of a series kept there.",
)
@click.option(
    "--continue", "go_on", is_flag=True, help="Continue with your resolution of a conflict."
)
@click.option("--skip", is_flag=True, help="Continue without the patch that conflicts.")
@click.option("--abort", is_flag=True, help="Give up an interrupted rebase.")
@json_option
@as_one(RebaseOptions)
def rebase(options: RebaseOptions) -> None:
    """Rebase WHAT from the base it was made for onto each tree T, and show what that took.

    Applies each patch as it is, else merges it three-way with its own base, else reuses an earlier
    resolution of the same conflict; says which was needed. Leaves out patches that the tree has
    already. On a conflict, prints patch, file, lines and the commits that changed them, leaves it
    in a worktree for you to resolve, and exits with 3. Compares the result with the original
    patches.

    \b
    Examples:
      harness rebase memcpy-streaming --onto v7.2.12 --onto v7.3
      harness rebase --onto v7.3-rc7 --export        store the result as a port
      harness rebase memcpy-streaming@v7.3 --onto mine@v7.4-rc1
      harness rebase --onto v7.3 --continue          after a conflict; or --skip, --abort
    """
    from harness.series.rebase import rebase as stage
    from harness.series.rebase import state

    if options.go_on + options.skip + options.abort > 1:
        raise InputError(
            "given together", where="--continue, --skip, --abort", expected="one of them at most"
        )
    project, cache = chosen_project(), chosen_cache()
    slug = options.slug
    if options.abort:
        stage.abort(cache, slug, state.choose(cache, slug, options.onto))
        return
    found: Sequence[Rebased]
    if options.go_on or options.skip:
        name = state.choose(cache, slug, options.onto)
        with watching() as listen:
            found = [stage.go_on(project, cache, slug, name, listen, skip=options.skip)]
    elif options.onto:
        wanted = [
            stage.RebaseRequest(slug, name, options.source, options.base, options.export)
            for name in dict.fromkeys(options.onto)
        ]
        with watching() as listen:
            found = stage.all_onto(project, cache, wanted, listen)
    else:
        raise InputError("is missing", where="--onto", expected="a tree or a release's tag")
    if options.as_json:
        print_json(found)
    else:
        _show(found)
    code = max(one.exit_code for one in found)
    if code:
        raise click.exceptions.Exit(code)


def _show(found: "Sequence[Rebased]") -> None:
    from rich.console import Console

    from harness.report.terminal import rebase as view

    console = Console(highlight=False)
    console.print(view.table(found))
    for one in found:
        for line in view.lines(one):
            console.print(printable(line), markup=False, soft_wrap=True)
