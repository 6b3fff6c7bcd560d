# SPDX-License-Identifier: GPL-2.0-only
"""Splits an mbox into mails with subject, place in the series, and text with line numbers. Pure.

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

from harness.git.diff import has_diff

#: mbox separators: a line `From `, a sender or commit, and a date.
_SEPARATOR = re.compile(rb"^From \S+ .*\d\d:\d\d:\d\d .*$", re.MULTILINE)
#: All tags before a subject's words: [PATCH …], others before or after it.
_TAGS = re.compile(r"((?:\[[^\]]*\]\s*)+)(.*)", re.DOTALL)
_POSTED = re.compile(r"\[[^\]]*\b(?:PATCH|RFC\b)[^\]]*\]", re.IGNORECASE)
_REPLY = re.compile(r"(?:(?:re|fwd?|aw):\s*)+", re.IGNORECASE)
#: Not the releases in [PATCH 5.10/5.15].
_PLACE = re.compile(r"(?<![\w./-])(\d{1,4})/(\d{1,4})(?![\w./-])")
_VERSION = re.compile(r"(?:(?<![\w./-])|PATCH)v(\d{1,3})(?![\w./-])", re.IGNORECASE)
_ID = re.compile(r"<([^<>\s]+)>")
#: Separators of public-inbox and b4, which escape body lines that begin with "From ". Elsewhere
#: such a line may as well be a quotation.
_MBOXRD = b"From mboxrd@z "
_ESCAPED = re.compile(rb"^>(>*From )", re.MULTILINE)
#: What mailers declare. US-ASCII is often UTF-8; Python's other codecs are not for mail.
_CHARSET = re.compile(
    r"utf-?8|iso-?8859-(?:[1-9]|1[013-6])|(?:windows-|cp)125[0-8]|koi8-[ru]|gb(?:k|2312|18030)|big5"
    r"|euc-(?:jp|kr)|shift_jis|iso-2022-(?:jp|kr)"
)
_WHOLE_ID = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,200}@[\w.:\[\]-]{1,200}", re.ASCII)
#: More than any series with all its replies.
MAX_MAILS = 2000
MAX_MBOX_BYTES = 64 << 20
#: RFC 5322 allows 998 characters a line.
MAX_SUBJECT = 2000
#: How many lines of a page without headers may hold its title.
_TITLE_LINES = 30


class Tag(msgspec.Struct, frozen=True):
    """The parts of [PATCH v2 3/7]; `number` is 0 for the cover letter."""

    version: int
    number: int
    total: int


class Mail(msgspec.Struct, frozen=True):
    """One mail. `title` is its subject without tags; `tag` is None without [PATCH …].

    `text` is decoded, and begins at line `text_line` of the file. `answers` has the message-ids of
    the mails above it in its thread, the first mail's first. `sent` is in UTC.
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
    answers: tuple[str, ...] = ()
    sent: datetime.datetime | None = None

    @property
    def lines(self) -> list[str]:
        """The text's lines; only a newline ends one."""
        return self.text.removesuffix("\n").split("\n")

    @property
    def has_diff(self) -> bool:
        """Whether the text has a diff, not quoted."""
        return has_diff(self.lines)

    @property
    def about(self) -> Tag | None:
        """Its tag or, of a reply, the tag in the subject of the mail that it replies to."""
        return _tagged(_REPLY.sub("", self.title, count=1))[1] if self.is_reply else self.tag

    @property
    def date(self) -> datetime.date | None:
        """The day it was sent, in UTC."""
        return self.sent.date() if self.sent else None

    @property
    def thread(self) -> str | None:
        """The message-id of the thread's first mail."""
        return self.answers[0] if self.answers else None

    @property
    def parent(self) -> str | None:
        """The message-id of the mail that it answers."""
        return self.answers[-1] if self.answers else None


def is_message_id(text: str) -> bool:
    """Return whether a text is a message-id without brackets, safe in headers and commands.

    RFC 5322 without its quoted forms, which mailers do not write.
    """
    return _WHOLE_ID.fullmatch(text) is not None


def read_mails(raw: bytes) -> tuple[Mail, ...]:
    """Return the mails of a file in order; any bytes are at least one mail.

    Of more than MAX_MAILS, one more is returned, which holds the rest.
    """
    return tuple(_mail(part, line) for part, line in _split(raw))


def _split(raw: bytes) -> list[tuple[bytes, int]]:
    """Return each mail with the number of its first line."""
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


def _mail(raw: bytes, first_line: int) -> Mail:
    try:
        source = _ESCAPED.sub(rb"\1", raw) if raw.startswith(_MBOXRD) else raw
        message = email.message_from_bytes(source)
    except RecursionError:  # parts in parts in parts
        return _page(raw, first_line)
    if "From" not in message and "Subject" not in message:
        return _page(raw, first_line)
    subject = " ".join(_header(message, "Subject").split())[:MAX_SUBJECT]
    head = raw.decode("utf-8", "replace").replace("\r\n", "\n").partition("\n\n")[0]
    title, tag = _tagged(subject)
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
        answers=(*_ids(message, "References"), *_ids(message, "In-Reply-To")),
        sent=_sent(_header(message, "Date")),
    )


def _page(raw: bytes, first_line: int) -> Mail:
    text = raw.decode("utf-8", "replace").replace("\r\n", "\n")
    # An archive's page may have anything before the title.
    top = "\n".join(line[:1000] for line in text.split("\n", _TITLE_LINES)[:_TITLE_LINES])
    found = _POSTED.search(top)
    title, tag = _tagged(top[found.start() :].partition("\n")[0] if found else "")
    return Mail(raw, first_line, text, first_line, title, tag)


def _tagged(subject: str) -> tuple[str, Tag | None]:
    match = _TAGS.match(subject)
    if match is None or not _POSTED.search(match[1]):
        return subject, None
    place = _PLACE.search(match[1])
    version = _VERSION.search(match[1])
    number, total = (int(place[1]), int(place[2])) if place else (1, 1)
    return match[2], Tag(int(version[1]) if version else 1, number, total)


def _ids(message: email.message.Message, header: str) -> list[str]:
    return _ID.findall(_header(message, header))


def _body(message: email.message.Message) -> str:
    part = next((p for p in message.walk() if p.get_content_type() == "text/plain"), message)
    payload = part.get_payload(decode=True)
    data = payload if isinstance(payload, bytes) else b""
    declared = part.get_content_charset("utf-8")
    charset = declared if _CHARSET.fullmatch(declared) else "utf-8"
    return data.decode(charset, "replace").replace("\r\n", "\n")


def _header(message: email.message.Message, name: str) -> str:
    """Return a header decoded; also plain UTF-8, which is not allowed but common."""
    raw = next((str(v) for k, v in message.raw_items() if k.lower() == name.lower()), "")
    text = raw.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    try:
        return str(email.header.make_header(email.header.decode_header(text)))
    except (LookupError, UnicodeError, ValueError, email.errors.MessageError):
        return text


def _sent(header: str) -> datetime.datetime | None:
    parsed = email.utils.parsedate_tz(header)
    if parsed is None:
        return None
    try:
        return datetime.datetime.fromtimestamp(email.utils.mktime_tz(parsed), datetime.UTC)
    except (ValueError, OverflowError, OSError):
        return None
