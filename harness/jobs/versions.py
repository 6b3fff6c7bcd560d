# SPDX-License-Identifier: GPL-2.0-only
"""Compares two versions of a series: patches, names, trailers and claims."""

from collections.abc import Sequence

from harness.claims.claims import UserAnswers, read_posting
from harness.events import Listener, silent
from harness.host.cache import Cache
from harness.judge.runs import versions as analysis
from harness.project.claim import Claim
from harness.project.project import Project
from harness.report.terminal.versions import VersionsSummary
from harness.series import read, versions
from harness.series.mails import b4
from harness.series.source import Port, Posted, Source


def compare_versions(
    project: Project, cache: Cache, slug: str, names: tuple[str, str], listen: Listener = silent
) -> VersionsSummary:
    """Return what changed from the first named version to the second. Raises InputError."""
    before, after = (versions.named(project, cache, slug, name) for name in names)
    found = versions.compare(project, cache, slug, before, after, listen)
    renames = analysis.renames(
        found.pairs, analysis.words(found.old.added), analysis.words(found.new.added)
    )
    became = analysis.became(found.pairs, renames)
    old_claims = _claims(project, cache, slug, before, found.old.number)
    new_claims = _claims(project, cache, slug, after, found.new.number)
    return VersionsSummary(
        old=found.old.label,
        new=found.new.label,
        became=became,
        renames=renames,
        vouched=analysis.vouched(became, found.old.trailers, found.new.trailers),
        moved=analysis.moved(old_claims, new_claims, became),
    )


def _claims(
    project: Project, cache: Cache, slug: str, source: Source, number: int
) -> Sequence[Claim]:
    """Return a version's claims, from its own mails or else from series.yaml."""
    if not isinstance(source, Port | Posted):
        found = read.patches(project, cache, slug, source)
        letters = [raw for raw in (found.cover, *(patch.raw for patch in found.patches)) if raw]
        posting = read_posting(b4.mbox(letters), UserAnswers(version=number))
        if posting.claims and posting.fatal is None:
            return posting.claims
    return [claim for claim in project.claims(slug) if claim.version == number]
