# SPDX-License-Identifier: GPL-2.0-only
"""`harness procedure`: the script that measures on a machine that is not ours."""

import click

from harness.cli.options import plan_option
from harness.project.project import Project


@click.command()
@plan_option
def procedure(plan: str) -> None:
    """Print a shell script that measures the running kernel of another machine.

    The script needs root, a POSIX shell (dash, bash, busybox) and a namespace in mode fsdax or
    devdax. It rebinds the namespaces that are named on its command line, as often as plan P says,
    and writes one log for `harness import-logs`. A namespace that holds data, is mounted or is in
    use is refused. Run it once per boot: three or more boots of base, and as many of the series.

    \b
    Examples:
      harness procedure >rebind.sh
      harness procedure --plan quick >rebind.sh
      sh rebind.sh                              (there) list the namespaces
      sh rebind.sh --dry-run namespace0.0       (there) say what would be done
      sh rebind.sh namespace0.0 namespace1.0    (there) measure, as root
    """
    from harness.guest import agent

    project = Project.find()
    chosen = project.plan(plan)
    script = agent.procedure(project.agent_folder, chosen, project.guest(chosen.guest))
    click.echo(script, nl=False)
