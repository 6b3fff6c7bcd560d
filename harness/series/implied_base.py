# SPDX-License-Identifier: GPL-2.0-only
"""The files that a series must have been made from, as far as its own hunks show them.

A posted version's base is often out of reach. Its patches still say what stood around each change
and at which line, and later patches build on earlier ones; that is enough to commit the series
somewhere and to let git compare it with another version. Lines that no hunk shows are filled up.
"""

from collections.abc import Sequence

import msgspec

from harness.git.diff import Hunk


class HunkConflict(ValueError):
    """A hunk that cannot follow from the ones before it."""

    def __init__(self, patch: int, file: str, line: int, what: str) -> None:
        super().__init__(f"{file}:{line}: {what}")
        self.patch = patch
        self.file = file
        self.line = line


class _FileLine:
    """A line of a file whose text may become known later. `heading` is a guess at it."""

    __slots__ = ("heading", "text")

    def __init__(self, text: str | None = None) -> None:
        self.text = text
        self.heading = ""


class _File(msgspec.Struct):
    """A file as it was in the base, and as the patches so far have left it.

    Of one that the series makes, every line is known.
    """

    base: list[_FileLine]
    now: list[_FileLine]
    made: bool = False

    def reach(self, length: int) -> bool:
        """Make the file at least so many lines long, unless that cannot be."""
        missing = [_FileLine() for _ in range(length - len(self.now))]
        if self.made and missing:
            return False
        self.base += missing
        self.now += missing
        return True


def implied_base(patches: Sequence[Sequence[Hunk]]) -> dict[str, str]:
    """Return the base's files by path, from the hunks of each patch in order.

    Files that the series itself makes are left out. Raises Contradiction.
    """
    base: dict[str, _File] = {}
    now: dict[str, _File] = {}
    for number, hunks in enumerate(patches, 1):
        shift = 0
        before: Hunk | None = None
        for hunk in hunks:
            if before is None or hunk.file != before.file:
                shift = 0
                _enter(number, hunk, base, now)
            shift += _apply(number, now[hunk.file], hunk, shift)
            before = hunk
    return {path: _text(file) for path, file in base.items()}


def _enter(number: int, hunk: Hunk, base: dict[str, _File], now: dict[str, _File]) -> None:
    """Find the file that a patch's first hunk for it begins with, under its new name."""
    if not hunk.old_file:
        now[hunk.file] = _File([], [], made=True)
    elif hunk.old_file in now:
        if hunk.old_file != hunk.file:
            now[hunk.file] = now.pop(hunk.old_file)
    elif hunk.old_file in base:
        raise HunkConflict(number, hunk.old_file, hunk.old_start, "was renamed before")
    else:
        base[hunk.old_file] = now[hunk.file] = _File([], [])


def _apply(number: int, file: _File, hunk: Hunk, shift: int) -> int:
    """Apply a hunk, noting what it tells of the base; return by how much the file grew."""
    lines = [line for line in hunk.lines if not line.startswith("\\")]
    old = [line[1:] for line in lines if not line.startswith("+")]
    # An empty old side names the line that it follows.
    at = hunk.old_start + shift - (1 if old else 0)
    if not file.reach(at + len(old)):
        raise HunkConflict(number, hunk.file, hunk.old_start, "lies past the end of the file")
    for offset, text in enumerate(old):
        known = file.now[at + offset]
        if known.text is None:
            known.text = text
        elif known.text != text:
            place = hunk.old_start + offset
            raise HunkConflict(number, hunk.file, place, "is not what the patches before it leave")
    if hunk.heading and at > 0:
        file.now[at - 1].heading = hunk.heading
    kept = iter(file.now[at : at + len(old)])
    made = []
    for line in lines:
        if line.startswith("+"):
            made.append(_FileLine(line[1:]))
            continue
        known = next(kept)
        if not line.startswith("-"):
            made.append(known)
    file.now[at : at + len(old)] = made
    return len(made) - len(old)


def _text(file: _File) -> str:
    """Write the base's file; a line that nobody showed says its number, and no two are equal."""
    return "".join(
        f"{line.text if line.text is not None else line.heading or f'/* {number} */'}\n"
        for number, line in enumerate(file.base, 1)
    )
