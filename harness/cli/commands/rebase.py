# SPDX-License-Identifier: GPL-2.0-only
"""`harness rebase`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli import printable
from harness.cli.options import (
    chosen_source,
    json_option,
    print_json,
    series_argument,
    source_options,
)
from harness.cli.progress import watching
from harness.errors import InputError
from harness.host.cache import Cache
from harness.project.project import Project

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.series.rebase.outcome import Rebased


@click.command(short_help="Carry a series to other trees, and say what that took.")
@series_argument
@click.option(
    "--onto",
    multiple=True,
    metavar="T",
    help="Tree, release's tag (v7.2.12), or tag of a tree (mine@v7.3-rc2); may be repeated.",
)
@source_options
@click.option("--base", metavar="T", help="Tree that the patches were made for (default: found).")
@click.option("--export", is_flag=True, help="Write the result to series/SERIES/ports/T/.")
@click.option("--continue", "go_on", is_flag=True, help="Take over what you made of a conflict.")
@click.option("--skip", is_flag=True, help="Leave out the patch that met a conflict.")
@click.option("--abort", is_flag=True, help="Give up a rebase that waits.")
@json_option
def rebase(
    slug: str,
    onto: tuple[str, ...],
    version: int | None,
    port: str | None,
    mbox: Path | None,
    base: str | None,
    export: bool,
    go_on: bool,
    skip: bool,
    abort: bool,
    as_json: bool,
) -> None:
    """Carry SERIES from the base it was made for to each tree T, and prove that it applies there.

    Each patch is applied plainly; where that fails it is merged three-way with its own base, then
    as somebody resolved the same conflict before. What was needed is stated. A patch that the tree
    has already is left out. A conflict names patch, file, lines and who changed them, waits in a
    worktree of its own, and makes the exit code 3. What arrives is compared with what it was.

    \b
    Examples:
      harness rebase memcpy-streaming --onto v7.2.12 --onto v7.3
      harness rebase --onto v7.3-rc7 --export        keep it as a port
      harness rebase --onto mine@v7.4-rc1 --port v7.3
      harness rebase --onto v7.3 --continue          after a conflict; or --skip, --abort
    """
    project, cache = Project.find(), Cache.default()
    _require_one_way(go_on, skip, abort)
    if abort:
        from harness.series.rebase import rebase as stage
        from harness.series.rebase import state

        stage.abort(cache, slug, state.chosen(cache, slug, onto))
        return
    found = (
        _gone_on(project, cache, slug, onto, skip=skip)
        if go_on or skip
        else _carried(project, cache, slug, onto, (version, port, mbox), base, export=export)
    )
    if as_json:
        print_json(found)
    else:
        _show(found)
    code = max(one.exit_code for one in found)
    if code:
        raise click.exceptions.Exit(code)


def _require_one_way(*flags: bool) -> None:
    if sum(flags) > 1:
        raise InputError(
            "given together", where="--continue, --skip, --abort", expected="one of them at most"
        )


def _gone_on(
    project: Project, cache: Cache, slug: str, onto: tuple[str, ...], *, skip: bool
) -> "Sequence[Rebased]":
    from harness.series.rebase import rebase as stage
    from harness.series.rebase import state

    name = state.chosen(cache, slug, onto)
    with watching() as listen:
        return [stage.go_on(project, cache, slug, name, listen, skip=skip)]


def _carried(
    project: Project,
    cache: Cache,
    slug: str,
    onto: tuple[str, ...],
    chosen: tuple[int | None, str | None, Path | None],
    base: str | None,
    *,
    export: bool,
) -> "Sequence[Rebased]":
    from harness.series.rebase import rebase as stage

    if not onto:
        raise InputError("is missing", where="--onto", expected="a tree or a release's tag")
    source = chosen_source(*chosen)
    wanted = [stage.RebaseRequest(slug, name, source, base, export) for name in dict.fromkeys(onto)]
    with watching() as listen:
        return stage.all_onto(project, cache, wanted, listen)


def _show(found: "Sequence[Rebased]") -> None:
    from rich.console import Console

    from harness.report.terminal import rebase as carried

    console = Console(highlight=False)
    console.print(carried.table(found))
    for one in found:
        for line in carried.lines(one):
            console.print(printable(line), markup=False, soft_wrap=True)
