# SPDX-License-Identifier: GPL-2.0-only
"""Reconstructs the files that a series was made from, as far as its hunks show them. Pure.

A posted version's base is often unavailable, but its patches have the context and line of each
change. That is enough to commit the series and let git compare it with another version. Lines that
no hunk shows get a placeholder.
"""

from collections.abc import Sequence

import msgspec

from harness.git.diff import Hunk


class HunkConflict(ValueError):
    """A hunk contradicts the patches before it."""

    def __init__(self, patch: int, file: str, line: int, what: str) -> None:
        super().__init__(f"{file}:{line}: {what}")
        self.patch = patch
        self.file = file
        self.line = line


class _FileLine:
    """A line of a file, `text` None while no hunk has shown it. `heading` is a guess at it."""

    __slots__ = ("heading", "text")

    def __init__(self, text: str | None = None) -> None:
        self.text = text
        self.heading = ""


class _File(msgspec.Struct):
    """A file in the base, and after the patches so far; `made` if the series creates it."""

    base: list[_FileLine]
    now: list[_FileLine]
    made: bool = False

    def reach(self, length: int) -> bool:
        """Extend the file to `length` lines; return False if its length is known to be less."""
        missing = [_FileLine() for _ in range(length - len(self.now))]
        if self.made and missing:
            return False
        self.base += missing
        self.now += missing
        return True


def implied_base(patches: Sequence[Sequence[Hunk]]) -> dict[str, str]:
    """Return the base's files by path, from the hunks of each patch in order.

    Files that the series creates are left out. Raises HunkConflict.
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
    """Enter the file of a patch's first hunk for it under its new name."""
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
    """Apply a hunk and record the lines it shows; return by how many lines the file grew."""
    lines = [line for line in hunk.lines if not line.startswith("\\")]
    old = [line[1:] for line in lines if not line.startswith("+")]
    # A hunk that only adds is numbered by the line before it.
    at = hunk.old_start + shift - (1 if old else 0)
    if not file.reach(at + len(old)):
        raise HunkConflict(number, hunk.file, hunk.old_start, "lies past the end of the file")
    for offset, text in enumerate(old):
        known = file.now[at + offset]
        if known.text is None:
            known.text = text
        elif known.text != text:
            place = hunk.old_start + offset
            raise HunkConflict(number, hunk.file, place, "differs from what earlier patches leave")
    if hunk.heading and at > 0:
        file.now[at - 1].heading = hunk.heading
    before = iter(file.now[at : at + len(old)])
    made = []
    for line in lines:
        if line.startswith("+"):
            made.append(_FileLine(line[1:]))
            continue
        known = next(before)
        if not line.startswith("-"):
            made.append(known)
    file.now[at : at + len(old)] = made
    return len(made) - len(old)


def _text(file: _File) -> str:
    """Return the base's file; the placeholder of an unknown line is unique, so git aligns none."""
    return "".join(
        f"{line.text if line.text is not None else line.heading or f'/* {number} */'}\n"
        for number, line in enumerate(file.base, 1)
    )
