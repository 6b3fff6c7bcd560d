# SPDX-License-Identifier: GPL-2.0-only
"""`harness series`."""

import click

from harness.cli import printable
from harness.cli.commands.series_import import import_claims
from harness.cli.options import json_option, print_json, series_argument
from harness.cli.progress import watching
from harness.host.cache import Cache
from harness.project.project import Project


@click.group(short_help="List, show, fetch and import the series on trial.")
def series() -> None:
    """Series on trial, as series/ describes them."""


@series.command("list", short_help="List the series on trial.")
@json_option
def list_series(*, as_json: bool) -> None:
    """List what series/ holds.

    \b
    Examples:
      harness series list
      harness series list --json
    """
    project = Project.find()
    found = [project.series(slug) for slug in project.slugs()]
    if as_json:
        print_json(found)
        return
    for one in found:
        click.echo(printable(f"{one.slug}  {one.title}"))


@series.command(short_help="Show what was posted and which ports there are.")
@series_argument
@json_option
def show(slug: str, *, as_json: bool) -> None:
    """Show the posted versions of SERIES, which of them are fetched, and our ports.

    \b
    Examples:
      harness series show
      harness series show memcpy-streaming --json
    """
    from harness.series import lore

    project, cache = Project.find(), Cache.default()
    found = project.series(slug)
    if as_json:
        print_json(found)
        return
    click.echo(printable(found.title))
    for one in found.versions:
        kept = lore.noted(lore.place(cache, slug, one.version), one.cover)
        state = f"fetched, sha256 {kept.sha256[:12]}" if kept else one.cover or "message-id unknown"
        date = str(one.date or "date unknown")
        patches = f"{one.patches} patches " if one.patches else ""
        line = f"v{one.version}  {date}  {patches}on {one.base:9}  {state}"
        click.echo(printable(line))
    for port in found.ports:
        click.echo(printable(f"port {port}  implements v{found.port_of}"))


@series.command(short_help="Fetch a posted version from the mailing list's archive.")
@series_argument
@click.option("--version", type=int, required=True, metavar="N", help="Posted version to fetch.")
@json_option
def fetch(slug: str, version: int, *, as_json: bool) -> None:
    """Fetch posted version N of SERIES with b4, by message-id; once there, it costs nothing.

    \b
    Examples:
      harness series fetch memcpy-streaming --version 2
    """
    from harness.series import lore

    project, cache = Project.find(), Cache.default()
    with watching() as listen:
        path = lore.fetch(project, cache, slug, version, listen)
    if as_json:
        print_json({"mbox": str(path), "fetched": lore.noted(path)})
        return
    click.echo(printable(str(path)))


series.add_command(import_claims)
