# SPDX-License-Identifier: GPL-2.0-only
"""Who vouches for which patch: trailers in the patches themselves, and in replies to them."""

import email
import re
from collections.abc import Iterator, Sequence

import msgspec

from harness.series.messages import Mail

#: Those that a person gives to a patch as it was when they looked at it.
KINDS = ("Tested-by", "Reviewed-by", "Acked-by")
#: In replies they stand unquoted, sometimes indented.
_TRAILER = re.compile(rf"^ {{0,4}}({'|'.join(KINDS)}):[ \t]*(\S[^<>]*<[^<>\s]+@[^<>\s]+>)", re.I)
_ID = re.compile(r"<([^<>\s]+)>")
#: Below that line a mail is no message any more.
_DIFF = re.compile(r"^(?:---$|diff --git )", re.MULTILINE)


class Trailer(msgspec.Struct, frozen=True):
    """A trailer: `kind` as KINDS spell it, `who` with address, `patch` 0 for the whole series."""

    kind: str
    who: str
    patch: int


def trailers(mails: Sequence[Mail], version: int) -> tuple[Trailer, ...]:
    """Return the trailers of a version's mails, and of the replies to them, each once."""
    numbers = {
        mail.message_id: mail.tag.number
        for mail in mails
        if mail.tag is not None and mail.tag.version == version and not mail.is_reply
    }
    found: dict[Trailer, None] = {}
    for mail in mails:
        if mail.is_reply:
            number = _answered(mail, numbers)
        else:
            number = numbers.get(mail.message_id) if _is_of(mail, version) else None
        if number is not None:
            text = mail.text if mail.is_reply else _DIFF.split(mail.text, maxsplit=1)[0]
            found.update(dict.fromkeys(_given(text, number)))
    return tuple(found)


def _is_of(mail: Mail, version: int) -> bool:
    return mail.tag is not None and mail.tag.version == version


def _given(text: str, number: int) -> Iterator[Trailer]:
    names = {kind.lower(): kind for kind in KINDS}
    for line in text.split("\n"):
        match = _TRAILER.match(line)
        if match is not None:
            yield Trailer(names[match[1].lower()], " ".join(match[2].split()), number)


def _answered(mail: Mail, numbers: dict[str | None, int]) -> int | None:
    """Which patch a reply is about: the one it answers, or that an answer before it answered."""
    message = email.message_from_bytes(mail.raw)
    ids = _ID.findall(str(message.get("In-Reply-To", "")))
    ids += reversed(_ID.findall(str(message.get("References", ""))))
    for message_id in ids:
        if message_id in numbers:
            return numbers[message_id]
    return None
