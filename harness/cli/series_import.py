# SPDX-License-Identifier: GPL-2.0-only
"""`harness series import`: what mails promise, into a series' file, once the user has seen it."""

import difflib
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from harness.cli import printable
from harness.cli.options import json_option, print_json
from harness.cli.postings import patch_name, posting_of, read_mails, show_problems
from harness.errors import InputError, MachineError
from harness.inputs import Project

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.model.claim import Claim, Figures
    from harness.model.series import Version
    from harness.parse.claims import Posting

_SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


class _Said(NamedTuple):
    """What the user says that the mails do not."""

    slug: str | None
    base: str | None
    guest: str | None
    title: str | None
    function: str | None
    object_: str | None


class _Found(NamedTuple):
    """What there is to keep and where; `lacking` says what has to be given first, and how."""

    slug: str | None
    version: int | None
    base: str | None
    guest: str | None
    title: str
    function: str | None
    object_: str | None
    claims: "tuple[Claim, ...]"
    known: "Version | None"
    path: Path | None

    def lacking(self) -> list[str]:
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


@click.command("import", short_help="Keep what a mail claims, with the lines that say so.")
@click.argument("file", metavar="FILE|-")
@click.option("--slug", metavar="S", help="Series it belongs to; a new one is made.")
@click.option("--version", type=click.IntRange(1), metavar="N", help="Posted version it is of.")
@click.option(
    "--patch",
    type=click.IntRange(0),
    metavar="K",
    help="Which patch of its series a page without headers is (0: the cover letter).",
)
@click.option("--base", metavar="TAG", help="Base it was made for.")
@click.option("--rebinds", type=click.IntRange(1), metavar="N", help="Rebinds a driver.")
@click.option("--guest", metavar="G", help="Guest in guests/ that matches the author's set-up.")
@click.option("--title", metavar="T", help="Title of a new series.")
@click.option("--function", metavar="F", help="Function on trial of a new series.")
@click.option("--object", "object_", metavar="O", help="Object file that has it: mm/mm_init.o.")
@click.option("--yes", is_flag=True, help="Keep it without asking.")
@click.option("--dry-run", is_flag=True, help="Only show what would be kept.")
@json_option
def import_claims(
    file: str,
    slug: str | None,
    version: int | None,
    patch: int | None,
    base: str | None,
    rebinds: int | None,
    guest: str | None,
    title: str | None,
    function: str | None,
    object_: str | None,
    yes: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Read the claims of a patch mail, an mbox or an archive's page, and keep them in series.yaml.

    Base, procedure, first bindings, averages and percentages are shown first; what cannot be
    understood is named by its line. What the file says already, comments and all, stays; a
    contradiction is refused. --json only shows, unless --yes is given.

    \b
    Examples:
      harness series import cover.mbox
      harness series import page.txt --version 2 --dry-run
      harness series import mails.mbox --slug my-series     a series that is new here
      harness series import - --yes < cover.mbox
    """
    posting = posting_of(read_mails(file), file, version=version, patch=patch, rebinds=rebinds)
    project = Project.find()
    found = _find(project, posting, _Said(slug, base, guest, title, function, object_))
    if not as_json:
        _show(found, posting)
    show_problems(posting, file)
    before, after = _texts(found, posting, file)
    if not as_json and after is not None:
        _show_changes(before, after, found.path)
    kept = _is_wanted(
        found, before, after, file, yes=yes, only_show=dry_run or (as_json and not yes)
    )
    if kept and after is not None and found.path is not None:
        _keep(found.path, before, after)
    if as_json:
        print_json(_document(found, posting, kept=kept))
    elif kept:
        click.echo(printable(f"kept in {found.path}"))


def _find(project: Project, posting: "Posting", said: _Said) -> _Found:
    """Work out which series and version the mails are of, and which guest they describe."""
    from msgspec.structs import replace

    from harness.parse.series_file import versions_like

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
    version = posting.version or (alike[0] if len(alike) == 1 else None)
    known = next((v for v in there.versions if v.version == version), None) if there else None
    guest = _guest(project, posting, said, [c for c in claims if c.version == version])
    objects = [source.removesuffix(".c") + ".o" for source in posting.sources]
    return _Found(
        slug=slug,
        version=version,
        base=said.base or posting.procedure.base or (known.base if known else None),
        guest=guest,
        title=there.title if there else said.title or posting.title or slug or "",
        function=said.function or posting.procedure.function,
        object_=said.object_ or (objects[0] if len(objects) == 1 else None),
        claims=tuple(replace(c, version=version or 0, guest=guest or "") for c in posting.claims),
        known=known,
        path=project.series_file(slug) if slug else None,
    )


def _slug(project: Project, posting: "Posting") -> str | None:
    """The one series that has the mails' message-id, or names their function, or their figures."""
    from harness.parse.series_file import versions_like

    known = [project.series(slug) for slug in project.slugs()]
    ids = [s.slug for s in known if posting.cover in {v.cover for v in s.versions if v.cover}]
    named = [s.slug for s in known if s.function in posting.functions]
    alike = [s.slug for s in known if versions_like(posting, project.claims(s.slug))]
    return next((slugs[0] for slugs in (ids, named, alike) if len(slugs) == 1), None)


def _guest(
    project: Project, posting: "Posting", said: _Said, known: "Sequence[Claim]"
) -> str | None:
    from harness.analysis.guest_of import guests_of

    if said.guest is not None:
        return project.guest(said.guest).name
    own = {claim.guest for claim in known}
    described = posting.procedure.namespaces
    fitting = [guest.name for guest in guests_of(described, project.guests())]
    candidates = [name for name in fitting if name in own] or fitting
    if not described:
        candidates = sorted(own)
    return candidates[0] if len(candidates) == 1 else None


def _texts(found: _Found, posting: "Posting", file: str) -> tuple[str | None, str | None]:
    """The series' file as it is (None: there is none) and as it will be (None: something lacks)."""
    from harness.inputs import claims_of, parse_yaml, series_of
    from harness.parse.series_file import IDENTITIES, additions, new_file
    from harness.parse.yaml_merge import Contradiction, Unmergeable, merge

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
            after = merge(before, entries, IDENTITIES)
        except Contradiction as error:
            raise InputError(
                f"{error.key} is {error.there}, and {file} says {error.here}",
                where=f"{path}:{error.line}",
                mend="correct whichever is wrong",
            ) from error
        except Unmergeable as error:
            raise InputError(str(error), where=str(path), mend="add the claims by hand") from error
    data = parse_yaml(after, path)
    series_of(data, path)
    claims_of(data, path)
    return before, after


def _is_wanted(
    found: _Found,
    before: str | None,
    after: str | None,
    file: str,
    *,
    yes: bool,
    only_show: bool,
) -> bool:
    """Whether to keep it: asked where there is somebody to ask. Raises InputError where not."""
    if only_show:
        return False
    if after is None:
        raise InputError(f"does not say {', '.join(found.lacking())}", where=file)
    if after == before:
        click.echo(printable(f"{found.path} says all this already"), err=True)
        return False
    if yes:
        return True
    if not sys.stdin.isatty():
        raise InputError(
            "nothing is kept: there is nobody to ask", where=file, mend="add --yes, or --dry-run"
        )
    return click.confirm("Keep this?", err=True)


def _keep(path: Path, before: str | None, after: str) -> None:
    from harness.records import replace_file

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        now = path.read_bytes().decode() if path.exists() else None
        if now != before:
            raise InputError("was changed meanwhile", where=str(path), mend="import again")
        replace_file(path.resolve(), after.encode())
    except OSError as error:
        raise MachineError(f"cannot be written: {error.strerror}", where=str(path)) from error


def _show(found: _Found, posting: "Posting") -> None:
    version = f"v{found.version}" if found.version else "version unknown"
    if found.version and not posting.version:
        version += " (it has that version's figures)"
    base = found.base or "base unknown"
    click.echo(printable(f"{found.slug or 'unknown series'} {version} on {base}: {found.title}"))
    spaces = [
        f"{n.mode} {n.size}"
        + (f" map={n.map}" if n.map else "")
        + (f" align={n.align}" if n.align else "")
        for n in posting.procedure.namespaces
    ]
    told = ", ".join([f"{found.claims[0].rebinds} rebinds", *spaces])
    click.echo(printable(f"{told} (guest {found.guest or 'unknown'})"))
    row = "{:<9} {:<13} {:>18} {:>18} {:>9}".format
    click.echo(row("driver", "after", "base: first, avg", "tip: first, avg", "claimed"))
    for claim in found.claims:
        percent = f"{claim.reduction} %" if claim.reduction else "-"
        sides = (_side(claim.base), _side(claim.tip))
        click.echo(row(claim.driver, patch_name(claim.after_patch), *sides, percent))


def _side(figures: "Figures | None") -> str:
    if figures is None:
        return "-"
    first = "-" if figures.first_ms is None else f"{figures.first_ms:g}"
    return f"{first}, {figures.mean}"


def _show_changes(before: str | None, after: str, path: Path | None) -> None:
    lines = difflib.unified_diff(
        (before or "").splitlines(), after.splitlines(), "there", str(path), n=1, lineterm=""
    )
    for line in lines:
        click.echo(printable(line))


def _document(found: _Found, posting: "Posting", *, kept: bool) -> dict[str, object]:
    procedure = posting.procedure
    return {
        "slug": found.slug,
        "version": found.version,
        "base": found.base,
        "title": found.title,
        "date": posting.date,
        "patches": posting.patches,
        "cover": posting.cover,
        "procedure": {
            "rebinds": found.claims[0].rebinds,
            "namespaces": procedure.namespaces,
            "hz": procedure.hz,
            "function": procedure.function,
            "guest": found.guest,
        },
        "claims": found.claims,
        "not_understood": posting.problems,
        "lacking": found.lacking(),
        "path": None if found.path is None else str(found.path),
        "kept": kept,
    }
