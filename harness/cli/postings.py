# SPDX-License-Identifier: GPL-2.0-only
"""Mails that a user names, and their claims: for `series import` and `audit`."""

import functools
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli import printable
from harness.cli.options import F, adding
from harness.cli.progress import watching
from harness.errors import InputError

if TYPE_CHECKING:
    from harness.claims.claims import Posting, UserAnswers

#: The limit of `harness apply`.
MAX_BYTES = 64 << 20
#: Problems printed; --json has all.
MAX_SHOWN = 30
_LINES = re.compile(r"([1-9]\d{0,8})-([1-9]\d{0,8})")


def read_mails(file: str) -> bytes:
    """Return the content of a file, of standard input for `-`, or of a posted series' mails.

    Raises InputError; MachineError if the mails cannot be fetched.
    """
    if is_posted(file):
        return _fetched(file)
    try:
        if file == "-":
            raw = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with Path(file).open("rb") as handle:
                raw = handle.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=file) from error
    if len(raw) > MAX_BYTES:
        raise InputError("is over 64 MiB", where=file, expected="a mail, an mbox, or a page")
    return raw


def is_posted(text: str) -> bool:
    """Return whether a text is a message-id, the URL of a mail, or SLUG@VERSION, and no file."""
    from harness.series.mails.archive_url import parse_link
    from harness.series.mails.messages import is_message_id

    named = parse_link(text) is not None or is_message_id(text.removeprefix("<").removesuffix(">"))
    return named and not Path(text).exists()


def _fetched(text: str) -> bytes:
    """Return the cover letter and the patches of a posted series."""
    from harness.host.cache import Cache
    from harness.project.project import Project
    from harness.series import read
    from harness.series.source import MailChoice
    from harness.series.what import mails_of

    project, cache = Project.find(), Cache.default()
    slug, source = mails_of(project, cache, text, MailChoice())
    with watching() as listen:
        found = read.patches(project, cache, slug, source, listen)
    return b"".join((found.cover, *(patch.raw for patch in found.patches)))


def mail_options(command: F) -> F:
    """Add --version, --patch, --rebinds and --lines; the command takes them as `answers`."""

    @functools.wraps(command)
    def collected(
        *args: Any,
        version: int | None,
        patch: int | None,
        rebinds: int | None,
        lines: str | None,
        **given: Any,
    ) -> Any:
        from harness.claims.claims import UserAnswers

        answers = UserAnswers(version, patch, rebinds, _line_range(lines))
        return command(*args, answers=answers, **given)

    decorate = adding(
        click.option(
            "--version",
            type=click.IntRange(1),
            metavar="N",
            help="Posted version that the mail belongs to.",
        ),
        click.option(
            "--patch",
            type=click.IntRange(0),
            metavar="K",
            help="Number of the patch in its series (0: cover letter), if the mail has no headers.",
        ),
        click.option(
            "--rebinds",
            type=click.IntRange(1),
            metavar="N",
            help="Rebinds per driver that the author measured.",
        ),
        click.option("--lines", metavar="A-B", help="Read only these lines of the file."),
    )
    return decorate(collected)  # type: ignore[return-value]


def _line_range(lines: str | None) -> tuple[int, int] | None:
    if lines is None:
        return None
    match = _LINES.fullmatch(lines)
    if match is None or int(match[1]) > int(match[2]):
        raise InputError(
            f"{lines!r} is not a range of lines", where="--lines", expected="A-B, like 30-60"
        )
    return int(match[1]), int(match[2])


def posting_of(raw: bytes, file: str, answers: "UserAnswers") -> "Posting":
    """Return the claims of mails. Raises InputError with the line that makes them unusable."""
    from harness.claims.claims import read_posting

    posting = read_posting(raw, answers)
    if posting.fatal is not None:
        open_ = [f"line {p.line}: {p.what}" for p in posting.problems if not p.fatal][:MAX_SHOWN]
        raise InputError(
            posting.fatal.what,
            where=f"{file}:{posting.fatal.line}",
            hint="read only a part with --lines A-B" if posting.fatal.line > 1 else None,
            detail="\n".join(open_) or None,
        )
    return posting


def show_problems(posting: "Posting", file: str) -> None:
    """Print the lines with figures that were not understood, on standard error."""
    for problem in posting.problems[:MAX_SHOWN]:
        click.echo(printable(f"{file}:{problem.line}: {problem.what}"), err=True)
        if problem.text:
            click.echo(printable(f"  | {problem.text.strip()[:200]}"), err=True)
    more = len(posting.problems) - MAX_SHOWN
    if more > 0:
        click.echo(f"and {more} more lines that were not understood", err=True)


def patch_name(after_patch: int | None) -> str:
    """Return how to call the part of a series that a claim is about."""
    return "whole series" if after_patch is None else f"patch {after_patch}"
