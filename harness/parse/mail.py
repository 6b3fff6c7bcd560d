# SPDX-License-Identifier: GPL-2.0-only
"""A patch series in mails: an mbox, or the files of `git format-patch`, to numbered patches."""

import email
import email.header
import email.message
import email.utils
import re

import msgspec

from harness.parse.diff import DiffError, Hunk, parse_diff

#: mbox separators: a line `From `, a sender or commit, and a date.
_SEPARATOR = re.compile(rb"^From \S+ .*\d\d:\d\d:\d\d .*$", re.MULTILINE)
#: Further tags after [PATCH …] are no part of the commit's subject either.
_TAG = re.compile(r"\[([^\]]*\bPATCH\b[^\]]*)\]\s*(?:\[[^\]]*\]\s*)*(.*)", re.DOTALL)
_REPLY = re.compile(r"(?:re|fwd?|aw):", re.IGNORECASE)
_PLACE = re.compile(r"\b(\d{1,4})/(\d{1,4})\b")
_VERSION = re.compile(r"\bv(\d{1,3})\b", re.IGNORECASE)


class MailError(ValueError):
    """Mails that are no complete series: the line of the text (None: all of it), what is wrong."""

    def __init__(self, what: str, line: int | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.line = line


class PatchMail(msgspec.Struct, frozen=True):
    """One patch: its place in the series, its subject without tags, its hunks, the mail itself."""

    number: int
    total: int
    version: int
    subject: str
    hunks: tuple[Hunk, ...]
    raw: bytes


def parse_series(raw: bytes, version: int | None = None) -> tuple[PatchMail, ...]:
    """Return the patches of a series in order, complete and whole, without the cover letter.

    Of several versions in one mbox `version` chooses. Raises MailError naming what is missing or
    the line that is wrong.
    """
    patches = [patch for patch in (_patch(*part) for part in _split(raw)) if patch is not None]
    if not patches:
        raise MailError("holds no patch with headers (From, Subject: [PATCH …]) and a diff", 1)
    versions = sorted({patch.version for patch in patches})
    if version is None and len(versions) > 1:
        raise MailError(f"holds versions {', '.join(f'v{v}' for v in versions)} of a series")
    wanted = versions[0] if version is None else version
    return _complete([patch for patch in patches if patch.version == wanted], wanted)


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


def _split(raw: bytes) -> list[tuple[bytes, int]]:
    """Return each mail with the number of the line it begins at."""
    starts = [match.start() for match in _SEPARATOR.finditer(raw)]
    if not starts or raw[: starts[0]].strip():
        starts.insert(0, 0)
    ends = [*starts[1:], len(raw)]
    return [
        (raw[start:end], raw.count(b"\n", 0, start) + 1)
        for start, end in zip(starts, ends, strict=True)
    ]


def _patch(raw: bytes, first_line: int) -> PatchMail | None:
    """Return a mail's patch; None for a cover letter or a reply."""
    message = email.message_from_bytes(raw)
    subject = " ".join(_header(message, "Subject").split())
    if _REPLY.match(subject):
        return None
    text = _body(message)
    # Where the body begins in the file: a diff's error is told by the file's line.
    before = (
        raw.decode("utf-8", "replace").replace("\r\n", "\n").partition("\n\n")[0].count("\n") + 2
    )
    offset = first_line + (before if message.keys() else 0) - 1
    try:
        hunks = parse_diff(text.splitlines())
    except DiffError as error:
        raise MailError(error.what, offset + error.line) from error
    match = _TAG.match(subject)
    if match is None or not hunks:
        return None
    place = _PLACE.search(match[1])
    number, total = (int(place[1]), int(place[2])) if place else (1, 1)
    if number == 0:
        return None
    if not 1 <= number <= total:
        raise MailError(f"is patch {number} of {total}", first_line)
    if not _header(message, "From"):
        raise MailError("the mail has no From, the patch no author", first_line)
    if email.utils.parsedate_tz(_header(message, "Date")) is None:
        # git would take today, and the same patches would be other commits tomorrow.
        raise MailError("the mail has no Date that can be read", first_line)
    said = _VERSION.search(match[1])
    return PatchMail(number, total, int(said[1]) if said else 1, match[2], hunks, raw)


def _body(message: email.message.Message) -> str:
    part = next((p for p in message.walk() if p.get_content_type() == "text/plain"), message)
    payload = part.get_payload(decode=True)
    data = payload if isinstance(payload, bytes) else b""
    return data.decode("utf-8", "replace").replace("\r\n", "\n")


def _header(message: email.message.Message, name: str) -> str:
    """Return a header decoded, also where it is plain UTF-8, which it must not be and often is."""
    raw = next((str(v) for k, v in message.raw_items() if k.lower() == name.lower()), "")
    text = raw.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    try:
        return str(email.header.make_header(email.header.decode_header(text)))
    except (LookupError, UnicodeError, ValueError):
        return text
