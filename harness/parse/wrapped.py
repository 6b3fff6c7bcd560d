# SPDX-License-Identifier: GPL-2.0-only
"""Mails of patches that an archive wrapped, as the mails that were sent: where that can be proved.

The diffs alone are mended. What an archive did to the words above them stays, and so does a mail
that is encoded, as no archive's page is.
"""

import re
from collections.abc import Sequence

import msgspec

from harness.parse.letters import Letter, read_letters
from harness.parse.mail import MailError
from harness.parse.retab import Read, restore
from harness.parse.unwrap import Unwrapped, WrapError, unwrap


class Mended(msgspec.Struct, frozen=True):
    """Mails whose diffs are whole lines; `joined` are the file's lines that were continuations.

    `tabs_unsure`: no diff has a tab, and some have spaces that may have been tabs.
    """

    raw: bytes
    joined: tuple[int, ...]
    tabs_unsure: bool


def unwrap_mails(raw: bytes) -> Mended:
    """Return the mails of a file with their diffs unwrapped. Raises MailError by the line."""
    parts: list[bytes] = []
    joined: list[int] = []
    tabs: set[str] = set()
    for letter in read_letters(raw):
        head, body = _split(letter)
        if body is None:
            parts.append(letter.raw)
            continue
        found = _unwrapped(letter, body)
        joined += [letter.text_line + number - 1 for number in found.joined]
        tabs.add(found.tabs)
        parts.append(head + _joined(found.lines, body) if found.joined else letter.raw)
    return Mended(b"".join(parts), tuple(joined), "unsure" in tabs and "kept" not in tabs)


class Restorer:
    """Puts back the tabs of a series' mails, one after the other, on the tree that `read` reads."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._files: dict[str, bytes | None] = {}

    def restore(self, mail: bytes) -> bytes:
        """Return the next mail with its tabs. Raises MailError where hashes do not prove them."""
        (letter, *_) = read_letters(mail)
        head, body = _split(letter)
        if body is None:
            raise MailError("the mail is encoded, and no archive shows it so", letter.first_line)
        try:
            lines, left = restore(_unwrapped(letter, body), self._current)
        except WrapError as error:
            raise MailError(error.what, letter.text_line + error.line - 1) from error
        self._files |= left
        return head + _joined(lines, body)

    def _current(self, path: str) -> bytes | None:
        return self._files[path] if path in self._files else self._read(path)


def _split(letter: Letter) -> tuple[bytes, bytes | None]:
    """A mail's headers with the empty line, and its body; None where that is not the text."""
    if not letter.sender and letter.text_line == letter.first_line:
        head, body = b"", letter.raw
    else:
        match = re.search(rb"\r?\n\r?\n", letter.raw)
        end = match.end() if match else len(letter.raw)
        head, body = letter.raw[:end], letter.raw[end:]
    shown = body.decode("utf-8", "replace").replace("\r\n", "\n")
    return head, body if shown == letter.text else None


def _unwrapped(letter: Letter, body: bytes) -> Unwrapped:
    text = body.decode("utf-8", "surrogateescape").replace("\r\n", "\n")
    try:
        return unwrap(text.split("\n"))
    except WrapError as error:
        raise MailError(error.what, letter.text_line + error.line - 1) from error


def _joined(lines: Sequence[str], body: bytes) -> bytes:
    newline = "\r\n" if b"\r\n" in body else "\n"
    return newline.join(lines).encode("utf-8", "surrogateescape")
