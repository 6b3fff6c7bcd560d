# SPDX-License-Identifier: GPL-2.0-only
"""Finds Tested-by, Reviewed-by and Acked-by in patches and in replies to them. Pure."""

import re
from collections.abc import Iterator, Sequence

import msgspec

from harness.series.mails.messages import Mail

#: Trailers that are about the patch as it was posted.
KINDS = ("Tested-by", "Reviewed-by", "Acked-by")
#: Unquoted, sometimes indented.
_TRAILER = re.compile(rf"^ {{0,4}}({'|'.join(KINDS)}):[ \t]*(\S[^<>]*<[^<>\s]+@[^<>\s]+>)", re.I)
#: End of the message.
_DIFF = re.compile(r"^(?:---$|diff --git )", re.MULTILINE)


class Trailer(msgspec.Struct, frozen=True):
    """A trailer: its `kind` (one of KINDS), name and address; `patch` 0 is the whole series."""

    kind: str
    who: str
    patch: int


def trailers(mails: Sequence[Mail], version: int) -> tuple[Trailer, ...]:
    """Return the trailers of a version's mails and of the replies to them, without duplicates."""
    posted = [
        (mail, mail.tag.number)
        for mail in mails
        if mail.tag is not None and mail.tag.version == version and not mail.is_reply
    ]
    numbers = {mail.message_id: number for mail, number in posted}
    found = {}
    for mail, number in posted:
        message = _DIFF.split(mail.text, maxsplit=1)[0]
        found.update(dict.fromkeys(_trailers(message, number)))
    for mail in mails:
        # The nearest patch in a reply's thread is the one it is about.
        about = next((numbers[i] for i in reversed(mail.answers) if i in numbers), None)
        if mail.is_reply and about is not None:
            found.update(dict.fromkeys(_trailers(mail.text, about)))
    return tuple(found)


def _trailers(text: str, number: int) -> Iterator[Trailer]:
    names = {kind.lower(): kind for kind in KINDS}
    for line in text.split("\n"):
        match = _TRAILER.match(line)
        if match is not None:
            yield Trailer(names[match[1].lower()], " ".join(match[2].split()), number)
