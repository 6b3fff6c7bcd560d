# SPDX-License-Identifier: GPL-2.0-only
"""Where a posting belongs: which series and version it is of, and what its file will say then."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from msgspec.structs import replace

from harness.claims.claims import Posting
from harness.claims.matching_guest import guests_of
from harness.claims.series_file import (
    Contradiction,
    Unmergeable,
    additions,
    merge,
    new_file,
    versions_like,
)
from harness.errors import InputError
from harness.project.claim import Claim
from harness.project.project import Project, claims_of, series_of
from harness.project.series import Version
from harness.project.yaml_file import YamlFile

T = TypeVar("T")

_SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


class UserInput(NamedTuple):
    """What the user says that the mails do not."""

    slug: str | None = None
    base: str | None = None
    guest: str | None = None
    title: str | None = None
    function: str | None = None
    object_: str | None = None


class Import(NamedTuple):
    """What there is to keep, and where. None is what neither mails, files nor user say."""

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
        """What has to be said before it can be kept, and by which option."""
        needs = {
            "the series (--slug S)": self.slug,
            "its version (--version N)": self.version,
            "its base (--base TAG)": self.base,
            "a guest like the author's (--guest G)": self.guest,
        }
        if self.path is not None and not self.path.exists():
            needs["the function on trial (--function F)"] = self.function
            needs["its object file (--object O)"] = self.object_
        return [what for what, value in needs.items() if value is None]


def find(project: Project, posting: Posting, said: UserInput) -> Import:
    """Work out where a posting belongs, from its message-ids, its words and its figures.

    Raises InputError for a name that is none, or not there.
    """
    slug = said.slug or _slug(project, posting)
    if slug is not None and not _SLUG.fullmatch(slug):
        raise InputError(
            f"{slug!r} is no name for a series",
            where="--slug",
            expected="lower-case letters, digits and dashes, like memcpy-streaming",
        )
    there = project.series(slug) if slug and slug in project.slugs() else None
    claims = project.claims(slug) if slug and there else ()
    alike = versions_like(posting, claims)
    version = posting.version or _only(alike)
    known = next((v for v in there.versions if v.version == version), None) if there else None
    guest = _guest(project, posting, said, [c for c in claims if c.version == version])
    objects = [source.removesuffix(".c") + ".o" for source in posting.sources]
    return Import(
        slug=slug,
        version=version,
        base=said.base or posting.procedure.base or (known.base if known else None),
        guest=guest,
        title=there.title if there else said.title or posting.title or slug or "",
        function=said.function or posting.procedure.function or _only(posting.functions),
        object_=said.object_ or _only(objects),
        claims=tuple(replace(c, version=version or 0, guest=guest or "") for c in posting.claims),
        known=known,
        path=project.series_file(slug) if slug else None,
    )


def texts(found: Import, posting: Posting, file: str) -> tuple[str | None, str | None]:
    """Return a series' file as it is (None: not there) and as it will be (None: something lacks).

    Raises InputError where the file says something else than the mails in `file`, naming both.
    """
    path = found.path
    before = path.read_bytes().decode() if path is not None and path.exists() else None
    if found.lacking() or path is None or not found.base or not found.version:
        return before, None
    entries = additions(posting, found.claims, found.base, found.known)
    if before is None:
        after = new_file(
            entries,
            title=found.title,
            function=found.function or "",
            object_=found.object_ or "",
            port_of=found.version,
        )
    else:
        try:
            after = merge(before, entries)
        except Contradiction as error:
            raise InputError(
                f"{error.key} is {error.there}, and {file} says {error.here}",
                where=f"{path}:{error.line}",
                hint="correct whichever is wrong",
            ) from error
        except Unmergeable as error:
            raise InputError(str(error), where=str(path), hint="add the claims by hand") from error
    merged = YamlFile(path, after)
    series_of(merged)
    claims_of(merged)
    return before, after


def _slug(project: Project, posting: Posting) -> str | None:
    """The one series that has the mails' message-id, or names their function, or their figures."""
    known = [project.series(slug) for slug in project.slugs()]
    ids = [s.slug for s in known if posting.cover in {v.cover for v in s.versions if v.cover}]
    named = [s.slug for s in known if s.function in posting.functions]
    alike = [s.slug for s in known if versions_like(posting, project.claims(s.slug))]
    return _only(ids) or _only(named) or _only(alike)


def _guest(
    project: Project, posting: Posting, said: UserInput, known: Sequence[Claim]
) -> str | None:
    """The guest that has the namespaces described: the version's own, or the only one."""
    if said.guest is not None:
        return project.guest(said.guest).name
    own = {claim.guest for claim in known}
    described = posting.procedure.namespaces
    fitting = [guest.name for guest in guests_of(described, project.guests())]
    candidates = [name for name in fitting if name in own] or fitting
    if not described:
        candidates = sorted(own)
    return _only(candidates)


def _only(found: Sequence[T]) -> T | None:
    return found[0] if len(found) == 1 else None
