# SPDX-License-Identifier: GPL-2.0-only
"""`harness series`."""

import click

from harness.cli import printable
from harness.cli.commands.series_import import import_claims
from harness.cli.options import json_option, print_json, series_argument
from harness.cli.progress import watching
from harness.host.cache import Cache
from harness.project.project import Project


@click.group()
def series() -> None:
    """List, show, fetch and import the patch series of series/."""


@series.command("list", short_help="List all series.")
@json_option
def list_series(*, as_json: bool) -> None:
    """List the series of series/.

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


@series.command(short_help="Show the posted versions and the ports.")
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
    found = project.require_series(slug)
    if as_json:
        print_json(found)
        return
    click.echo(printable(found.title))
    for one in found.versions:
        fetched = one.version and lore.noted(lore.place(cache, slug, one.version), one.cover or "")
        state = (
            f"fetched, sha256 {fetched.sha256[:12]}"
            if fetched
            else one.cover or "message-id unknown"
        )
        date = str(one.date or "date unknown")
        patches = f"{one.patches} patches " if one.patches else ""
        number = f"v{one.version}" if one.version else "v?"
        base = f"on {one.base:9}" if one.base else "base unknown"
        line = f"{number}  {date}  {patches}{base}  {state}"
        click.echo(printable(line + (f"  {one.copy}()" if one.copy else "")))
    for port in found.ports:
        own = f", {len(found.follow_up)} of our own with --follow-up" if found.follow_up else ""
        click.echo(printable(f"port {port}  implements v{found.port_of}{own}"))


@series.command(short_help="Fetch a posted version from lore.")
@series_argument
@click.option("--version", type=int, required=True, metavar="N", help="Posted version to fetch.")
@json_option
def fetch(slug: str, version: int, *, as_json: bool) -> None:
    """Fetch posted version N of SERIES with b4, by message-id, unless it is cached.

    \b
    Examples:
      harness series fetch memcpy-streaming --version 2
    """
    from harness.series import lore

    project, cache = Project.find(), Cache.default()
    with watching() as listen:
        path, note = lore.fetch(project, cache, slug, version, listen)
    if as_json:
        print_json({"mbox": str(path), "fetched": note})
        return
    click.echo(printable(str(path)))


series.add_command(import_claims)
