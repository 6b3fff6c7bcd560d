# SPDX-License-Identifier: GPL-2.0-only
"""`harness series`."""

import click

from harness.cli import printable
from harness.cli.commands.series_import import import_claims
from harness.cli.options import json_option, print_json, series_argument
from harness.cli.progress import watching
from harness.host.cache import Cache
from harness.project.project import DEFAULT_SERIES, Project


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
    from harness.series.mails import archive

    project, cache = Project.find(), Cache.default()
    found = project.require_series(slug)
    if as_json:
        print_json(found)
        return
    click.echo(printable(found.title))
    for one in found.versions:
        fetched = one.cover and archive.noted(archive.place(cache, one.cover), one.cover)
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
        of = f"implements v{found.port_of}" if found.versions else "of no posted version"
        click.echo(printable(f"port {port}  {of}{own}"))


@series.command(short_help="Fetch a posted version, or any thread, anew.")
@click.argument("what", metavar="[WHAT]", default=DEFAULT_SERIES)
@click.option("--version", type=int, metavar="N", help="Posted version to fetch.")
@click.option("--archive", default="", metavar="URL", help="Fetch it from this public-inbox.")
@json_option
def fetch(what: str, version: int | None, archive: str, *, as_json: bool) -> None:
    """Fetch a thread with b4, also if it is cached, and print where its mbox is.

    WHAT is a series of series/ with a version, a message-id, or the URL of a mail. Other commands
    fetch what they need by themselves, once.

    \b
    Examples:
      harness series fetch memcpy-streaming@v2
      harness series fetch 20260521040124.10608-1-lizhe.67@bytedance.com
      harness series fetch https://lore.kernel.org/linux-mm/MESSAGE-ID/
    """
    from harness.series import read
    from harness.series.mails import archive as stage
    from harness.series.source import MailChoice
    from harness.series.what import mails_of

    project, cache = Project.find(), Cache.default()
    slug, source = mails_of(project, cache, what, MailChoice(version, archive))
    name = read.message_id(project, slug, source)
    with watching() as listen:
        thread = stage.fetch(cache, name, source.archive, again=True, listen=listen)
        found = read.patches(project, cache, slug, source, listen)
    if as_json:
        print_json(
            {
                "mbox": str(thread.path),
                "fetched": thread.note,
                "patches": [patch.message_id for patch in found.patches],
            }
        )
        return
    click.echo(printable(str(thread.path)))


series.add_command(import_claims)
