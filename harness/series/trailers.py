# SPDX-License-Identifier: GPL-2.0-only
"""Who vouches for which patch: trailers in the patches themselves, and in replies to them."""

import email
import re
from collections.abc import Iterator, Sequence

import msgspec

from harness.series.messages import Letter

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


def trailers(letters: Sequence[Letter], version: int) -> tuple[Trailer, ...]:
    """Return the trailers of a version's mails, and of the replies to them, each once."""
    numbers = {
        letter.message_id: letter.tag.number
        for letter in letters
        if letter.tag is not None and letter.tag.version == version and not letter.is_reply
    }
    found: dict[Trailer, None] = {}
    for letter in letters:
        if letter.is_reply:
            number = _answered(letter, numbers)
        else:
            number = numbers.get(letter.message_id) if _is_of(letter, version) else None
        if number is not None:
            text = letter.text if letter.is_reply else _DIFF.split(letter.text, maxsplit=1)[0]
            found.update(dict.fromkeys(_given(text, number)))
    return tuple(found)


def _is_of(letter: Letter, version: int) -> bool:
    return letter.tag is not None and letter.tag.version == version


def _given(text: str, number: int) -> Iterator[Trailer]:
    names = {kind.lower(): kind for kind in KINDS}
    for line in text.split("\n"):
        match = _TRAILER.match(line)
        if match is not None:
            yield Trailer(names[match[1].lower()], " ".join(match[2].split()), number)


def _answered(letter: Letter, numbers: dict[str | None, int]) -> int | None:
    """Which patch a reply is about: the one it answers, or that an answer before it answered."""
    message = email.message_from_bytes(letter.raw)
    ids = _ID.findall(str(message.get("In-Reply-To", "")))
    ids += reversed(_ID.findall(str(message.get("References", ""))))
    for message_id in ids:
        if message_id in numbers:
            return numbers[message_id]
    return None
