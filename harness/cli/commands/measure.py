# SPDX-License-Identifier: GPL-2.0-only
"""`harness measure` and `harness reproduce`: boot base and tip; reproduce also judges."""

from typing import TYPE_CHECKING, NamedTuple

import click

from harness.cli.engine_option import EngineChoice, engine, engine_options
from harness.cli.options import (
    KernelOptions,
    adding,
    as_one,
    choice_options,
    chosen_cache,
    chosen_project,
    claim_options,
    follow_up_option,
    json_option,
    kernel_options,
    prefix_option,
    print_json,
    require_options,
)
from harness.cli.runs import claims_for, concluded, show
from harness.errors import EXIT_VERDICT, InputError
from harness.project.project import Project

if TYPE_CHECKING:
    from harness.claims.letter import RunStatement
    from harness.guest.accelerator import BootChoice
    from harness.judge.exit_code import Required
    from harness.record.record import BootRun


class BootOptions(NamedTuple):
    """The options of `harness measure` and `harness reproduce`."""

    kernels: KernelOptions
    prefix: int | None
    choice: "BootChoice"
    workers: EngineChoice
    keep_images: bool
    claims: "RunStatement"
    as_json: bool
    each_patch: bool = False
    follow_up: bool = False
    require: "Required | None" = None


boot_options = adding(
    kernel_options,
    prefix_option,
    choice_options,
    engine_options,
    click.option(
        "--keep-images",
        is_flag=True,
        help="Store the NVDIMMs' backing files, with the guest's struct pages, beside the record.",
    ),
    claim_options,
    json_option,
)


def _measured(project: Project, options: BootOptions) -> "BootRun":
    from harness.jobs.per_patch import reproduce_each_patch
    from harness.jobs.reproduce import ReproduceRequest, reproduce

    if options.follow_up and not options.each_patch:
        raise InputError(
            "given without --each-patch", where="--follow-up", expected="both, or neither"
        )
    cache = chosen_cache()
    request = ReproduceRequest(
        **options.kernels._asdict(),
        prefix=options.prefix,
        choice=options.choice,
        keep_images=options.keep_images,
        follow_up=options.follow_up,
        claims=claims_for(project, cache, options.kernels, options.claims),
    )
    with engine(project, cache, options.workers) as (runs, notify):
        run = reproduce_each_patch if options.each_patch else reproduce
        return run(runs, project, cache, request, notify)


@click.command()
@boot_options
@as_one(BootOptions)
def measure(options: BootOptions) -> None:
    """Boot base and tip of WHAT on the plan's guest, time rebinds of the drivers, store the run.

    Judges nothing; `harness report` does that from the record alone. Exits with 1 if the run is not
    complete, because the builds left different struct pages, for example.

    \b
    Examples:
      harness measure --plan quick
      harness measure --plan quick --prefix 3        base against the first three patches
    """
    from harness.record import store

    project = chosen_project()
    record = _measured(project, options)
    if options.as_json:
        print_json(record)
    else:
        click.echo(store.folder_of(project.results, record) / store.FILE)
    if record.outcome != "complete":
        raise click.exceptions.Exit(EXIT_VERDICT)


@click.command()
@boot_options
@click.option(
    "--each-patch",
    is_flag=True,
    help="Build, boot and measure every prefix, patch by patch.",
)
@follow_up_option
@require_options
@as_one(BootOptions)
def reproduce(options: BootOptions) -> None:
    """Repeat the measurement that the cover letter of WHAT describes, and judge its claims.

    Fetches the tree, applies the series, builds base and tip, boots both under virtme-ng
    with emulated namespaces, rebinds nd_pmem and dax_pmem, and compares. Continues an interrupted
    run. Without a working KVM the times are emulated: nothing is concluded about speed, and the
    exit code is 0 if everything ran.

    With --each-patch every prefix must build without new compiler warnings, boot, bind and leave
    base's struct pages; otherwise exits with 3 (does not build) or 1. Builds the kernels that are
    not cached, in the order that compiles least.

    \b
    Examples:
      harness reproduce                      100 GiB namespaces, 30 rebinds
      harness reproduce --plan quick --json  4 GiB, 5 rebinds, for programs
      harness reproduce --base v7.3
      harness reproduce --plan quick --each-patch    the effect of each patch
      harness reproduce my-series.mbox --claim 'nd_pmem=250.5->100.2ms,60%' --claim dax_pmem@2=20%
      harness reproduce --plan quick --each-patch --follow-up    and of our own on top
    """
    from harness.judge.exit_code import reproduce_exit_code

    project = chosen_project()
    record = _measured(project, options)
    found = concluded(project, record)
    show(project, found, as_json=options.as_json)
    if code := reproduce_exit_code(found, options.require):
        raise click.exceptions.Exit(code)
