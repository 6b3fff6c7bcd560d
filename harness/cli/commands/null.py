# SPDX-License-Identifier: GPL-2.0-only
"""`harness null`: base against itself, to measure the noise floor."""

from typing import TYPE_CHECKING, NamedTuple

import click

from harness.cli.engine_option import EngineChoice, engine, engine_options
from harness.cli.options import (
    KernelOptions,
    as_one,
    choice_options,
    chosen_cache,
    chosen_project,
    json_option,
    kernel_options,
    print_json,
)
from harness.cli.progress import watching
from harness.cli.replay_options import ROUNDS, schedule_of
from harness.errors import InputError
from harness.project.project import Project
from harness.record import store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.guest.accelerator import BootChoice
    from harness.judge.ratios.ratios import Effect
    from harness.record.record import BootRun, ReplayRun


class NullOptions(NamedTuple):
    """The options of `harness null`."""

    kernels: KernelOptions
    choice: "BootChoice"
    workers: EngineChoice
    replayed: bool
    size: str
    rounds: int
    as_json: bool


@click.command()
@kernel_options
@choice_options
@engine_options
@click.option("--replay", "replayed", is_flag=True, help="Measure by a replay instead of boots.")
@click.option(
    "--size",
    default="100G",
    show_default=True,
    metavar="S",
    help="With --replay: size of the namespaces.",
)
@click.option(
    "--rounds",
    default=ROUNDS,
    show_default=True,
    type=click.IntRange(3, 1000),
    help="With --replay: rounds, each with a new process per build.",
)
@json_option
@as_one(NullOptions)
def null(options: NullOptions) -> None:
    """Measure the base of WHAT twice under two names; any difference found is noise.

    One sound comparison in twenty finds a difference by chance. No claim of a run is decided while
    the newest null run of the same set-up finds one. Exits with 1 if it does, or if the run is too
    short to say.

    \b
    Examples:
      harness null                       like `harness reproduce`
      harness null --plan quick
      harness null --replay              without a boot, in half a minute
    """
    from harness.judge.exit_code import null_exit_code
    from harness.judge.ratios.ratios import clock, effects
    from harness.judge.runs.null_runs import read
    from harness.judge.tabulate import tabulate

    project = chosen_project()
    record: BootRun | ReplayRun
    record = _replayed(project, options) if options.replayed else _booted(project, options)
    seen = read(record)
    path = store.folder_of(project.results, record) / store.FILE
    found = [e for e in effects(tabulate(record)) if e.cost_unit == clock(record, e.kind)]
    if options.as_json:
        print_json({"record": str(path), "null": seen, "effects": found})
    else:
        _show(found)
        click.echo(f"record: {path}")
    if code := null_exit_code(seen):
        raise click.exceptions.Exit(code)


def _show(found: "Sequence[Effect]") -> None:
    for e in found:
        ratio = f"{e.kind} {e.op}: base against itself is {e.ratio:.3f}"
        if e.low is None or e.high is None:
            click.echo(f"{ratio}: {e.method}")
            continue
        click.echo(f"{ratio} (95 %: {e.low:.3f} to {e.high:.3f})")
        if e.op == "rebind":
            hidden = max(e.high / e.ratio, e.ratio / e.low) - 1
            what = "noise alone DIFFERS" if e.differs else "no difference, as expected"
            click.echo(f"  {what}; a difference below {hidden:.1%} would not be seen")


def _booted(project: Project, options: NullOptions) -> "BootRun":
    from harness.jobs.reproduce import ReproduceRequest, reproduce

    request = ReproduceRequest(**options.kernels._asdict(), choice=options.choice, null=True)
    cache = chosen_cache()
    with engine(project, cache, options.workers) as (runs, notify):
        return reproduce(runs, project, cache, request, notify)


def _replayed(project: Project, options: NullOptions) -> "ReplayRun":
    from harness.jobs.replay import time_base_twice
    from harness.replay.prepare import ReplayRequest

    if options.choice.accelerator != "auto":
        raise InputError("not for a replay", where="--accelerator", expected="no --replay")
    wanted = ReplayRequest(
        **options.kernels._asdict(),
        schedule=schedule_of(options.size, options.rounds),
        prefixes=(0,),
    )
    with watching() as listen:
        return time_base_twice(project, chosen_cache(), wanted, listen)
