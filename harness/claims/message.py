# SPDX-License-Identifier: GPL-2.0-only
"""Reads the text of a mail and returns its author's own paragraphs, with the file's line numbers.

Quotations, lines with control characters and overlong lines are left out; each that has figures is
reported.
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
#: Far longer than any message: the rest of a mail is its diff.
MAX_LINES = 5_000
MAX_CHARACTERS = 300_000
_QUOTED = re.compile(r"\s{0,3}(?:[A-Za-z]{0,4}>)+")
_END = re.compile(r"---[ \t]*|-- ?|(?:Range-diff|Interdiff)\b.{0,60}")
#: A cover letter may have its text below `---`: git am never reads it.
_COVER_END = re.compile(_END.pattern.partition("|")[2])


class LineProblem(msgspec.Struct, frozen=True):
    """Why a line of the file was not read; if `fatal`, no claim of the file can be used."""

    line: int
    what: str
    text: str = ""
    fatal: bool = False


class Passage(msgspec.Struct, frozen=True):
    """A paragraph: its lines joined by line feeds, their numbers in the file, and their offsets."""

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
        """Return the lines with their numbers."""
        return list(zip(self.numbers, self.text.split("\n"), strict=True))

    def line_at(self, offset: int) -> tuple[int, str]:
        """Return number and text of the line at an offset."""
        index = bisect.bisect_right(self.starts, offset) - 1
        return self.numbers[index], self.text[self.starts[index] :].partition("\n")[0]

    def numbers_of(self, start: int, end: int) -> tuple[int, ...]:
        """Return the numbers of the lines that text[start:end] touches."""
        first = bisect.bisect_right(self.starts, start) - 1
        last = bisect.bisect_right(self.starts, max(start, end - 1)) - 1
        return self.numbers[first : last + 1]


def read_message(
    text: str, first_line: int, only: range | None = None, *, is_cover: bool = False
) -> tuple[list[Passage], list[LineProblem]]:
    """Return the paragraphs of a mail above its `---` or diff, and the lines that were not read.

    `first_line` is the number of its first line in the file; only the lines in `only` are read. A
    cover letter ends at its diff, range-diff or signature. An unread line is an empty paragraph.
    """
    passages: list[Passage] = []
    problems: list[LineProblem] = []
    paragraph: list[tuple[int, str]] = []
    end = _COVER_END if is_cover else _END
    for number, raw in _own_lines(text, first_line, end, problems):
        line, problem = _cleaned(raw) if only is None or number in only else ("", "")
        if problem:
            if _has_figures(line, raw):
                problems.append(LineProblem(number, problem, line))
            line = ""
        if line.strip():
            paragraph.append((number, line))
            continue
        if paragraph:
            passages.append(Passage.of(paragraph))
            paragraph = []
        if problem:
            passages.append(Passage.of([(number, "")]))
    if paragraph:
        passages.append(Passage.of(paragraph))
    return passages, problems


def _own_lines(
    text: str, first_line: int, end: re.Pattern[str], problems: list[LineProblem]
) -> Iterator[tuple[int, str]]:
    """Yield the numbered lines of the message; report figures below its end."""
    left = MAX_CHARACTERS
    below = False
    for number, raw in enumerate(text.split("\n", MAX_LINES)[:MAX_LINES], first_line):
        left -= min(len(raw), MAX_COLUMNS)
        if left < 0:
            what = f"was not read: it is beyond the first {MAX_CHARACTERS} characters"
            problems.append(LineProblem(number, what))
            return
        if raw.startswith("diff --git "):
            return
        below = below or end.fullmatch(raw.rstrip("\r")) is not None
        if not below:
            yield number, raw
        elif _has_figures(raw, raw):
            what = "is below the message: after its ---, range-diff or signature"
            problems.append(LineProblem(number, what, raw[:MAX_COLUMNS]))


def _cleaned(raw: str) -> tuple[str, str]:
    """Return a line as its author saw it, and why it must not be read, or ""."""
    if len(raw) > MAX_COLUMNS:
        return raw[:MAX_COLUMNS], f"is over {MAX_COLUMNS} characters long"
    # A page's source, saved as text, has &gt;, &amp; and &nbsp;.
    line = html.unescape(raw) if "&" in raw else raw
    line = "".join(" " if unicodedata.category(c) == "Zs" else c for c in line)
    line = line.replace("\t", " ").rstrip("\r ")
    if any(unicodedata.category(c) in ("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp") for c in line):
        return line, "has control characters"
    if "\ufffd" in line:
        return line, "has bytes that are invalid in its charset"
    if _QUOTED.match(line):
        return line, "is quoted from another mail"
    return line, ""


def _has_figures(line: str, raw: str) -> bool:
    if len(raw) > MAX_COLUMNS:
        return any(map(str.isdigit, raw))
    # Invisible characters may hide a figure.
    return bool(quantities("".join(c for c in line if c.isprintable() and c != "\ufffd")))
