# SPDX-License-Identifier: GPL-2.0-only
"""Finds the claims of a run: those of series.yaml, of the cover letter, or stated by the user."""

from collections.abc import Sequence

import msgspec

from harness.claims.letter import RunStatement, choose, read_letter
from harness.errors import InputError
from harness.events import Listener, Note, silent
from harness.host.cache import Cache
from harness.project.claim import Claim
from harness.project.project import Project
from harness.project.run_claims import RunClaims
from harness.project.series import Series
from harness.series import read
from harness.series.mails.messages import read_mails
from harness.series.read import SourceMails
from harness.series.source import (
    Merged,
    Port,
    Posted,
    RebasedSource,
    Source,
    Without,
    posted_version,
)

_WITHOUT_LETTER = Port | RebasedSource | Merged | Without


class ClaimsRequest(msgspec.Struct, frozen=True):
    """Whose claims are wanted: those of the patches of `source` (None: the port for the tree).

    A stated claim is about the guest and the rebinds of `plan`.
    """

    slug: str
    source: Source | None
    plan: str
    given: RunStatement = RunStatement()


def run_claims(
    project: Project, cache: Cache, wanted: ClaimsRequest, listen: Listener = silent
) -> RunClaims | None:
    """Return the claims of a run, and tell which they are; None if they are those of series.yaml.

    Raises HarnessError if the patches cannot be read, or a stated claim is about more of them.
    """
    source = wanted.source
    mails = None
    if source is not None and not isinstance(source, _WITHOUT_LETTER):
        project.measurable_series(wanted.slug)  # before anything is fetched
        mails = read.patches(project, cache, wanted.slug, source, listen)
    elif wanted.given == RunStatement():
        return None
    series, plan = project.series(wanted.slug), project.plan(wanted.plan)
    setting = (plan.guest, plan.rebinds)
    _require_metrics(wanted.given.stated, series)
    if mails:
        _require_patches(wanted.given.stated, len(mails.patches))
    number = _number(series, source, mails)
    kept = tuple(c for c in project.claims(wanted.slug) if c.version == number)
    raw, named = _letter(mails) if mails else (b"", "")
    letter = read_letter(raw, project.guests(), number or 0, series.workload) if raw else None
    chosen = choose(kept, letter, named, wanted.given, setting)
    for line in chosen.said:
        listen(Note(line))
    if chosen.own is None and mails and not isinstance(source, Posted):
        # Its record names another version: that of our ports.
        return RunClaims(f"series.yaml, v{number}", kept)
    return chosen.own


def _require_metrics(stated: Sequence[Claim], series: Series) -> None:
    """Raise InputError for a claim about a metric that the series' workload does not have."""
    known = series.measured.metrics
    for claim in stated:
        if claim.metric not in known:
            raise InputError(
                f"no metric {claim.metric}",
                where=claim.quotes[0],
                expected=f"{' or '.join(known)}: the workload is {series.workload}",
            )


def _require_patches(stated: Sequence[Claim], count: int) -> None:
    """Raise InputError for a claim about more patches than there are."""
    for claim in stated:
        if (claim.after_patch or 0) > count:
            raise InputError(
                f"no patch {claim.after_patch}",
                where=claim.quotes[0],
                expected=f"1 to {count}, or none for the whole series",
            )


def _number(series: Series, source: Source | None, mails: SourceMails | None) -> int | None:
    """Return the posted version whose claims series.yaml has; None for patches of none."""
    if mails is None or isinstance(source, Posted):
        number = posted_version(source)
        return series.port_of if number is None else number
    ids = {mails.message_id, *(() if not mails.cover else (_id(mails.cover),))} - {""}
    return next((v.version for v in series.versions if v.cover and v.cover in ids), None)


def _letter(mails: SourceMails) -> tuple[bytes, str]:
    """Return the mail that claims something for the whole series, and what to call it."""
    if mails.cover:
        return mails.cover, _called("the cover letter", _id(mails.cover))
    if len(mails.patches) == 1:
        return mails.patches[0].raw, _called("the patch", mails.patches[0].message_id)
    return b"", f"{mails.label} has no cover letter"


def _called(what: str, message_id: str) -> str:
    return f"{what} <{message_id}>" if message_id else what


def _id(raw: bytes) -> str:
    return read_mails(raw)[0].message_id or ""
