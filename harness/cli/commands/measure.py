# SPDX-License-Identifier: GPL-2.0-only
"""`harness measure` and `harness reproduce`: the same work, ending in samples or in verdicts."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.engine_option import EngineChoice, engine, engine_options
from harness.cli.options import (
    F,
    build_options,
    chosen_cache,
    chosen_source,
    json_option,
    plan_option,
    prefix_option,
    print_json,
    series_argument,
    source_options,
    tree_option,
)
from harness.cli.runs import concluded, show
from harness.errors import EXIT_VERDICT
from harness.project.project import Project

if TYPE_CHECKING:
    from harness.record.record import BootRun


accelerator_option = click.option(
    "--accelerator",
    type=click.Choice(["auto", "kvm", "tcg"]),
    default="auto",
    show_default=True,
    help="auto takes KVM only where it is proved to run this kernel.",
)


def run_options(command: F) -> F:
    """Add everything that says what is measured and how."""
    images_option = click.option(
        "--keep-images",
        is_flag=True,
        help="Leave the NVDIMMs' backing files, with the guest's struct pages, beside the record.",
    )
    for decorate in (
        json_option,
        images_option,
        engine_options,
        accelerator_option,
        build_options,
        prefix_option,
        plan_option,
        source_options,
        tree_option,
        series_argument,
    ):
        command = decorate(command)
    return command


def measured(
    project: Project,
    workers: EngineChoice,
    version: int | None,
    port: str | None,
    mbox: Path | None,
    *,
    each_patch: bool = False,
    **wanted: Any,
) -> "BootRun":
    """Measure what the options say and return the finished record."""
    from harness.jobs.per_patch import climb
    from harness.jobs.reproduce import ReproduceRequest, reproduce

    request = ReproduceRequest(source=chosen_source(version, port, mbox), **wanted)
    cache = chosen_cache()
    with engine(project, cache, workers) as (runs, hear):
        run = climb if each_patch else reproduce
        return run(runs, project, cache, request, hear)


@click.command(short_help="Boot base and tip and time their bindings.")
@run_options
def measure(as_json: bool, **wanted: Any) -> None:
    """Boot base and tip of SERIES on the plan's guest, rebind the drivers, keep a run record.

    Nothing is concluded of the times: `harness report` does that, from the record alone. Exits
    with 1 where the builds left different struct pages.

    \b
    Examples:
      harness measure --plan quick
      harness measure --plan quick --prefix 3        base against the first three patches
    """
    from harness.record import store

    project = Project.find()
    record = measured(project, **wanted)
    if as_json:
        print_json(record)
    else:
        click.echo(store.folder_of(project.results, record) / store.FILE)
    if record.outcome != "complete":
        raise click.exceptions.Exit(EXIT_VERDICT)


@click.command(short_help="Do it all: fetch, apply, build, boot, compare.")
@run_options
@click.option(
    "--each-patch",
    is_flag=True,
    help="The ladder: every prefix built, booted and measured, patch by patch.",
)
@click.option(
    "--require-verdict",
    is_flag=True,
    help="Exit with 1 unless every claim is reproduced (untested ones included).",
)
def reproduce(as_json: bool, require_verdict: bool, each_patch: bool, **wanted: Any) -> None:
    """Do what the cover letter of SERIES says was done, and say whether its figures hold.

    Fetches the tree, applies the series with b4, builds base and tip, boots both under virtme-ng
    with emulated namespaces, rebinds nd_pmem and dax_pmem, and compares. Interrupted, it goes on
    where it was. Without a KVM that is proved to work the times are emulated: then nothing is
    concluded about speed, and the exit code is 0 when everything ran.

    With --each-patch every prefix is a build: each must build, without new compiler warnings, boot,
    bind, and leave base's struct pages, or the exit code is 3 (does not build) or 1. Kernels are
    built in the order that compiles least; those that are kept are not built again.

    \b
    Examples:
      harness reproduce                      100 GiB namespaces, 30 rebinds
      harness reproduce --plan quick --json  4 GiB, 5 rebinds, for programs
      harness reproduce --tree v7.3
      harness reproduce --plan quick --each-patch    which patch does what
    """
    from harness.judge.exit_code import reproduce_exit_code

    project = Project.find()
    record = measured(project, each_patch=each_patch, **wanted)
    found = concluded(project, record)
    show(project, found, as_json=as_json)
    if code := reproduce_exit_code(found, require_verdict=require_verdict):
        raise click.exceptions.Exit(code)
