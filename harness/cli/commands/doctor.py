# SPDX-License-Identifier: GPL-2.0-only
"""`harness doctor`: whether this machine can run a plan, one line per check."""

import click

from harness.cli import printable
from harness.cli.options import json_option, plan_option, print_json
from harness.doctor.diagnosis import Diagnosis
from harness.errors import MachineError
from harness.events import Began, Event
from harness.host.cache import Cache
from harness.project.project import Project

COLOURS = {"ok": "green", "warning": "yellow", "missing": "red"}


@click.command()
@plan_option
@json_option
def doctor(plan: str, as_json: bool) -> None:
    """Check this machine for a plan: tools, disk, memory, processor, load, sandbox, accelerator.

    KVM counts as usable only if a kernel boots under it. A warning does not keep the plan from
    running; what is missing does, and the exit code is then 69.

    \b
    Examples:
      harness doctor                 for the plan reproduce
      harness doctor --plan quick
      harness doctor --json          for programs
    """
    from harness.doctor.doctor import examine

    project = Project.find()
    wanted = project.plan(plan)
    guest = project.guest(wanted.guest)
    lines = []
    for line in examine(project, Cache.default(), wanted, guest, _tell):
        lines.append(line)
        if not as_json:
            _show(line)
    lacking = [line.name for line in lines if line.status == "missing"]
    if as_json:
        print_json({"plan": plan, "ok": not lacking, "checks": lines})
    if lacking:
        raise MachineError(
            f"plan {plan} cannot run here: {', '.join(lacking)} missing",
            hint="./bootstrap installs packages where it may; the lines above say the rest",
        )


def _tell(event: Event) -> None:
    # A bar would get in the way of the lines.
    if isinstance(event, Began):
        click.echo(f"{event.title} …", err=True)


def _show(line: Diagnosis) -> None:
    hint = f" -> {line.hint}" if line.hint else ""
    status = click.style(f"{line.status:8}", fg=COLOURS[line.status])
    click.echo(f"{status} {line.name:22} {printable(line.text + hint)}")
