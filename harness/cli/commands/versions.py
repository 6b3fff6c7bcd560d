# SPDX-License-Identifier: GPL-2.0-only
"""`harness versions`."""

import click

from harness.cli import printable
from harness.cli.options import json_option, print_json
from harness.cli.progress import watching
from harness.host.cache import Cache
from harness.project.project import DEFAULT_SERIES, Project


@click.command()
@click.argument("old", metavar="A")
@click.argument("new", metavar="B")
@click.option("--series", "slug", default=DEFAULT_SERIES, show_default=True, metavar="SERIES")
@click.option("--diff", "whole", is_flag=True, help="Show the differences of changed patches.")
@json_option
def versions(old: str, new: str, slug: str, whole: bool, as_json: bool) -> None:
    """Compare version B of a series with version A.

    A and B are posted versions (v4), ports (v7.2), mails (a file, FILE@v4, a message-id), or
    branches of the kernel tree that you are in. Uses git range-diff; the trees they were made for
    are not needed. Prints which patches, names and claimed figures changed, and whether an earlier
    Tested-by, Reviewed-by or Acked-by still applies: it does if the patch still does the same.

    \b
    Examples:
      harness versions v7.2 v7.3               two of our ports
      harness versions v4 v5 --diff            posted versions, fetched from the archive
      harness versions v7.2 thread.mbox@v2     a port against what was posted
      harness versions v7.2 my-branch          a port against your branch
      harness versions old.mbox new.mbox --json
    """
    from harness.jobs.versions import compare_versions
    from harness.report.terminal import versions as view

    with watching() as listen:
        found = compare_versions(Project.find(), Cache.default(), slug, (old, new), listen)
    if as_json:
        print_json(view.document(found))
        return
    for line in view.lines(found, whole=whole):
        click.echo(printable(line))
