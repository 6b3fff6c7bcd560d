# SPDX-License-Identifier: GPL-2.0-only
"""`harness verify`: whether base and tip left the same struct pages in the guest."""

from typing import TYPE_CHECKING

import click

from harness.cli.options import json_option, print_json
from harness.cli.progress import watching
from harness.errors import EXIT_VERDICT
from harness.host.cache import Cache
from harness.project.project import Project
from harness.record import store
from harness.record.find import find_run

if TYPE_CHECKING:
    from harness.memmap.compare import Verified


@click.command()
@click.argument("run", required=False, metavar="[RUN]")
@json_option
def verify(run: str | None, as_json: bool) -> None:
    """Compare the struct pages of RUN's boots with base's, pointers by what they point to.

    RUN is a run id, a run's folder or its record.json (default: the newest run that booted). If a
    page differs, prints the members of struct page that do and exits with 1.

    \b
    Examples:
      harness verify
      harness verify 20260101T120000-abcdef --json
    """
    from harness.jobs.verify import verify_run

    project = Project.find()
    record = store.load_boots(find_run(project.results, run, booted=True))
    with watching() as listen:
        found = verify_run(project, Cache.default(), record, listen)
    if as_json:
        print_json([{"ok": v.ok, "verified": v} for v in found])
    else:
        for v in found:
            _show(v)
    if not all(v.ok for v in found):
        raise click.exceptions.Exit(EXIT_VERDICT)


def _show(v: "Verified") -> None:
    title = f"{v.build} boot {v.number}, {v.metric}"
    if v.problem:
        click.echo(f"{title}: {v.problem}")
        return
    click.echo(f"{title}: {v.compared} struct pages compared with base, {v.equal} equal")
    for page in v.first:
        click.echo(f"  page {page.page}: {', '.join(page.fields)}")
        click.echo(f"    base {page.base}")
        click.echo(f"    here {page.tip}")
