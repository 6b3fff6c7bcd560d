# SPDX-License-Identifier: GPL-2.0-only
"""`harness tree`."""

import click

from harness.cli import printable
from harness.cli.options import DEFAULT_TREE, json_option, print_json
from harness.cli.progress import watching
from harness.host.cache import Cache
from harness.project.project import Project


@click.group()
def tree() -> None:
    """Fetch and list the kernel trees of configs/trees.yaml."""


@tree.command(short_help="Fetch a tree unless it is cached.")
@click.argument("name", metavar="[NAME]", default=DEFAULT_TREE)
@click.option("--refresh", is_flag=True, help="Look for a newer release.")
@json_option
def fetch(name: str, *, refresh: bool, as_json: bool) -> None:
    """Fetch tree NAME (default: v7.2) into the cache as one commit, tagged with its release.

    A cached tree is not fetched again unless --refresh is given.

    \b
    Examples:
      harness tree fetch                newest 7.2.x from Debian's archive
      harness tree fetch v7.3
      harness tree fetch v7.2.12        this release, if Debian has it
      harness tree fetch ~/linux@v7.3   a revision of a clone
      harness tree fetch mine@v7.3-rc2  a tag of the git tree `mine`
      harness tree fetch mm-unstable --refresh
    """
    from harness.trees import tree as stage

    with watching() as listen:
        found = stage.fetch(Project.find(), Cache.default(), name, listen, refresh=refresh)
    if as_json:
        print_json(found)
        return
    click.echo(printable(f"{found.name}  v{found.release}  {found.commit[:12]}  {found.source}"))


@tree.command("list", short_help="List the trees, and which are cached.")
@json_option
def list_trees(*, as_json: bool) -> None:
    """List the trees of configs/trees.yaml and those in the cache.

    \b
    Examples:
      harness tree list
      harness tree list --json
    """
    from harness.trees import tree as stage

    rows = stage.listing(Project.find(), Cache.default())
    if as_json:
        print_json(rows)
        return
    width = max((len(row.name) for row in rows), default=0)
    for row in rows:
        commit = f"v{row.release:<9} {row.commit[:12]}  {row.source}" if row.commit else ""
        click.echo(printable(f"{row.name:<{width}}  {row.provider:13}  {row.state:7}  {commit}"))
