# SPDX-License-Identifier: GPL-2.0-only
"""Files that git could not merge, to the regions in question (conflictStyle diff3)."""

import difflib
from collections.abc import Callable, Sequence

import msgspec

from harness.parse.diff import Hunk

_OURS, _BASE, _SPLIT, _THEIRS = "<<<<<<< ", "||||||| ", "=======", ">>>>>>> "


class Region(msgspec.Struct, frozen=True):
    """A region as both sides and their base have it.

    `first` and `last` number its lines in our file, from 1; for one that we have no line of, they
    are the lines around it.
    """

    first: int
    last: int
    ours: tuple[str, ...]
    base: tuple[str, ...]
    theirs: tuple[str, ...]


def is_marker(line: str) -> bool:
    """Whether a line is one that git puts into a file it could not merge."""
    return line == _SPLIT or line.startswith((_OURS, _BASE, _THEIRS))


def regions(merged: str, ours: str) -> tuple[Region, ...]:
    """Return the regions of a file with markers; `ours` is the file before the merge.

    Raises ValueError where the markers do not follow each other.
    """
    lines = merged.split("\n")
    found: list[tuple[int, int, dict[str, list[str]]]] = []
    taken: list[str] = []
    at = 0
    while at < len(lines):
        if not lines[at].startswith(_OURS):
            taken.append(lines[at])
            at += 1
            continue
        parts, at = _parts(lines, at)
        found.append((len(taken), len(taken) + len(parts["ours"]), parts))
        taken += parts["ours"]
    before = ours.split("\n")
    place = _places(taken, before)
    end_of_file = max(1, len(before) - 1)
    return tuple(
        Region(
            first=place(start) + 1 if parts["ours"] else max(place(start), 1),
            last=min(place(max(start, end - 1)) + 1, end_of_file),
            ours=tuple(parts["ours"]),
            base=tuple(parts["base"]),
            theirs=tuple(parts["theirs"]),
        )
        for start, end, parts in found
    )


def _parts(lines: Sequence[str], at: int) -> tuple[dict[str, list[str]], int]:
    """Read one region from its first marker on; return its parts and the line after it."""
    parts: dict[str, list[str]] = {"ours": [], "base": [], "theirs": []}
    order = iter((("base", _BASE), ("theirs", _SPLIT), ("", _THEIRS)))
    now = "ours"
    following, marker = next(order)
    for number in range(at + 1, len(lines)):
        line = lines[number]
        if line == marker or (marker != _SPLIT and line.startswith(marker)):
            if not following:
                return parts, number + 1
            now = following
            following, marker = next(order)
        else:
            parts[now].append(line)
    raise ValueError(f"the conflict that begins at line {at + 1} has no end")


def _places(merged: Sequence[str], ours: Sequence[str]) -> Callable[[int], int]:
    """Return what leads from a line's index in the merged file to the same line's in ours."""
    matcher = difflib.SequenceMatcher(None, merged, ours, autojunk=False)
    blocks = matcher.get_matching_blocks()

    def place(index: int) -> int:
        block = next((b for b in blocks if index < b.a + b.size), blocks[-1])
        return block.b + max(0, index - block.a)

    return place


def hunk_of(region: Region, file: str, hunks: Sequence[Hunk]) -> Hunk | None:
    """Return the hunk of a patch that a region came from: the one that shares most lines with it.

    None where none does.
    """
    wanted = {line for line in (*region.base, *region.theirs) if line.strip()}
    best, most = None, 0
    for hunk in hunks:
        shared = len(wanted & {line[1:] for line in hunk.lines}) if hunk.file == file else 0
        if shared > most:
            best, most = hunk, shared
    return best
