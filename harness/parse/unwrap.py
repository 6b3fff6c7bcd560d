# SPDX-License-Identifier: GPL-2.0-only
"""Patches whose long lines an archive wrapped, unwrapped where only one way fits the counts.

A hunk's header counts its lines, so most often only one reading of a wrapped hunk comes out even.
Where several do, or none, the patch is refused: a patch that was guessed is worse than none.
Nothing is assumed of the archive but that it breaks lines behind a space, and none that is short.
"""

import re
from collections.abc import Sequence
from typing import Literal

import msgspec

#: No archive wraps lines at fewer columns: a piece and the word that did not fit exceed this.
MIN_COLUMNS = 60
#: No hunk is longer, and none is read in more ways at once.
MAX_HUNK_LINES = 100_000
MAX_READINGS = 200
#: No line is in more pieces.
MAX_PIECES = 20

_HUNK = re.compile(r"@@ -\d{1,9}(?:,(\d{1,9}))? \+\d{1,9}(?:,(\d{1,9}))? @@.*")
_FILE = re.compile(r"diff --git a/.+ b/.+(?<! )")
_FILE_OF_WORDS = re.compile(r"diff --git a/\S+ b/\S+")
_BEGINS_SECTION = re.compile(r"diff --git |@@ -\d+|-- ?$")
#: The lines of a file's header, none of which has a space at its end.
_HEADER = re.compile(
    r"(?:index |--- |\+\+\+ |(?:old|new|deleted file|new file) mode |(?:dis)?similarity index "
    r"|(?:rename|copy) (?:from|to) |Binary files |GIT binary patch$).*"
)
_HIDDEN = re.compile(r"\[email[ \u00a0]protected\]")

Tabs = Literal["kept", "unsure", "none"]


class WrapError(ValueError):
    """A patch that cannot be unwrapped: the line of the text, counted from 1, and why."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(what)
        self.line = line
        self.what = what


class Unwrapped(msgspec.Struct, frozen=True):
    """A text whose diffs are whole lines again; `numbers` are those its lines had before.

    `joined` are the numbers of the lines that were continuations. `tabs`: `kept` where the hunks
    have some, `unsure` where spaces may once have been tabs, `none` where nothing can have been.
    """

    lines: tuple[str, ...]
    numbers: tuple[int, ...]
    joined: tuple[int, ...]
    tabs: Tabs


def unwrap(lines: Sequence[str]) -> Unwrapped:
    """Return the lines of a mail or diff, unwrapped within its diffs. Raises WrapError."""
    reader = _Reader(lines)
    reader.read()
    numbers = [number for number, _ in reader.out]
    joined = sorted(set(range(1, len(lines) + 1)) - set(numbers))
    whole = tuple(line for _, line in reader.out)
    return Unwrapped(whole, tuple(numbers), tuple(joined), _tabs(reader.body))


class _Reader:
    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = lines
        self.at = 0
        #: Whole lines, each with the number of its first piece.
        self.out: list[tuple[int, str]] = []
        #: Those of them that are in hunks.
        self.body: list[str] = []

    def read(self) -> None:
        in_file = False
        while self.at < len(self.lines):
            line = self.lines[self.at]
            if line.startswith("diff --git "):
                in_file = True
                self._file()
            elif in_file and line.startswith("@@"):
                self._hunk()
            else:
                in_file = in_file and (_HEADER.fullmatch(line) is not None or not line)
                if in_file and line.endswith(" "):
                    raise WrapError(self.at + 1, "a wrapped line in a file's header")
                self._take(1)

    def _take(self, count: int) -> None:
        """Put the next `count` lines out as one."""
        self.out.append((self.at + 1, "".join(self.lines[self.at : self.at + count])))
        self.at += count

    def _file(self) -> None:
        for count, form in ((1, _FILE), (2, _FILE_OF_WORDS), (3, _FILE_OF_WORDS)):
            if form.fullmatch("".join(self.lines[self.at : self.at + count])):
                self._take(count)
                return
        raise WrapError(self.at + 1, "the diff's header is cut or wrapped")

    def _hunk(self) -> None:
        match = _HUNK.fullmatch(self.lines[self.at])
        if match is None:
            raise WrapError(self.at + 1, "the hunk's header is cut or damaged")
        old, new = (1 if n is None else int(n) for n in match.groups())
        if max(old, new) > MAX_HUNK_LINES:
            raise WrapError(self.at + 1, f"the hunk counts over {MAX_HUNK_LINES} lines")
        for count in _pieces(self.lines, self.at, old, new):
            if count > 1 and "" in self.lines[self.at : self.at + count]:
                raise WrapError(self.at + 1, "an archive took spaces at the end of lines away")
            self._take(count)
            number, line = self.out[-1]
            if _HIDDEN.search(line):
                raise WrapError(number, "an archive hid an address in the patch itself")
            if not line:
                # A context line that is empty, stripped of the space that says so.
                self.out[-1] = (number, " ")
            # Of the header only the words behind it can have had tabs.
            self.body.append(re.sub(r"^@@.*? @@", lambda head: "@" * len(head[0]), line))


class _State(msgspec.Struct, frozen=True):
    """How many lines of the old and of the new file a hunk still lacks."""

    old: int
    new: int

    @property
    def is_complete(self) -> bool:
        return self.old == self.new == 0


#: Where a state came from, and whether by joining a line to the one before; and in how many ways.
_Way = tuple[_State | None, bool, int]


def _pieces(lines: Sequence[str], start: int, old: int, new: int) -> list[int]:
    """Return of how many pieces the hunk's header and each of its lines are, if one way fits."""
    layers: list[dict[_State, _Way]] = [{_State(old, new): (None, False, 1)}]
    ends: list[tuple[int, _State]] = []
    while layers[-1]:
        layer, at = layers[-1], start + len(layers)
        if _may_end(lines, at):
            ends += [(len(layers) - 1, state) for state in layer if state.is_complete]
        layers.append(_next_layer(lines, at, layer) if at < len(lines) else {})
        if len(layers[-1]) > MAX_READINGS:
            raise WrapError(at + 1, "the hunk can be read in too many ways")
    # The line that no reading could go on with; behind the last one if all could.
    last = start + len(layers) - 1
    if not ends and last >= len(lines):
        raise WrapError(start + 1, "the hunk is cut short")
    ways = sum(layers[depth][state][2] for depth, state in ends)
    if ways > 1:
        raise WrapError(start + 1, "the hunk was wrapped, and its counts fit in several ways")
    if not ends or not _is_below(lines, start + 1 + ends[0][0]):
        raise WrapError(
            min(last + 1, len(lines)),
            "the patch was wrapped or damaged, and its counts do not tell how",
        )
    return _traced(layers, *ends[0])


def _next_layer(lines: Sequence[str], at: int, layer: dict[_State, _Way]) -> dict[_State, _Way]:
    following: dict[_State, _Way] = {}
    goes_on, kind = _may_go_on(lines, at), lines[at][:1] or " "
    for state, (_, _, ways) in layer.items():
        steps: list[tuple[_State, bool]] = []
        if goes_on:
            steps.append((state, True))
        if kind == "\\" or (kind in " +-" and not state.is_complete):
            old, new = state.old - (kind in " -"), state.new - (kind in " +")
            if old >= 0 and new >= 0:
                steps.append((_State(old, new), False))
        for step, is_joined in steps:
            known = following.get(step)
            following[step] = (state, is_joined, min(2, ways + (known[2] if known else 0)))
    return following


def _may_go_on(lines: Sequence[str], at: int) -> bool:
    """Whether a line may be the rest of the one before it, if only the spaces at its end."""
    # An empty line may have been a space, before an archive took it away.
    before, line = lines[at - 1] or " ", lines[at]
    if not before.endswith(" "):
        return False
    indent = len(line) - len(line.lstrip())
    word = line[indent:].partition(" ")[0]
    return len(before.expandtabs()) + indent + len(word) > MIN_COLUMNS


def _is_below(lines: Sequence[str], at: int) -> bool:
    """Whether what stands at a place is what stands below a hunk, if the hunk is complete."""
    return at == len(lines) or not lines[at] or _BEGINS_SECTION.match(lines[at]) is not None


def _may_end(lines: Sequence[str], at: int) -> bool:
    """Whether a complete hunk may end at a place.

    Also before words that are no part of a patch; but between its sections there are none.
    """
    if _is_below(lines, at):
        return True
    near = range(at, min(at + MAX_PIECES, len(lines)))
    after = next((n for n in near if _is_below(lines, n)), None)
    return after is None or not lines[after]


def _traced(layers: Sequence[dict[_State, _Way]], depth: int, state: _State) -> list[int]:
    """The pieces of each line on the one way to a state."""
    pieces: list[int] = []
    count = 1
    for layer in reversed(layers[1 : depth + 1]):
        before, is_joined, _ = layer[state]
        if is_joined:
            count += 1
        else:
            pieces.append(count)
            count = 1
        assert before is not None  # noqa: S101 (only the first layer has none)
        state = before
    pieces.append(count)
    return pieces[::-1]


def _tabs(body: Sequence[str]) -> Tabs:
    if any("\t" in line for line in body):
        return "kept"
    # An archive that expands tabs leaves a space in front of a multiple of eight columns.
    stops = (line[column - 1] for line in body for column in range(8, len(line) + 1, 8))
    return "unsure" if " " in stops else "none"
