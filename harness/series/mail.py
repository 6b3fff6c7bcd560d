# SPDX-License-Identifier: GPL-2.0-only
"""Parses the mails of a series into numbered patches, and refuses damaged ones. Pure."""

import re
from collections.abc import Sequence

import msgspec

from harness.git.diff import DiffError, Hunk, parse_diff, preimages
from harness.series.messages import MAX_MAILS, Mail, is_message_id, read_mails

#: An archive hides addresses, which the commit needs: author, sign-off, code.
_HIDDEN = re.compile(r"(?:From: |Signed-off-by: |\+).*\[email[ \u00a0]protected\]", re.IGNORECASE)


class MailError(ValueError):
    """An incomplete or damaged series: what is wrong, and at which line (None: no single one)."""

    def __init__(self, what: str, line: int | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.line = line


class PatchMail(msgspec.Struct, frozen=True):
    """One patch: its place in the series, its subject without tags, its hunks, its mail.

    `parent` is the message-id of the mail it answers; message-ids are "" for none. `blobs` are the
    old blob ids of its files by path.
    """

    number: int
    total: int
    version: int
    subject: str
    hunks: tuple[Hunk, ...]
    raw: bytes
    message_id: str = ""
    parent: str = ""
    blobs: dict[str, str] = {}


def parse_series(raw: bytes, version: int | None = None) -> tuple[PatchMail, ...]:
    """Return the patches of a series in order, without the cover letter.

    `version` chooses among several versions. Raises MailError for a missing or damaged patch.
    """
    mails = read_mails(raw)
    if len(mails) > MAX_MAILS:
        raise MailError(f"holds over {MAX_MAILS} mails")
    patches = [patch for patch in map(_patch, mails) if patch is not None]
    if not patches:
        raise MailError("holds no patch with headers (From, Subject: [PATCH …]) and a diff", 1)
    versions = sorted({patch.version for patch in patches})
    if version is None and len(versions) > 1:
        raise MailError(f"holds versions {', '.join(f'v{v}' for v in versions)} of a series")
    wanted = versions[0] if version is None else version
    return _complete([patch for patch in patches if patch.version == wanted], wanted)


def introduced_by(patches: Sequence[PatchMail]) -> str:
    """Return the message-id of a series' cover letter, which all patches answer.

    Without a cover letter it is the first patch's; "" if that is missing or invalid.
    """
    parents = {patch.parent for patch in patches}
    named = parents.pop() if len(patches) > 1 and len(parents) == 1 else ""
    named = named or patches[0].message_id
    return named if is_message_id(named) else ""


def _complete(patches: list[PatchMail], version: int) -> tuple[PatchMail, ...]:
    if not patches:
        raise MailError(f"holds no version {version}")
    totals = {patch.total for patch in patches}
    if len(totals) > 1:
        raise MailError(f"holds patches of series of different lengths: {sorted(totals)}")
    total = totals.pop()
    by_number = {patch.number: patch for patch in patches}
    missing = [str(n) for n in range(1, total + 1) if n not in by_number]
    if missing:
        raise MailError(f"lacks patch {', '.join(missing)} of {total}")
    if len(by_number) != len(patches):
        raise MailError("holds the same patch twice")
    return tuple(by_number[n] for n in range(1, total + 1))


def _patch(mail: Mail) -> PatchMail | None:
    """Return a mail's patch; None for a cover letter or a reply."""
    if mail.is_reply:
        return None
    lines = mail.text.removesuffix("\n").split("\n")
    try:
        hunks = parse_diff(lines)
    except DiffError as error:
        raise MailError(error.what, mail.text_line + error.line - 1) from error
    if mail.tag is None or not hunks or mail.tag.number == 0:
        return None
    for at, line in enumerate(lines):
        if _HIDDEN.match(line):
            raise MailError("an archive hid an address", mail.text_line + at)
    number, total = mail.tag.number, mail.tag.total
    if number > total:
        raise MailError(f"is patch {number} of {total}", mail.first_line)
    if not mail.sender:
        raise MailError("the mail has no From, so the patch has no author", mail.first_line)
    if _HIDDEN.match(f"From: {mail.sender}"):
        raise MailError("an archive hid the author's address", mail.first_line)
    if mail.date is None:
        # git would use today's date, and the same patches would be other commits tomorrow.
        raise MailError("the mail has no valid Date", mail.first_line)
    return PatchMail(
        number,
        total,
        mail.tag.version,
        mail.title,
        hunks,
        mail.raw,
        mail.message_id or "",
        mail.parent or "",
        preimages(lines),
    )
