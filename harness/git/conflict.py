# SPDX-License-Identifier: GPL-2.0-only
"""Parses the conflict markers in a file that git could not merge (conflictStyle diff3). Pure."""

import difflib
import re
from collections.abc import Callable, Sequence

import msgspec

from harness.git.diff import Hunk

#: A region with markers: each part ends at the next marker. In CRLF files these end with CR too.
_REGION = re.compile(
    r"^<{7} .*\n(?P<ours>(?:(?!\|{7} ).*\n)*+).*\n(?P<base>(?:(?!={7}\r?$).*\n)*+).*\n"
    r"(?P<theirs>(?:(?!>{7} ).*\n)*+)>{7} .*$\n?",
    re.MULTILINE,
)
_BEGIN = re.compile(r"^<{7} ", re.MULTILINE)


class Region(msgspec.Struct, frozen=True):
    """A region in conflict: our lines, the base's and theirs.

    `first` and `last` number its lines in our file, from 1; if we have none, they are the lines
    around it.
    """

    first: int
    last: int
    ours: tuple[str, ...]
    base: tuple[str, ...]
    theirs: tuple[str, ...]


def regions(merged: str, ours: str) -> tuple[Region, ...]:
    """Return the conflicts of a file with markers; `ours` is the file before the merge.

    Raises ValueError if one has no end marker.
    """
    taken: list[str] = []
    found: list[tuple[int, int, re.Match[str]]] = []
    at = 0
    while begin := _BEGIN.search(merged, at):
        match = _REGION.match(merged, begin.start())
        if match is None:
            number = merged.count("\n", 0, begin.start()) + 1
            raise ValueError(f"the conflict that begins at line {number} has no end")
        taken += _lines(merged[at : match.start()])
        found.append((len(taken), len(taken) + match["ours"].count("\n"), match))
        taken += _lines(match["ours"])
        at = match.end()
    before = ours.split("\n")
    place = _places([*taken, *merged[at:].split("\n")], before)
    end_of_file = max(1, len(before) - 1)
    return tuple(
        Region(
            first=place(start) + 1 if end > start else max(place(start), 1),
            last=min(place(max(start, end - 1)) + 1, end_of_file),
            ours=_lines(match["ours"]),
            base=_lines(match["base"]),
            theirs=_lines(match["theirs"]),
        )
        for start, end, match in found
    )


def _lines(text: str) -> tuple[str, ...]:
    """Return the lines of a text that ends with a newline."""
    return tuple(text.split("\n")[:-1])


def _places(merged: Sequence[str], ours: Sequence[str]) -> Callable[[int], int]:
    """Return a function from a line's index in the merged file to that in ours."""
    matcher = difflib.SequenceMatcher(None, merged, ours, autojunk=False)
    blocks = matcher.get_matching_blocks()

    def place(index: int) -> int:
        block = next((b for b in blocks if index < b.a + b.size), blocks[-1])
        return block.b + max(0, index - block.a)

    return place


def hunk_of(region: Region, file: str, hunks: Sequence[Hunk]) -> Hunk | None:
    """Return the hunk that shares most lines with a region; None if none shares any."""
    wanted = {line for line in (*region.base, *region.theirs) if line.strip()}
    best, most = None, 0
    for hunk in hunks:
        shared = len(wanted & {line[1:] for line in hunk.lines}) if hunk.file == file else 0
        if shared > most:
            best, most = hunk, shared
    return best
