# SPDX-License-Identifier: GPL-2.0-only
"""Mails of an mbox as their reader sees them: subject, place in a series, text with line numbers.

A file without mail headers, such as an archive's page saved as text, is one mail.
"""

import datetime
import email
import email.errors
import email.header
import email.message
import email.utils
import itertools
import re

import msgspec

#: mbox separators: a line `From `, a sender or commit, and a date.
_SEPARATOR = re.compile(rb"^From \S+ .*\d\d:\d\d:\d\d .*$", re.MULTILINE)
#: Further tags after [PATCH …] are no part of the commit's subject either.
_TAG = re.compile(r"\[([^\]]*\bPATCH\b[^\]]*)\]\s*(?:\[[^\]]*\]\s*)*(.*)", re.DOTALL)
_REPLY = re.compile(r"(?:re|fwd?|aw):", re.IGNORECASE)
_PLACE = re.compile(r"\b(\d{1,4})/(\d{1,4})\b")
_VERSION = re.compile(r"\bv(\d{1,3})\b", re.IGNORECASE)
_ID = re.compile(r"<([^<>\s]+)>")
_WHOLE_ID = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,200}@[\w.:\[\]-]{1,200}", re.ASCII)
#: No series is so long, with all that was answered to it.
MAX_MAILS = 2000
#: RFC 5322 allows 998 characters a line.
MAX_SUBJECT = 2000
#: How far down a page without headers its title is looked for.
_TITLE_LINES = 30


class Tag(msgspec.Struct, frozen=True):
    """What [PATCH v2 3/7] says; `number` 0 is the cover letter's."""

    version: int
    number: int
    total: int


class Mail(msgspec.Struct, frozen=True):
    """One mail. `title` is its subject without tags; `tag` is None where it has no [PATCH …].

    `text` is decoded, its first line is line `text_line` of the file. `thread` is the message-id
    of the mail it answers to, the first of several; `parent` the one it answers directly; `date` is
    in UTC.
    """

    raw: bytes
    first_line: int
    text: str
    text_line: int
    title: str
    tag: Tag | None
    sender: str = ""
    is_reply: bool = False
    message_id: str | None = None
    thread: str | None = None
    parent: str | None = None
    date: datetime.date | None = None


def is_message_id(text: str) -> bool:
    """Whether a text may stand between the brackets of a header, and in other programs' data.

    RFC 5322, without the quoted forms that nobody's mailer writes.
    """
    return _WHOLE_ID.fullmatch(text) is not None


def read_mails(raw: bytes) -> tuple[Mail, ...]:
    """Return every mail of a file, in its order. Any bytes make at least one mail.

    A file of more than MAX_MAILS gives one more than that, which holds the rest.
    """
    return tuple(_letter(part, line) for part, line in _split(raw))


def _split(raw: bytes) -> list[tuple[bytes, int]]:
    """Return each mail with the number of the line it begins at."""
    found = itertools.islice(_SEPARATOR.finditer(raw), MAX_MAILS + 1)
    starts = [match.start() for match in found]
    if not starts or raw[: starts[0]].strip():
        starts.insert(0, 0)
    ends = [*starts[1:], len(raw)]
    mails = []
    line = 1
    for start, end in zip(starts, ends, strict=True):
        mails.append((raw[start:end], line))
        line += raw.count(b"\n", start, end)
    return mails


def _letter(raw: bytes, first_line: int) -> Mail:
    try:
        message = email.message_from_bytes(raw)
    except RecursionError:  # parts in parts in parts
        return _page(raw, first_line)
    if "From" not in message and "Subject" not in message:
        return _page(raw, first_line)
    subject = " ".join(_header(message, "Subject").split())[:MAX_SUBJECT]
    head = raw.decode("utf-8", "replace").replace("\r\n", "\n").partition("\n\n")[0]
    title, tag = _tagged(subject)
    thread = _ids(message, "References") + _ids(message, "In-Reply-To")
    return Mail(
        raw=raw,
        first_line=first_line,
        text=_body(message),
        text_line=first_line + head.count("\n") + 2,
        title=title,
        tag=tag,
        sender=_header(message, "From"),
        is_reply=_REPLY.match(subject) is not None,
        message_id=next(iter(_ids(message, "Message-ID")), None),
        thread=next(iter(thread), None),
        parent=next(iter(_ids(message, "In-Reply-To")), None),
        date=_date(_header(message, "Date")),
    )


def _page(raw: bytes, first_line: int) -> Mail:
    text = raw.decode("utf-8", "replace").replace("\r\n", "\n")
    # Searched, not matched: an archive puts what it likes before the title.
    top = "\n".join(line[:1000] for line in text.split("\n", _TITLE_LINES)[:_TITLE_LINES])
    found = _TAG.search(top)
    title, tag = _tagged(top[found.start() :].partition("\n")[0] if found else "")
    return Mail(raw, first_line, text, first_line, title, tag)


def _tagged(subject: str) -> tuple[str, Tag | None]:
    match = _TAG.match(subject)
    if match is None:
        return subject, None
    place = _PLACE.search(match[1])
    said = _VERSION.search(match[1])
    number, total = (int(place[1]), int(place[2])) if place else (1, 1)
    return match[2], Tag(int(said[1]) if said else 1, number, total)


def _ids(message: email.message.Message, header: str) -> list[str]:
    return _ID.findall(_header(message, header))


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
    except (LookupError, UnicodeError, ValueError, email.errors.MessageError):
        return text


def _date(header: str) -> datetime.date | None:
    parsed = email.utils.parsedate_tz(header)
    if parsed is None:
        return None
    try:
        return datetime.datetime.fromtimestamp(email.utils.mktime_tz(parsed), datetime.UTC).date()
    except (ValueError, OverflowError, OSError):
        return None
