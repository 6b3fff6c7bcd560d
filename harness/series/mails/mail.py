# SPDX-License-Identifier: GPL-2.0-only
"""Checks the mails of a series: complete, in order, undamaged. Pure.

b4 selects and orders the mails; it can be wrong without an error.
"""

import re
from collections.abc import Iterable, Sequence

import msgspec

from harness.git.diff import DiffError, Hunk, parse_diff, preimages
from harness.series.mails.messages import MAX_MAILS, Mail, Tag, is_message_id, read_mails

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


def parse_series(raw: bytes) -> tuple[PatchMail, ...]:
    """Return the patches of a file that holds one series in order; the cover letter is left out.

    Raises MailError for a missing, damaged or misplaced patch.
    """
    mails = read_mails(raw)
    if len(mails) > MAX_MAILS:
        raise MailError(f"holds over {MAX_MAILS} mails")
    refuse_damaged(mails)
    posted = [mail for mail in mails if mail.tag and mail.tag.number and not mail.is_reply]
    return checked([mail for mail in posted if mail.has_diff])


def checked(mails: Sequence[Mail]) -> tuple[PatchMail, ...]:
    """Return the patches of the mails selected as one series. Raises MailError."""
    patches = [_patch(mail) for mail in mails]
    if not patches:
        raise MailError("holds no patch with headers (From, Subject: [PATCH …]) and a diff", 1)
    versions = sorted({patch.version for patch in patches})
    if len(versions) > 1:
        raise MailError(f"holds versions {', '.join(f'v{v}' for v in versions)} of a series")
    totals = sorted({patch.total for patch in patches})
    if len(totals) > 1:
        raise MailError(f"holds patches of series of different lengths: {totals}")
    numbers = [patch.number for patch in patches]
    missing = [str(n) for n in range(1, totals[0] + 1) if n not in numbers]
    if missing:
        raise MailError(f"lacks patch {', '.join(missing)} of {totals[0]}")
    if len(numbers) != len(set(numbers)):
        twice = next(n for n in numbers if numbers.count(n) > 1)
        raise MailError(f"holds the same patch twice: {twice} of {totals[0]}")
    if numbers != sorted(numbers):
        raise MailError(f"holds the patches in the order {', '.join(map(str, numbers))}")
    return tuple(patches)


def refuse_damaged(mails: Iterable[Mail]) -> None:
    """Raise MailError for the first diff that is damaged or dangerous; replies may quote half."""
    for mail in mails:
        if not mail.is_reply:
            _hunks(mail)


def introduced_by(patches: Sequence[PatchMail]) -> str:
    """Return the message-id of a series' cover letter, which all patches answer.

    Without a cover letter it is the first patch's; "" if that is missing or invalid.
    """
    parents = {patch.parent for patch in patches}
    named = parents.pop() if len(patches) > 1 and len(parents) == 1 else ""
    named = named or patches[0].message_id
    return named if is_message_id(named) else ""


def _hunks(mail: Mail) -> tuple[Hunk, ...]:
    try:
        return parse_diff(mail.lines)
    except DiffError as error:
        raise MailError(error.what, mail.text_line + error.line - 1) from error


def _patch(mail: Mail) -> PatchMail:
    hunks = _hunks(mail)
    if not mail.has_diff:
        raise MailError("holds no diff with a line `diff --git a/FILE b/FILE`", mail.first_line)
    for at, line in enumerate(mail.lines):
        if _HIDDEN.match(line):
            raise MailError("an archive hid an address", mail.text_line + at)
    tag = mail.tag or Tag(1, 1, 1)
    if tag.number > tag.total:
        raise MailError(f"is patch {tag.number} of {tag.total}", mail.first_line)
    if not mail.sender:
        raise MailError("the mail has no From, so the patch has no author", mail.first_line)
    if _HIDDEN.match(f"From: {mail.sender}"):
        raise MailError("an archive hid the author's address", mail.first_line)
    if mail.sent is None:
        # git would use today's date, and the same patches would be other commits tomorrow.
        raise MailError("the mail has no valid Date", mail.first_line)
    return PatchMail(
        tag.number,
        tag.total,
        tag.version,
        mail.title,
        hunks,
        mail.raw,
        mail.message_id or "",
        mail.parent or "",
        preimages(mail.lines),
    )
