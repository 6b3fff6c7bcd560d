# SPDX-License-Identifier: GPL-2.0-only
"""Patches whose tabs an archive turned to spaces: restored, and proved by git's own hashes.

A diff's index line names the file before and after it by hash. Context and removed lines are those
of the file before; added lines are tried with tabs where kernel code has them; and the result is
right if it has the hash of the file after. What has not is refused.
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence

import msgspec

from harness.parse.unwrap import Unwrapped, WrapError

#: With fewer digits a hash is an abbreviation, not a proof.
MIN_DIGITS = 7
#: Contents of a file of the base by path; None where there is none.
Read = Callable[[str], bytes | None]

_GIT = re.compile(r"diff --git a/(.+) b/(.+)")
_INDEX = re.compile(r"index ([0-9a-f]{4,40})\.\.([0-9a-f]{4,40})(?: [0-7]+)?")
_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+\d+(?:,(\d+))? @@.*")
_SPACES = re.compile(r" {2,}")
_TAB = 8


class _Hunk(msgspec.Struct):
    """Where it begins in the file before, counted from 0; its lines by their place in the patch."""

    start: int
    body: list[tuple[int, str]] = []


class _File(msgspec.Struct):
    line: int
    old: str
    new: str
    before: str = ""
    after: str = ""
    is_new: bool = False
    is_gone: bool = False
    hunks: list[_Hunk] = []


def restore(patch: Unwrapped, read: Read) -> tuple[tuple[str, ...], dict[str, bytes | None]]:
    """Return a patch's lines with their tabs, and the files as it leaves them (None: deleted).

    Raises WrapError by the line of the text it was unwrapped from: the file is another one in this
    tree, or no spelling of the added lines gives the file that the patch names.
    """
    lines = list(patch.lines)
    files: dict[str, bytes | None] = {}
    for file in _files(patch):
        if not file.hunks:
            continue
        before = b"" if file.is_new else files.get(file.old, read(file.old))
        number = patch.numbers[file.line]
        if before is None:
            raise WrapError(number, f"{file.old} is not in this tree")
        if min(len(file.before), len(file.after)) < MIN_DIGITS:
            raise WrapError(number, f"{file.new}: no index line names it by hash")
        if not file.is_new and not _blob_id(before).startswith(file.before):
            raise WrapError(number, f"{file.old} is not the one it was made for, {file.before}")
        spelled = _restored(file, before, patch)
        for place, line in spelled.lines.items():
            lines[place] = line
        if file.old != file.new:
            files[file.old] = None
        files[file.new] = None if file.is_gone else spelled.content
    return tuple(lines), files


class _Spelled(msgspec.Struct):
    lines: dict[int, str]
    content: bytes


def _files(patch: Unwrapped) -> Iterator[_File]:
    """The files of a patch that has been unwrapped, whose hunks' counts come out even."""
    file: _File | None = None
    at = 0
    while at < len(patch.lines):
        line = patch.lines[at]
        if match := _GIT.fullmatch(line):
            if file is not None:
                yield file
            file = _File(at, match[1], match[2])
        elif file is not None and (match := _INDEX.fullmatch(line)):
            file.before, file.after = match[1], match[2]
        elif file is not None and line.startswith(("new file", "deleted file")):
            file.is_new, file.is_gone = line.startswith("new"), line.startswith("deleted")
        elif file is not None and line == "GIT binary patch":
            raise WrapError(patch.numbers[at], "a binary patch cannot be restored")
        elif file is not None and (match := _HUNK.fullmatch(line)):
            at = _read_hunk(patch.lines, at, match, file)
            continue
        at += 1
    if file is not None:
        yield file


def _read_hunk(lines: Sequence[str], at: int, header: re.Match[str], file: _File) -> int:
    old, new = (1 if n is None else int(n) for n in (header[2], header[3]))
    # A hunk without old lines names the line that it follows.
    hunk = _Hunk(int(header[1]) - (1 if old else 0), [])
    at += 1
    while at < len(lines) and (old > 0 or new > 0 or lines[at].startswith("\\")):
        kind = lines[at][:1]
        old -= kind in (" ", "-")
        new -= kind in (" ", "+")
        hunk.body.append((at, lines[at]))
        at += 1
    file.hunks.append(hunk)
    return at


def _restored(file: _File, before: bytes, patch: Unwrapped) -> _Spelled:
    text = before.decode("utf-8", "surrogateescape")
    known = _spellings(text)
    for spell in (_leading, _inner, _as_is):
        # A line that the file has elsewhere was most likely moved or copied.
        for seen in (known, {}):
            spelled = _applied(file, text, _Speller(seen, spell), patch.numbers)
            wanted = "0" * 40 if file.is_gone else _blob_id(spelled.content)
            if wanted.startswith(file.after):
                return spelled
    raise WrapError(
        patch.numbers[file.line],
        f"{file.new}: its tabs became spaces, and no way to put them back gives {file.after}",
    )


class _Speller(msgspec.Struct):
    seen: dict[str, str]
    spell: Callable[[str], str]

    def __call__(self, content: str) -> str:
        return self.seen.get(_shown(content)) or self.spell(content)


def _applied(
    file: _File, before: str, spelled: Callable[[str], str], numbers: Sequence[int]
) -> _Spelled:
    """Apply a file's hunks exactly where they say. Raises WrapError where the file differs."""
    old = before.split("\n")
    ends_whole = old.pop() == ""
    if not ends_whole:
        old.append(before.rpartition("\n")[2])
    new: list[str] = []
    lines: dict[int, str] = {}
    at = 0
    for hunk in file.hunks:
        if hunk.start < at:
            raise WrapError(numbers[file.line], f"{file.new}: its hunks are out of order")
        new += old[at : hunk.start]
        at = hunk.start
        kind = ""
        for place, line in hunk.body:
            if line.startswith("\\"):
                ends_whole = ends_whole if kind == "-" else False
                continue
            kind, content = line[0], line[1:]
            if kind == "+":
                lines[place] = kind + spelled(content)
                new.append(lines[place][1:])
                ends_whole = ends_whole or at == len(old)
                continue
            if at >= len(old) or _shown(old[at]) != _shown(content):
                raise WrapError(numbers[place], f"{file.old} has something else here")
            lines[place] = kind + old[at]
            new += [old[at]] if kind == " " else []
            at += 1
    new += old[at:]
    text = "\n".join(new) + ("\n" if ends_whole and new else "")
    return _Spelled(lines, text.encode("utf-8", "surrogateescape"))


def _blob_id(content: bytes) -> str:
    """The name that git gives a file's content."""
    data = b"blob %d\0" % len(content) + content
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


def _shown(content: str) -> str:
    """A line as an archive shows it, whose tab stops count the diff's own column."""
    return f" {content}".expandtabs(_TAB)[1:]


def _spellings(text: str) -> dict[str, str]:
    """How the lines of a file that have tabs are spelled, by how they are shown; if in one way."""
    found: dict[str, set[str]] = {}
    for line in text.split("\n"):
        found.setdefault(_shown(line), set()).add(line)
    return {shown: lines.pop() for shown, lines in found.items() if len(lines) == 1}


def _leading(content: str) -> str:
    """Indent with as many tabs as fit, as kernel code does."""
    column = 1 + len(content) - len(content.lstrip(" "))
    tabs, spaces = divmod(column, _TAB)
    return "\t" * tabs + " " * spaces + content.lstrip(" ") if tabs else content


def _inner(content: str) -> str:
    """Also put tabs between words, where several spaces end at a tab stop."""

    def tabs(run: re.Match[str]) -> str:
        start, end = run.start() + 1, run.end() + 1
        return "\t" * (end // _TAB - start // _TAB) if end % _TAB == 0 else run[0]

    indent = len(content) - len(content.lstrip(" "))
    spaced = _SPACES.sub(lambda run: tabs(run) if run.start() >= indent else run[0], content)
    return _leading(spaced)


def _as_is(content: str) -> str:
    return content
