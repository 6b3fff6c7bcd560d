# SPDX-License-Identifier: GPL-2.0-only
"""Parses unified diffs from mails into hunks. Pure.

A hunk's header says how many lines it has, so a diff that a mail program wrapped or cut is
refused before git sees it, with the line that is wrong.
"""

import itertools
import re

import msgspec

_GIT = re.compile(r"diff --git a/(?P<old>.+) b/(?P<new>.+)")
#: With git's diff.noprefix or diff.mnemonicPrefix.
_PLAIN = re.compile(r"diff --git (?!a/)\S+ (?!b/)\S+")
_NO_PREFIX = "the diff's paths lack a/ and b/; make it with `git format-patch --default-prefix`"
_CUT = "the diff's header is cut or wrapped"
#: Both lines begin a file's diff; quilt writes no others. Its old name may be FILE~NAME.
_OLD = re.compile(r"--- (?:a/([^\t]+)|/dev/null)(?:\t.*)?")
_NEW = re.compile(r"\+\+\+ [ab]/([^\t]+)(?:\t.*)?")
_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@ ?(.*)")
#: Headers of a file's diff that name paths or modes.
_NAMED = re.compile(r"(?:--- a/|\+\+\+ b/|rename (?:from|to) |copy (?:from|to) )(.+)")
_INDEX = re.compile(r"index ([0-9a-f]{7,64})\.\.[0-9a-f]{7,64}(?: \d+)?")
#: Symbolic links and submodules.
_SPECIAL = re.compile(r"(?:new file mode|new mode|index \S+) 1[26]0000")
#: A binary file of over 99 MB: git allocates that much.
_HUGE = re.compile(r"(?:literal|delta) 0*[1-9]\d{8,}")


class DiffError(ValueError):
    """A damaged or dangerous diff: the line, from 1, and what is wrong."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(what)
        self.line = line
        self.what = what


class Hunk(msgspec.Struct, frozen=True):
    """One hunk: its file, the line of the old file it begins at, its text with the header.

    `old_file` is the file's old name, "" if the patch creates it.
    """

    file: str
    old_start: int
    text: str
    old_file: str = ""

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines below the header, each with its mark: space, - or +."""
        # Mail programs strip the space of an empty line.
        return tuple(line or " " for line in self.text.split("\n")[1:])

    @property
    def heading(self) -> str:
        """The function's first line, which git adds after the header's numbers; "" for none."""
        match = _HUNK.fullmatch(self.text.partition("\n")[0])
        return "" if match is None else match[5]


def has_diff(lines: list[str]) -> bool:
    """Return whether lines hold the start of a diff, of git or quilt."""
    return any(line.startswith("diff --git ") for line in lines) or any(
        _OLD.fullmatch(old) and _NEW.fullmatch(new) for old, new in itertools.pairwise(lines)
    )


def parse_diff(lines: list[str]) -> tuple[Hunk, ...]:
    """Return the hunks of all files. Raises DiffError."""
    reader = _DiffReader(lines)
    while reader.at < len(lines):
        reader.step()
    return tuple(reader.hunks)


def preimages(lines: list[str]) -> dict[str, str]:
    """Return the old blob id of each file in a diff, by the file's old name.

    Ids are as short as in the diff, and all zeros for a new file.
    """
    found: dict[str, str] = {}
    file = None
    for line in lines:
        if match := _GIT.fullmatch(line):
            file = match["old"]
        elif file is not None and (match := _INDEX.fullmatch(line)):
            found.setdefault(file, match[1])
            file = None
    return found


class _DiffReader:
    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self.at = 0
        self.hunks: list[Hunk] = []
        self._file: str | None = None
        self._old_file = ""

    def step(self) -> None:
        line = self.lines[self.at]
        if line.startswith("diff --git "):
            match = _GIT.fullmatch(line)
            if match is None:
                raise DiffError(self.at + 1, _NO_PREFIX if _PLAIN.fullmatch(line) else _CUT)
            self._name(match["old"])
            self._name(match["new"])
            self._file, self._old_file = match["new"], match["old"]
        elif (old := _OLD.fullmatch(line)) and (new := _NEW.fullmatch(self._next)):
            self._pair(old[1] or "", new[1])
        elif self._file is not None and (match := _NAMED.fullmatch(line)):
            self._name(match[1].partition("\t")[0])
        elif self._file is not None and _SPECIAL.match(line):
            raise DiffError(self.at + 1, f"makes {self._file} a link or submodule")
        elif self._file is not None and line.startswith("@@"):
            self._hunk()
            return
        elif self._file is not None and _HUGE.fullmatch(line):
            raise DiffError(self.at + 1, f"makes {self._file} larger than 99 MB")
        self.at += 1

    def _pair(self, old: str, new: str) -> None:
        """Begin a file's hunks; `old` is "" if the patch creates it."""
        if old:
            self._name(old)
        self.at += 1
        self._name(new)
        self._file, self._old_file = new, new if old.startswith(f"{new}~") else old

    @property
    def _next(self) -> str:
        return self.lines[self.at + 1] if self.at + 1 < len(self.lines) else ""

    def _name(self, name: str) -> None:
        parts = name.strip('"').split("/")
        if name.startswith(("/", '"/')) or ".." in parts or ".git" in (p.lower() for p in parts):
            raise DiffError(self.at + 1, f"touches {name}, outside a kernel tree")

    def _hunk(self) -> None:
        """Read one hunk and check its length against the header."""
        first = self.at
        match = _HUNK.fullmatch(self.lines[first])
        if match is None:
            raise DiffError(first + 1, "the hunk's header is wrapped or damaged")
        old, new = (1 if n is None else int(n) for n in (match[2], match[4]))
        self.at += 1
        while old > 0 or new > 0:
            if self.at == len(self.lines):
                raise DiffError(first + 1, "the hunk is cut short")
            kind = self.lines[self.at][:1]
            if kind not in (" ", "", "-", "+", "\\"):
                raise DiffError(self.at + 1, "the patch's lines were wrapped or damaged")
            old -= kind in (" ", "", "-")
            new -= kind in (" ", "", "+")
            self.at += 1
        if old or new:
            raise DiffError(first + 1, "the hunk does not have the lines that its header counts")
        after = self.lines[self.at] if self.at < len(self.lines) else ""
        # A line of dashes ends the mail or begins its signature; git would ignore other lines.
        if after.startswith("+") or (after.startswith("-") and not after.startswith("--")):
            raise DiffError(self.at + 1, "the hunk has more lines than its header counts")
        text = "\n".join(self.lines[first : self.at])
        self.hunks.append(Hunk(self._file or "", int(match[1]), text, self._old_file))
