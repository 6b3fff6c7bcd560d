# SPDX-License-Identifier: GPL-2.0-only
"""The part of a mail that is its author's own words, by paragraph, with the file's line numbers.

What cannot be trusted to say what it seems to (quotations, control characters, lines without end)
is left out, and said where it holds figures.
"""

import bisect
import html
import re
import unicodedata
from collections.abc import Iterator

import msgspec

from harness.claims.quantities import quantities

#: Longer than any line that a person wrote.
MAX_COLUMNS = 1000
#: Far longer than any message: the rest of a mail is diff, and not read here.
MAX_LINES = 5_000
MAX_CHARACTERS = 300_000
_QUOTED = re.compile(r"\s{0,3}(?:[A-Za-z]{0,4}>)+")
_END = re.compile(r"---[ \t]*|-- ?")


class UnreadLine(msgspec.Struct, frozen=True):
    """A line of the file that was not understood, and why; `fatal` where nothing can be kept."""

    line: int
    what: str
    text: str = ""
    fatal: bool = False


class Passage(msgspec.Struct, frozen=True):
    """Lines that stand together: `text` joins them with line feeds, `numbers` are the file's."""

    text: str
    numbers: tuple[int, ...]
    starts: tuple[int, ...]

    @classmethod
    def of(cls, lines: list[tuple[int, str]]) -> "Passage":
        """Join numbered lines."""
        starts, at = [], 0
        for _, text in lines:
            starts.append(at)
            at += len(text) + 1
        joined = "\n".join(text for _, text in lines)
        return cls(joined, tuple(number for number, _ in lines), tuple(starts))

    def lines(self) -> list[tuple[int, str]]:
        """Return the lines again, with their numbers."""
        return list(zip(self.numbers, self.text.split("\n"), strict=True))

    def text_at(self, position: int) -> str:
        """Return the line that holds text[position]."""
        start = self.starts[bisect.bisect_right(self.starts, position) - 1]
        return self.text[start:].partition("\n")[0]

    def line_at(self, position: int) -> int:
        """Return the file's number of the line that holds text[position]."""
        return self.numbers[bisect.bisect_right(self.starts, position) - 1]

    def numbers_of(self, start: int, end: int) -> tuple[int, ...]:
        """Return the file's numbers of the lines that text[start:end] touches."""
        first = bisect.bisect_right(self.starts, start) - 1
        last = bisect.bisect_right(self.starts, max(start, end - 1)) - 1
        return self.numbers[first : last + 1]


class Message(msgspec.Struct, frozen=True):
    """A mail's own words, and what of it was not read."""

    passages: tuple[Passage, ...]
    problems: tuple[UnreadLine, ...]


def read_message(text: str, first_line: int, only: range | None = None) -> Message:
    """Return the passages of a mail's text, above its `---` or diff.

    `first_line` is the number in the file of its first line; `only` those that are to be read.
    """
    passages: list[Passage] = []
    problems: list[UnreadLine] = []
    together: list[tuple[int, str]] = []
    for number, raw in _own_lines(text, first_line, problems):
        line, problem = _cleaned(raw) if only is None or number in only else ("", "")
        if problem:
            if _has_figures(line, raw):
                problems.append(UnreadLine(number, problem, line))
            line = ""
        if line.strip():
            together.append((number, line))
        elif together:
            passages.append(Passage.of(together))
            together = []
    if together:
        passages.append(Passage.of(together))
    return Message(tuple(passages), tuple(problems))


def _own_lines(text: str, first_line: int, problems: list[UnreadLine]) -> Iterator[tuple[int, str]]:
    """The lines that are the message, with their numbers, and what is said of others."""
    left = MAX_CHARACTERS
    below = False
    for number, raw in enumerate(text.split("\n", MAX_LINES)[:MAX_LINES], first_line):
        left -= min(len(raw), MAX_COLUMNS)
        if left < 0:
            problems.append(
                UnreadLine(number, f"is below {MAX_CHARACTERS} characters, and not read")
            )
            return
        if raw.startswith("diff --git "):
            return
        below = below or _END.fullmatch(raw.rstrip("\r")) is not None
        if not below:
            yield number, raw
        elif _has_figures(raw, raw):
            what = "stands below the line of dashes, outside the message"
            problems.append(UnreadLine(number, what, raw[:MAX_COLUMNS]))


def _cleaned(raw: str) -> tuple[str, str]:
    """Return a line as it is meant to be read, and why it must not be."""
    if len(raw) > MAX_COLUMNS:
        return raw[:MAX_COLUMNS], f"is over {MAX_COLUMNS} characters long"
    # What a page's source, saved as text, has for >, & and unbreakable spaces.
    line = html.unescape(raw) if "&" in raw else raw
    line = "".join(" " if unicodedata.category(c) == "Zs" else c for c in line)
    line = line.replace("\t", " ").rstrip("\r ")
    if any(unicodedata.category(c) in ("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp") for c in line):
        return line, "has control characters"
    if _QUOTED.match(line):
        return line, "is quoted from somebody else's mail"
    return line, ""


def _has_figures(line: str, raw: str) -> bool:
    if len(raw) > MAX_COLUMNS:
        return any(map(str.isdigit, raw))
    # Without what may hide them: digits are all that is left of a disguised figure.
    return bool(quantities("".join(c for c in line if c.isprintable())))
