# SPDX-License-Identifier: GPL-2.0-only
"""Finds the series and version that a posting belongs to, and returns the new text of its file."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from msgspec.structs import replace

from harness.claims.claims import Posting
from harness.claims.procedure import NamespaceText
from harness.claims.series_file import NEW_FILE, Contradiction, Unmergeable, additions, merge
from harness.errors import InputError
from harness.host.units import parse_size
from harness.project.claim import Claim
from harness.project.guest import Guest
from harness.project.project import Project, claims_of, series_of
from harness.project.series import Version
from harness.project.yaml_file import YamlFile
from harness.workloads.zone_device.namespaces import Namespace

T = TypeVar("T")

_SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


class UserInput(NamedTuple):
    """What the user adds to the mails."""

    slug: str | None = None
    base: str | None = None
    guest: str | None = None
    title: str | None = None
    function: str | None = None
    object_: str | None = None


class Import(NamedTuple):
    """What to store, and where; None if neither the mails, the files nor the user say."""

    slug: str | None
    version: int | None
    base: str | None
    guest: str | None
    title: str
    function: str | None
    object_: str | None
    claims: tuple[Claim, ...]
    known: Version | None
    path: Path | None

    def lacking(self) -> list[str]:
        """Return what is missing before it can be stored, and the option for it."""
        needs = {
            "the series (--slug S)": self.slug,
            "its version (--version N)": self.version,
            "its base (--base TAG)": self.base,
            "a guest like the author's (--guest G)": self.guest,
        }
        if self.path is not None and not self.path.exists():
            needs["the changed function (--function F)"] = self.function
            needs["its object file (--object O)"] = self.object_
        return [what for what, value in needs.items() if value is None]


def find(project: Project, posting: Posting, given: UserInput) -> Import:
    """Return what to store for a posting, by its message-ids, functions and figures.

    Raises InputError for an invalid or unknown name.
    """
    slug = given.slug or _slug(project, posting)
    if slug is not None and not _SLUG.fullmatch(slug):
        raise InputError(
            f"{slug!r} is not a valid series name",
            where="--slug",
            expected="lower-case letters, digits and dashes, like memcpy-streaming",
        )
    existing = project.series(slug) if slug and slug in project.slugs() else None
    claims = project.claims(slug) if slug and existing else ()
    version = posting.version or _only(versions_like(posting, claims))
    known = next((v for v in existing.versions if v.version == version), None) if existing else None
    guest = _guest(project, posting, given, [c for c in claims if c.version == version])
    objects = [source.removesuffix(".c") + ".o" for source in posting.sources]
    return Import(
        slug=slug,
        version=version,
        base=given.base or posting.procedure.base or (known.base if known else None),
        guest=guest,
        title=existing.title if existing else given.title or posting.title or slug or "",
        function=given.function or posting.procedure.function or _only(posting.functions),
        object_=given.object_ or _only(objects),
        claims=tuple(on_guest(c, version or 0, guest) for c in posting.claims),
        known=known,
        path=project.series_file(slug) if slug else None,
    )


def on_guest(claim: Claim, version: int, guest: str | None) -> Claim:
    """Return a claim with its version and guest; a physical host has no guest."""
    return replace(claim, version=version, guest="" if claim.setup == "physical" else guest or "")


def texts(found: Import, posting: Posting, file: str) -> tuple[str | None, str | None]:
    """Return a series' file as it is (None: no file) and as it will be (None: not complete).

    Raises InputError if the series' file contradicts the mails in `file`.
    """
    path = found.path
    before = path.read_bytes().decode() if path is not None and path.exists() else None
    if found.lacking() or path is None or not found.base:
        return before, None
    entries = additions(posting, found.claims, found.base, found.known)
    if before is None:
        head = {"title": found.title, "function": found.function, "object": found.object_}
        after = merge(NEW_FILE, {**head, "port_of": found.version, **entries})
    else:
        try:
            after = merge(before, entries)
        except Contradiction as error:
            raise InputError(
                f"{error.key} is {error.there}, but {file} says {error.here}",
                where=f"{path}:{error.line}",
                hint="correct the wrong one",
            ) from error
        except Unmergeable as error:
            raise InputError(str(error), where=str(path), hint="add the claims by hand") from error
    merged = YamlFile(path, after)
    series_of(merged)
    claims_of(merged)
    return before, after


def _slug(project: Project, posting: Posting) -> str | None:
    """Return the only series with the mails' message-id, else function, else figures."""
    known = [project.series(slug) for slug in project.slugs()]
    ids = [s.slug for s in known if posting.cover in {v.cover for v in s.versions if v.cover}]
    named = [s.slug for s in known if s.function in posting.functions]
    alike = [s.slug for s in known if versions_like(posting, project.claims(s.slug))]
    return _only(ids) or _only(named) or _only(alike)


def _guest(
    project: Project, posting: Posting, given: UserInput, known: Sequence[Claim]
) -> str | None:
    """Return the guest with the described namespaces: of the version's claims, or the only one."""
    if given.guest is not None:
        return project.guest(given.guest).name
    own = {claim.guest for claim in known}
    described = posting.procedure.namespaces
    if not described:
        return _only(sorted(own))
    fitting = [guest.name for guest in matching_guests(described, project.guests())]
    return _only([name for name in fitting if name in own] or fitting)


def matching_guests(described: Sequence[NamespaceText], guests: Sequence[Guest]) -> list[Guest]:
    """Return the guests that have all described namespaces, and the fewest others."""
    fitting = [
        guest
        for guest in guests
        if all(any(_fits(d, n) for n in guest.namespaces) for d in described)
    ]
    fewest = min((len(guest.namespaces) for guest in fitting), default=0)
    return [guest for guest in fitting if len(guest.namespaces) == fewest]


def _fits(described: NamespaceText, namespace: Namespace) -> bool:
    return (
        described.mode == namespace.mode
        and parse_size(described.size) == namespace.size_bytes
        and described.map in (None, namespace.map)
        and (described.align is None or parse_size(described.align) == namespace.align_bytes)
    )


def versions_like(posting: Posting, known: Sequence[Claim]) -> list[int]:
    """Return the posted versions whose claims have all figures of a posting's claims."""
    return [
        version
        for version in sorted({claim.version for claim in known})
        if posting.claims
        and posting.version in (None, version)
        and all(
            any(_has_figures(existing, claim) for existing in known if existing.version == version)
            for claim in posting.claims
        )
    ]


def _has_figures(existing: Claim, claim: Claim) -> bool:
    builds = ((existing.base, claim.base), (existing.tip, claim.tip))
    return (
        (existing.metric, existing.after_patch, existing.setup)
        == (claim.metric, claim.after_patch, claim.setup)
        and claim.tip is not None
        and all(
            new is None or (old is not None and old.number == new.number) for old, new in builds
        )
    )


def _only(found: Sequence[T]) -> T | None:
    return found[0] if len(found) == 1 else None
