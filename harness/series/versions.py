# SPDX-License-Identifier: GPL-2.0-only
"""Compares two versions of a series with git range-diff.

Neither needs its base: the context in the patches is enough, so two files of mails are compared
without a tree and without network.
"""

import msgspec

from harness.errors import InputError
from harness.events import Began, Ended, Listener, silent
from harness.git import patches as git_patches
from harness.git.git import Git
from harness.git.range_diff import Pair, parse_range_diff
from harness.host.cache import Cache
from harness.host.processes.process import Deadline
from harness.project.project import Project
from harness.series import read, what
from harness.series.bases import base as origin
from harness.series.bases.base import SeriesCommits
from harness.series.mails.trailers import Trailer, trailers
from harness.series.source import Port, Posted, Source

COMPARE_S = 600


class SeriesVersion(msgspec.Struct, frozen=True):
    """One version: its label, its number (which selects its claims) and its patches.

    `added` are the lines that all patches add; `base` says which base it was compared on.
    """

    label: str
    number: int
    subjects: tuple[str, ...]
    added: tuple[str, ...]
    trailers: tuple[Trailer, ...]
    base: str


class ComparedVersions(msgspec.Struct, frozen=True):
    """Both versions, and range-diff's pairs of their patches."""

    old: SeriesVersion
    new: SeriesVersion
    pairs: tuple[Pair, ...]


def compare(
    project: Project,
    cache: Cache,
    slug: str,
    old: Source,
    new: Source,
    listen: Listener = silent,
) -> ComparedVersions:
    """Compare two versions. Raises InputError for an invalid series, MachineError."""
    versions = []
    for source in (old, new):
        listen(Began("read a version"))
        found = origin.find(project, cache, slug, source, listen)
        versions.append((found, _version(project, cache, slug, source, found)))
        listen(Ended(f"{found.source}: {len(found.commits)} patches, {found.note}"))
    (before, ours), (after, theirs) = versions
    git = Git(cache.repository, log=cache.log("versions"), deadline=Deadline(COMPARE_S))
    text = git_patches.range_diff(git, (before.base, before.tip), (after.base, after.tip))
    return ComparedVersions(ours, theirs, parse_range_diff(text))


def named(project: Project, cache: Cache, slug: str, text: str) -> Source:
    """Return the version that a user names: v4 or 4, a port's base, or any WHAT with patches.

    Raises InputError for anything else.
    """
    series = project.series(slug)
    number = text.removeprefix("v")
    if number.isdigit() and int(number) in [v.version for v in series.versions]:
        return Posted(int(number))
    if text in series.ports:
        return Port(text)
    try:
        given = what.understand(project, cache, text)
    except what.Unknown as error:
        posted = ", ".join(f"v{v.version}" for v in series.versions if v.version is not None)
        raise InputError(
            f"no version {text!r} of {slug}",
            where=f"series/{slug}/series.yaml",
            expected=f"one of {posted}, a port ({', '.join(series.ports)}), mails, a message-id, "
            "or a branch or range",
        ) from error
    if given.source is None or (isinstance(given.source, Port | Posted) and given.slug != slug):
        raise InputError(
            "is another series, not a version", where=text, expected=f"a version of {slug}"
        )
    return given.source


def _version(
    project: Project, cache: Cache, slug: str, source: Source, found: SeriesCommits
) -> SeriesVersion:
    given = read.patches(project, cache, slug, source)
    patches, label = given.patches, given.label
    number = patches[0].version
    if isinstance(source, Port):
        number = project.series(slug).port_of
    added = tuple(
        line[1:]
        for patch in patches
        for hunk in patch.hunks
        for line in hunk.lines
        if line.startswith("+")
    )
    mails = read.all_mails(project, cache, slug, source)
    return SeriesVersion(
        label=label,
        number=number,
        subjects=tuple(patch.subject for patch in patches),
        added=added,
        trailers=trailers(mails, patches[0].version),
        base=found.note,
    )
