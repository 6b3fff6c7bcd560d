# SPDX-License-Identifier: GPL-2.0-only
"""Recognizes fixes that answer a series, and puts them on top of it. Pure.

mm's maintainer queues small fixes beside the patches, named `<patch>-fix`; authors send them as
patches without a number, or as diffs in a reply that asks to fold them in.
"""

import datetime
import re
from collections.abc import Sequence

import msgspec

from harness.series.mails.mail import MailError, PatchMail, checked
from harness.series.mails.messages import Mail, Tag

_ALONE = Tag(version=1, number=1, total=1)
#: Subjects of akpm and git.
_AUTOSQUASH = re.compile(r"(?:fixup|squash|amend)! ", re.IGNORECASE)
_QUEUED = re.compile(r".*-fix(?:-\d+|-fix)*(?:\.patch)?$", re.IGNORECASE)
_QUILT = re.compile(r"^--- a/\S+~\S*-fix", re.MULTILINE)
_ASKED = re.compile(r"^(?![>|]).*\b(?:fold|squash|fixup)\b", re.IGNORECASE | re.MULTILINE)
_FIRST = datetime.datetime.min.replace(tzinfo=datetime.UTC)


def fixes_among(mails: Sequence[Mail], version: int) -> tuple[Mail, ...]:
    """Return the fixes among the mails that answer a series of a version, oldest first."""
    fixes = [m for m in mails if (_is_fix(m) if m.is_reply else _version(m) <= version)]
    return tuple(sorted(fixes, key=lambda mail: mail.sent or _FIRST))


def fixes_another(title: str) -> bool:
    """Return whether a title is one that git gives a fix: `fixup! TITLE`, `squash!`, `amend!`."""
    return _AUTOSQUASH.match(title) is not None


def on_top(patches: tuple[PatchMail, ...], fixes: Sequence[Mail]) -> tuple[PatchMail, ...]:
    """Return patches and fixes as one series, numbered anew.

    Raises MailError for a damaged fix, or one that was posted as two versions.
    """
    for fix in fixes:
        if any(_version(m) > _version(fix) for m in fixes if m.title == fix.title):
            raise MailError(f"holds two versions of a fix: {fix.title}", fix.first_line)
    alone = [checked([msgspec.structs.replace(fix, tag=_ALONE)])[0] for fix in fixes]
    total, version = len(patches) + len(fixes), patches[0].version
    return tuple(
        msgspec.structs.replace(patch, number=number, total=total, version=version)
        for number, patch in enumerate([*patches, *alone], 1)
    )


def _is_fix(reply: Mail) -> bool:
    """Return whether the diff in a reply is meant as a fix, not as an example or a test."""
    message = reply.text.partition("\ndiff --git ")[0]
    return any(
        (
            fixes_another(reply.title),
            _QUEUED.match(reply.title),
            _QUILT.search(reply.text),
            _ASKED.search(message),
        ),
    )


def _version(mail: Mail) -> int:
    return mail.tag.version if mail.tag else 1
