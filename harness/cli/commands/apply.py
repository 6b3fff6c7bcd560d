# SPDX-License-Identifier: GPL-2.0-only
"""`harness apply`."""

from typing import TYPE_CHECKING

import click

from harness.cli import printable
from harness.cli.options import chosen_cache, chosen_project, json_option, on_base, print_json
from harness.cli.progress import watching

if TYPE_CHECKING:
    from harness.series.source import Source


@click.command()
@on_base
@json_option
def apply(
    slug: str,
    tree: str,
    source: "Source | None",
    as_json: bool,
) -> None:
    """Apply WHAT in a private worktree and tag base, every prefix and tip in the cache.

    The base is the tree's commit, never one that b4 guesses. If a patch does not apply, prints its
    file, hunk and rejected text, leaves nothing behind and exits with 3.

    \b
    Examples:
      harness apply                                  our port, on v7.2
      harness apply memcpy-streaming --base v7.3
      harness apply my-series.mbox
      harness apply memcpy-streaming@v2              as posted, fetched from the archive
    """
    from harness.series import apply as stage
    from harness.series.mails.attestation import NONE

    project, cache = chosen_project(), chosen_cache()
    with watching() as listen:
        _, applied = stage.on_tree(project, cache, slug, tree, source, listen)
    if as_json:
        print_json(applied)
        return
    signed = set(applied.attestation) - {NONE}
    click.echo(f"base  {applied.base[:12]}  v{applied.release}")
    for patch in applied.patches:
        click.echo(printable(f"{patch.number:4}  {patch.commit[:12]}  {patch.subject}"))
        if signed:
            click.echo(printable(f"      signature {applied.attestation[patch.number - 1]}"))
    if not applied.attestation:
        click.echo("signatures not checked: only b4 does, for a series that it fetches")
    elif not signed:
        click.echo("no patch has a signature")
    click.echo(f"tags  {applied.tags}/… in {cache.repository}")
