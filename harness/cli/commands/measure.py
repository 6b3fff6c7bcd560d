# SPDX-License-Identifier: GPL-2.0-only
"""`harness measure`: boot base and tip, and judge nothing."""

from typing import TYPE_CHECKING, NamedTuple

import click
import msgspec

from harness.cli.engine_option import EngineChoice, engine, engine_options
from harness.cli.options import (
    KernelOptions,
    adding,
    as_one,
    choice_options,
    chosen_cache,
    chosen_project,
    claim_options,
    json_option,
    kernel_options,
    prefix_option,
    print_json,
)
from harness.cli.runs import claims_for
from harness.errors import EXIT_VERDICT, InputError

if TYPE_CHECKING:
    from harness.claims.letter import RunStatement
    from harness.guest.accelerator import BootChoice
    from harness.host.cache import Cache
    from harness.jobs.reproduce import ReproduceRequest
    from harness.judge.exit_code import Required
    from harness.measure.metal.address import Address
    from harness.measure.metal.run import OnServer
    from harness.project.project import Project
    from harness.project.run_claims import RunClaims


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
    fine_clock: bool = False
    follow_up: bool = False
    no_replay: bool = False
    no_boot: bool = False
    require: "Required | None" = None
    server: "Address | None" = None
    allow_virtual: bool = False
    dry_run: bool = False

    def request(self, claims: "RunClaims | None") -> "ReproduceRequest":
        """Return what the options ask for, judged by these claims. Raises InputError."""
        from harness.jobs.reproduce import ReproduceRequest

        if self.follow_up and not self.each_patch:
            raise InputError(
                "given without --each-patch", where="--follow-up", expected="both, or neither"
            )
        return ReproduceRequest(
            **self.kernels._asdict(),
            prefix=self.prefix,
            choice=self.choice,
            keep_images=self.keep_images,
            follow_up=self.follow_up,
            fine_clock=self.fine_clock,
            claims=claims,
        )


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
    click.option(
        "--fine-clock",
        is_flag=True,
        help="Boot each build once more, with probes, and compare two clocks.",
    ),
    claim_options,
    json_option,
)


def _where(options: BootOptions) -> "OnServer | None":
    """Return the server to measure on, None for guests. Raises InputError if options conflict."""
    from harness.guest.accelerator import DEFAULT_CHOICE
    from harness.measure.metal.one_boot import RESTART_S
    from harness.measure.metal.run import OnServer

    if options.server is None:
        for name, given in (
            ("--allow-virtual", options.allow_virtual),
            ("--dry-run", options.dry_run),
        ):
            if given:
                raise InputError("given without --on", where=name, expected="a server")
        return None
    choice = options.choice
    for name, given in (
        ("--keep-images", options.keep_images),
        ("--fine-clock", options.fine_clock),
        ("--scheduler", options.workers.scheduler is not None),
        ("--accelerator", choice.accelerator != DEFAULT_CHOICE.accelerator),
        ("--pin", choice.pin != DEFAULT_CHOICE.pin),
        ("--until", choice.until != DEFAULT_CHOICE.until),
    ):
        if given:
            raise InputError("not available on a server", where=name, expected="no --on")
    restart_s = RESTART_S * choice.patience
    return OnServer(options.server, virtual=options.allow_virtual, restart_s=restart_s)


def _show_steps(
    project: "Project", cache: "Cache", options: BootOptions, where: "OnServer"
) -> None:
    """Check the server, and print what a measurement would do there."""
    from harness.measure.metal import run as metal

    plan = project.plan(options.kernels.plan)
    workload = project.series(options.kernels.slug).measured
    found = metal.probe(cache, where, project.guest(plan.guest))
    for line in metal.shown(where, workload, found, plan, plan.boots.kvm):
        click.echo(line)


def _address(_context: click.Context, _option: click.Parameter, text: str | None) -> object:
    from harness.measure.metal import address

    try:
        return None if text is None else address.parse(text)
    except ValueError as error:
        raise InputError(str(error), where="--on") from error


@click.command()
@boot_options
@click.option(
    "--on",
    "server",
    callback=_address,
    metavar="ssh://root@HOST",
    help="Boot this physical machine instead of a guest, by kexec. It is restarted.",
)
@click.option(
    "--allow-virtual",
    is_flag=True,
    help="With --on: measure a virtual machine too. Its times decide no claim.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="With --on: check the server, and print every command that it would run.",
)
@as_one(BootOptions)
def measure(options: BootOptions) -> None:
    """Boot base and tip of WHAT on the plan's guest, time rebinds of the drivers, store the run.

    Judges nothing; `harness report` does that from the record alone. Exits with 1 if the run is not
    complete, because the builds left different struct pages, for example.

    \b
    Examples:
      harness measure --plan quick
      harness measure --plan quick --prefix 3        base against the first three patches
      harness measure --on ssh://root@lab7 --dry-run what would be done on that server
    """
    from harness.jobs.reproduce import reproduce
    from harness.record import store

    project, cache = chosen_project(), chosen_cache()
    where = _where(options)
    if options.dry_run and where is not None:
        _show_steps(project, cache, options, where)
        return
    request = options.request(claims_for(project, cache, options.kernels, options.claims))
    request = msgspec.structs.replace(request, where=where)
    with engine(project, cache, options.workers) as (runs, notify):
        record = reproduce(runs, project, cache, request, notify)
    if options.as_json:
        print_json(record)
    else:
        click.echo(store.folder_of(project.results, record) / store.FILE)
    if record.outcome != "complete":
        raise click.exceptions.Exit(EXIT_VERDICT)
