# SPDX-License-Identifier: GPL-2.0-only
"""`harness doctor`: whether this machine can run a plan, one line per check."""

import click

from harness.cli import printable
from harness.cli.options import json_option, plan_option, print_json
from harness.doctor.diagnosis import Diagnosis, missing, summary
from harness.errors import MachineError
from harness.events import Began, Event
from harness.host.cache import Cache
from harness.project.project import DEFAULT_SERIES, Project

COLOURS = {"ok": "green", "warning": "yellow", "missing": "red"}


@click.command()
@plan_option
@click.option("--fresh", is_flag=True, help="Prove KVM again: the result is kept for an hour.")
@json_option
def doctor(plan: str, fresh: bool, as_json: bool) -> None:
    """Check whether this machine can run a plan: tools, disk, memory, CPU, load, sandbox, KVM.

    The first line says whether a run here can decide the claims of the default series. KVM is
    usable only if a kernel boots under it. The plan runs in spite of warnings; if something is
    missing, exits with 69.

    \b
    Examples:
      harness doctor                 for the plan reproduce
      harness doctor --plan quick
      harness doctor --json          for programs
    """
    from harness.doctor.doctor import decides, examine

    project = Project.find()
    wanted = project.plan(plan)
    guest = project.guest(wanted.guest)
    found = list(examine(project, Cache.default(), wanted, guest, _show_step, fresh=fresh))
    answer, ok = summary(plan, found), not missing(found)
    decided = decides(project, DEFAULT_SERIES, found, guest)
    if as_json:
        said = {"decides": decided.decides, "because": decided.because}
        print_json({"plan": plan, "ok": ok, **said, "checks": found})
    else:
        click.echo(printable(str(decided)))
        click.echo(answer)
        for one in found:
            _show(one)
    if not ok:
        raise MachineError(answer, hint="run ./bootstrap to install packages; see the hints above")


def _show_step(event: Event) -> None:
    if isinstance(event, Began):
        click.echo(f"{event.title} …", err=True)


def _show(one: Diagnosis) -> None:
    hint = f"; hint: {one.hint}" if one.hint else ""
    status = click.style(f"{one.status:8}", fg=COLOURS[one.status])
    click.echo(f"{status} {one.name:22} {printable(one.text + hint)}")
