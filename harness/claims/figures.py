# SPDX-License-Identifier: GPL-2.0-only
"""Reads the paragraphs of a mail and returns its figures: metric, kind of binding, build and lines.

Three forms are read. Blocks: a heading that names a build ("Base(v7.1-rc3):", "With this series:")
and lines of figures under it; a title above them may name the metric. Tables: builds and the unit
in the header, a metric per row. Sentences: "lowers the average rebind time of pmem from 313.45 ms
to 240.42 ms". A figure whose metric, binding or build the text leaves open is a problem, and so
is one that may be another quantity: a median, a total, a share of the time.
"""

import itertools
from collections.abc import Sequence
from decimal import Decimal
from typing import Literal, NamedTuple

import msgspec

from harness.claims import vocabulary
from harness.claims.message import LineProblem, Passage
from harness.claims.quantities import FACTOR, Quantity, quantities
from harness.claims.vocabulary import BindingKind, Build, NamedSetup, Placed, Scope, T
from harness.claims.words import Words

Kind = BindingKind | Literal["percent", "times"]
_UNITS = {"percent": "%", "times": "times"}
#: Far more than any sentence has.
MAX_FIGURES = 50


class Stated(msgspec.Struct, frozen=True):
    """A stated figure: milliseconds, or a percentage of the mean, or by how often it is better.

    `driver`, `scope` and `setup` are None if the text does not say. `at` is the figure's own line,
    `lines` are all lines that say what it is, `setup_lines` those that name the set-up;
    `titles` are above them.
    """

    kind: Kind
    build: Build
    metric: str | None
    scope: Scope | None
    value: Decimal
    decimals: int
    at: int
    lines: tuple[int, ...]
    setup: NamedSetup | None = None
    setup_lines: tuple[int, ...] = ()
    titles: str = ""

    @property
    def unit(self) -> str:
        """`%`, `times` or `ms`."""
        return _UNITS.get(self.kind, "ms")


class FiguresRead(NamedTuple):
    """The figures of a mail, the lines whose figures are not clear, and all set-ups it names."""

    stated: list[Stated]
    problems: list[LineProblem]
    setups: set[NamedSetup]


def read_figures(passages: Sequence[Passage], words: Words) -> FiguresRead:
    """Return the figures of a mail, what is not clear, and the set-ups that it names."""
    reader = _FigureReader(words)
    for passage in passages:
        reader.read(passage)
    return FiguresRead(reader.stated, reader.problems, reader.setups)


class _SetupRead(NamedTuple):
    """A set-up, and the lines that name it."""

    named: NamedSetup | None
    lines: tuple[int, ...]


_NO_SETUP = _SetupRead(None, ())


class _Block(msgspec.Struct):
    """A heading, and what the lines under it share."""

    build: Build
    scope: Scope | None
    lines: tuple[int, ...]
    metric: str | None = None
    kind: BindingKind | None = None
    title_line: tuple[int, ...] = ()


class _Sentence(msgspec.Struct):
    """A sentence, or a line of a block, which gives what the line itself does not say."""

    text: str
    passage: Passage
    offset: int
    builds: list[Placed[Build]]
    scope: Scope | None
    block: _Block | None = None
    title: str = ""
    above: str = ""

    def lines(self) -> tuple[int, ...]:
        stripped = self.text.lstrip()
        start = self.offset + len(self.text) - len(stripped)
        own = self.passage.numbers_of(start, start + len(stripped.rstrip()))
        return (self.block.title_line + self.block.lines if self.block else ()) + own


class _FigureReader:
    def __init__(self, words: Words) -> None:
        self._words = words
        self.stated: list[Stated] = []
        self.problems: list[LineProblem] = []
        self._block: _Block | None = None
        #: The sentence above a block, its last line, and the set-up that was named last.
        self._title, self._title_line = "", 0
        self.setups: set[NamedSetup] = set()
        self._setup = _NO_SETUP
        #: The set-up that a text without figures named last: it is that of the paragraphs below.
        self._titled = _NO_SETUP
        self._changelog = ""
        #: The title that the paragraphs below it are under.
        self._above = ""

    def read(self, passage: Passage) -> None:
        prose: list[tuple[int, str]] = []
        lines = passage.lines()
        self._setup = self._titled
        if self._block is not None:
            # Its driver may not be that of the lines above the gap.
            self._block.metric = self._block.kind = None
        header: tuple[int, str] | None = None
        for index, (number, line) in enumerate(lines):
            after = lines[index + 1][1] if index + 1 < len(lines) else ""
            if header and vocabulary.is_table_row(line):
                self._table_row(header, number, line)
                continue
            header = (number, line) if vocabulary.table_unit(line, after) else None
            if header is not None:
                self._prose(prose)
                prose, self._block = [], None
                continue
            heading = self._words.heading(line, after)
            # A sentence ends the block, so its other lines are not rows.
            is_row = self._block and self._words.starts_row(lines[index : index + 3])
            if heading is None and (prose or not is_row):
                prose.append((number, line))
                continue
            self._prose(prose)
            prose = []
            if heading is not None:
                self._block = _Block(heading.build, heading.scope, (number,))
                self._block.metric = self._words.title_metric(self._title)
                self._block.title_line = (self._title_line,) if self._block.metric else ()
                line = heading.rest
            if self._block is not None and line.strip():
                self._row(self._block, number, line)
        self._prose(prose)

    def _row(self, block: _Block, number: int, line: str) -> None:
        """Read a line of figures, with defaults from the lines above it."""
        found = quantities(line)
        kinds = self._words.kinds(line)
        metrics = [name.value for name in self._words.metrics(line)]
        passage = Passage.of([(number, line)])
        builds = [Placed(0, block.build)]
        sentence = _Sentence(line, passage, 0, builds, block.scope, block, self._title, self._above)
        before = self._setup
        self._set_up(line, (number,), has_figures=bool(found))
        if found:
            self._state(sentence, found)
            self._setup = before  # that of another row is its own
        else:
            block.lines = (block.lines[0], number)
        block.metric = [block.metric, *metrics][-1]
        block.kind = kinds[-1].value if kinds and not found else None

    def _table_row(self, header: tuple[int, str], number: int, line: str) -> None:
        """Read a row of a table whose columns are builds; report it if they are not clear."""
        if not any(map(str.isalnum, line)):
            return
        label, *cells = vocabulary.cells(line)
        unit = vocabulary.table_unit(header[1], line)
        name, columns = self._words.columns(header[1])
        if not columns or len(columns) != len(cells):
            what = "is a row of a table whose columns are not clear"
            self.problems.append(LineProblem(number, what, line.strip()))
            return
        for build, cell in zip(columns, cells, strict=True):
            block = _Block(build.build, build.scope, (header[0],))
            self._row(block, number, f"{name} {label}: {cell} {unit}")

    def _prose(self, lines: list[tuple[int, str]]) -> None:
        if not lines:
            return
        self._block = None
        if vocabulary.has_unit(self._title):
            for number, line in lines:
                if vocabulary.is_table_row(line) and any(map(str.isdigit, line)):
                    what = "is a row of a table whose columns are not clear"
                    self.problems.append(LineProblem(number, what, line.strip()))
        passage = Passage.of(lines)
        for start, end in vocabulary.sentences(passage.text):
            text = passage.text[start:end]
            self._changelog = vocabulary.changelog(text, self._changelog)
            found = quantities(text)
            lines_of_it = passage.numbers_of(start, max(start, end - 1))
            self._set_up(text, lines_of_it, has_figures=bool(found))
            is_title = text.rstrip().endswith(":") or self._words.title_metric(text)
            self._title = text if is_title and not found else ""
            if not found:
                if not self._words.title_metric(text):
                    self._above = self._title
                continue
            scopes, builds = vocabulary.scopes(text)
            scope = scopes.pop() if len(scopes) == 1 else None
            sentence = _Sentence(text, passage, start, builds, scope, above=self._above)
            if len(scopes) > 1:
                self._leave(sentence, found[0], "is in a sentence about several patches")
                continue
            self._state(sentence, found)
        self._title_line = lines[-1][0]

    def _set_up(self, text: str, lines: tuple[int, ...], *, has_figures: bool) -> None:
        """Note the set-up that a text names: for its paragraph, and as a title for those below."""
        if (named := vocabulary.setup(text)) is None:
            return
        self.setups.add(named)
        self._setup = _SetupRead(named, lines)
        if not has_figures:
            self._titled = self._setup

    def _state(self, sentence: _Sentence, found: list[Quantity]) -> None:
        """Add each figure of a sentence with its driver, binding and build."""
        if len(found) > MAX_FIGURES:
            self._leave(sentence, found[0], f"is one of over {MAX_FIGURES} figures in one sentence")
            return
        readable = [quantity for quantity in found if not quantity.problem]
        for quantity in found:
            if quantity.problem:
                self._leave(sentence, quantity)
        # "Without this series it rises from A to B" has its tip first.
        has_base = "base" in [build.value for build in sentence.builds]
        pairs = {} if has_base else vocabulary.from_to(sentence.text, found)
        items = [q for q in readable if q not in pairs.values()]
        text, block = sentence.text, sentence.block
        in_turn = "respectively" in text.lower()
        metric, kind = (block.metric, block.kind) if block else (None, None)
        metrics = _labels(self._words.metrics(text), metric, items, in_turn=in_turn)
        kinds = _labels(self._words.kinds(text), kind, items, in_turn=in_turn)
        alone = [q for q in items if q not in pairs and vocabulary.is_time(text, q)]
        found_builds = paired(sentence.builds, [q.start for q in alone])
        builds = dict(zip(alone, found_builds or [], strict=False))
        less = vocabulary.reductions(text, found, is_less=bool(pairs))
        before = len(self.stated)
        for index, item in enumerate(items):
            kind = kinds[index] if kinds else None
            metric = metrics[index] if metrics else None
            if metrics is None:
                self._leave(sentence, item, "does not say which driver it is for")
            elif kind is None or kind == "rebind":
                what = "which binding it is for" if kind is None else "that it is an average"
                self._leave(sentence, item, f"does not say {what}")
            elif item.unit != "ms":
                self._relative(sentence, item, metric, kind, is_less=item in less)
            elif item in pairs:
                self._add(sentence, item, metric, kind, "base")
                self._add(sentence, pairs[item], metric, kind, "tip")
            elif item in builds:
                self._add(sentence, item, metric, kind, builds[item])
            else:
                self._leave(sentence, item, "does not say which build it is for")
        self._drop_ambiguous(before)

    def _relative(
        self, sentence: _Sentence, item: Quantity, metric: str | None, kind: Kind, *, is_less: bool
    ) -> None:
        if kind != "mean":
            self._leave(
                sentence, item, "is about first bindings; only percentages of averages are read"
            )
        elif item.unit == "x" and item.value > 1:
            self._add(sentence, item, metric, "times", "tip")
        elif not is_less:
            self._leave(sentence, item, "is not stated as a reduction of a time")
        elif item.value > 100:
            self._leave(sentence, item, "is more than 100 %")
        else:
            self._add(sentence, item, metric, "percent", "tip")

    def _add(
        self, sentence: _Sentence, item: Quantity, metric: str | None, kind: Kind, build: Build
    ) -> None:
        above = sentence.above if self._words.is_condition(sentence.above) else ""
        text = f"{above}\n{sentence.title}\n{sentence.text}"
        scope = sentence.block.scope if sentence.block else None
        unclear = vocabulary.unclear_patches(sentence.text, scope)
        if word := self._changelog or self._words.unclear_word(FACTOR.sub("", text)) or unclear:
            self._leave(sentence, item, f"is left open: {word!r} may change its meaning")
            return
        at = sentence.passage.line_at(sentence.offset + item.start)[0]
        figure, lines = (item.value, item.decimals, at), sentence.lines()
        titles = f"{sentence.above}\n{sentence.title}"
        self.stated.append(
            Stated(kind, build, metric, sentence.scope, *figure, lines, *self._setup, titles)
        )

    def _drop_ambiguous(self, first: int) -> None:
        """Drop figures since index `first` that differ for the same driver, build and kind."""
        values: dict[tuple[object, ...], set[Decimal]] = {}
        for one in self.stated[first:]:
            values.setdefault((one.kind, one.build, one.metric), set()).add(one.value)
        for one in self.stated[first:]:
            if len(values[one.kind, one.build, one.metric]) > 1:
                self.stated.remove(one)
                what = f"{one.value} is one of several figures for the same thing"
                self.problems.append(LineProblem(one.at, what))

    def _leave(self, sentence: _Sentence, item: Quantity, what: str = "") -> None:
        """Report a figure that is not read."""
        line, text = sentence.passage.line_at(sentence.offset + item.start)
        problem = item.problem or f"{sentence.text[item.start : item.end]!r} {what}"
        self.problems.append(LineProblem(line, problem, text.strip()))


def _labels(
    labels: Sequence[Placed[T]],
    default: T | None,
    items: Sequence[Quantity],
    *,
    in_turn: bool = False,
) -> list[T | None] | None:
    """Return a label for each item: the text's, else the default; None if that is not clear."""
    if not labels:
        return [default] * len(items)
    found = paired(labels, [item.start for item in items], in_turn=in_turn)
    if found is not None:
        return [*found]
    # "from … to … for a, from … to … for b: by … and …, respectively": pair each unit separately.
    own: dict[int, T] = {}
    for unit in ("ms", "%"):
        starts = [item.start for item in items if item.unit == unit]
        own |= zip(starts, paired(labels, starts, in_turn=in_turn) or [], strict=False)
    return [own[item.start] for item in items] if len(own) == len(items) else None


def paired(
    labels: Sequence[Placed[T]], items: Sequence[int], *, in_turn: bool = False
) -> list[T] | None:
    """Return the label of each item, given the items' positions; None if that is not clear.

    One label is for all items. Several must each be before their items, or each after them; with
    `in_turn` (the text says "respectively") also all labels and then all items, or the reverse.
    """
    if len({label.value for label in labels}) == 1:
        return [labels[0].value] * len(items)
    placed: list[tuple[int, list[T]]] = [(label.at, [label.value]) for label in labels]
    placed = sorted(placed + [(at, []) for at in items], key=lambda pair: pair[0])
    grouped = itertools.groupby((names for _, names in placed), key=bool)
    runs = [(is_labels, list(run)) for is_labels, run in grouped]
    if in_turn and len(runs) == 2:
        return [label.value for label in labels] if len(labels) == len(items) else None
    if len(runs) % 2:
        return None
    found: list[T] = []
    for one, two in zip(runs[::2], runs[1::2], strict=True):
        (_, names), (_, of) = (one, two) if one[0] else (two, one)
        if any(name != names[0] for name in names):
            return None
        found += names[0] * len(of)
    return found
