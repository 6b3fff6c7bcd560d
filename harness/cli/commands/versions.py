# SPDX-License-Identifier: GPL-2.0-only
"""`harness versions`."""

from typing import TYPE_CHECKING

import click

from harness.cli import printable
from harness.cli.options import DEFAULT_SERIES, json_option, print_json
from harness.cli.progress import watching
from harness.host.cache import Cache
from harness.project.project import Project

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.project.claim import Claim
    from harness.series.source import Source


@click.command()
@click.argument("old", metavar="A")
@click.argument("new", metavar="B")
@click.option("--series", "slug", default=DEFAULT_SERIES, show_default=True, metavar="SERIES")
@click.option("--diff", "whole", is_flag=True, help="Show the differences of changed patches.")
@json_option
def versions(old: str, new: str, slug: str, whole: bool, as_json: bool) -> None:
    """Compare version B of a series with version A.

    A and B are posted versions (v4), ports (v7.2) or files of mails (FILE, or FILE@v4 to choose one
    of several). Uses git range-diff; the trees they were made for are not needed. Prints which
    patches, names and claimed figures changed, and whether an earlier Tested-by, Reviewed-by or
    Acked-by still applies: it does if the patch still does the same.

    \b
    Examples:
      harness versions v7.2 v7.3               two of our ports
      harness versions v4 v5 --diff            posted versions, fetched from lore
      harness versions v7.2 thread.mbox@v2     a port against what was posted
      harness versions old.mbox new.mbox --json
    """
    from harness.judge.runs import versions as analysis
    from harness.report.terminal import versions as report
    from harness.series import versions as stage

    project = Project.find()
    before, after = (stage.named(project, slug, name) for name in (old, new))
    with watching() as listen:
        found = stage.compare(project, Cache.default(), slug, before, after, listen)
    renamed = analysis.renames(
        found.pairs, analysis.words(found.old.added), analysis.words(found.new.added)
    )
    became = analysis.became(found.pairs, renamed)
    claims = [
        _claims(project, slug, source, build.number)
        for source, build in ((before, found.old), (after, found.new))
    ]
    summary = report.VersionsSummary(
        old=found.old.label,
        new=found.new.label,
        became=became,
        renames=renamed,
        vouched=analysis.vouched(became, found.old.trailers, found.new.trailers),
        moved=analysis.moved(claims[0], claims[1], became),
    )
    if as_json:
        print_json(report.document(summary))
        return
    for line in report.lines(summary, whole=whole):
        click.echo(printable(line))


def _claims(project: Project, slug: str, source: "Source", number: int) -> "Sequence[Claim]":
    """Return a version's claims, from its own mails or else from series.yaml."""
    from harness.claims.claims import UserAnswers, read_posting
    from harness.series.source import Mbox

    if isinstance(source, Mbox):
        posting = read_posting(source.path.read_bytes(), UserAnswers(version=number))
        if posting.claims and posting.fatal is None:
            return posting.claims
    return [claim for claim in project.claims(slug) if claim.version == number]
