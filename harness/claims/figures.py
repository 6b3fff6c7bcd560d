# SPDX-License-Identifier: GPL-2.0-only
"""Which driver, which binding, which build: the figures of a message, each with its lines.

Two forms are read. Blocks: a heading that names a build ("Base(v7.1-rc3):", "With this series:")
and lines of figures under it. Sentences: "lowers the average rebind time of dax_pmem from 313.45
ms to 240.42 ms". A figure whose driver, binding or build the text leaves open is named by its line.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Literal, TypeVar

import msgspec

from harness.claims import vocabulary
from harness.claims.message import Passage, UnreadLine
from harness.claims.pairing import Placed, paired
from harness.claims.quantities import Quantity, quantities
from harness.claims.vocabulary import Build, Scope

T = TypeVar("T")

#: More than anybody puts into a sentence.
MAX_FIGURES = 50


class Stated(msgspec.Struct, frozen=True):
    """A figure that the text states: milliseconds, or a percentage, which is of the mean.

    `driver` and `scope` are None where the text does not say. `at` is the line that the figure
    stands in, `lines` are all that say what it is of.
    """

    kind: Literal["first", "mean", "percent"]
    build: Build
    driver: str | None
    scope: Scope | None
    value: Decimal
    decimals: int
    at: int
    lines: tuple[int, ...]


def read_figures(passages: Sequence[Passage]) -> tuple[list[Stated], list[UnreadLine]]:
    """Return the figures of a message, and the lines whose figures it leaves open."""
    reader = _FigureReader()
    for passage in passages:
        reader.read(passage)
    return reader.stated, reader.problems


class _Said(msgspec.Struct):
    """A sentence, or a line of a block: what it says itself, and what it has from above."""

    text: str
    passage: Passage
    offset: int
    drivers: list[Placed[str]]
    kinds: list[Placed[str]]
    builds: list[Placed[Build]]
    scope: Scope | None
    driver: str | None = None
    kind: str | None = None
    above: tuple[int, ...] = ()

    def lines(self) -> tuple[int, ...]:
        stripped = self.text.lstrip()
        start = self.offset + len(self.text) - len(stripped)
        return self.above + self.passage.numbers_of(start, start + len(stripped.rstrip()))

    def line_of(self, item: Quantity) -> int:
        return self.passage.line_at(self.offset + item.start)


class _Block(msgspec.Struct):
    """What the lines under a heading share."""

    build: Build
    scope: Scope | None
    lines: tuple[int, ...]
    driver: str | None = None
    kind: str | None = None


class _FigureReader:
    def __init__(self) -> None:
        self.stated: list[Stated] = []
        self.problems: list[UnreadLine] = []
        self._block: _Block | None = None

    def read(self, passage: Passage) -> None:
        prose: list[tuple[int, str]] = []
        lines = passage.lines()
        if self._block is not None:
            # What stands above a gap may have been left out: its driver is none to go on with.
            self._block.driver = self._block.kind = None
        for index, (number, line) in enumerate(lines):
            after = lines[index + 1][1] if index + 1 < len(lines) else ""
            heading = vocabulary.heading(line, after)
            # A sentence ends a block, so its further lines are none of its rows.
            if heading is None and (prose or not self._block or not vocabulary.is_row(line)):
                prose.append((number, line))
                continue
            self._prose(prose)
            prose = []
            if heading is not None:
                self._block = _Block(heading.build, heading.scope, (number,))
                line = heading.rest
            if self._block is not None and line.strip():
                self._row(self._block, number, line)
        self._prose(prose)

    def _row(self, block: _Block, number: int, line: str) -> None:
        """Read a line of figures; what it does not say, the lines above it may have."""
        drivers, kinds = vocabulary.drivers(line), vocabulary.kinds(line)
        found = quantities(line)
        if not found:
            block.driver = drivers[-1].value if drivers else block.driver
            block.kind = kinds[-1].value if kinds else None
            block.lines = (block.lines[0], number)
            return
        said = _Said(
            text=line,
            passage=Passage.of([(number, line)]),
            offset=0,
            drivers=drivers,
            kinds=kinds,
            builds=[Placed(0, block.build)],
            scope=block.scope,
            driver=block.driver,
            kind=block.kind,
            above=block.lines,
        )
        self._state(said, found)
        block.driver = drivers[-1].value if drivers else block.driver
        block.kind = None

    def _prose(self, lines: list[tuple[int, str]]) -> None:
        if not lines:
            return
        self._block = None
        passage = Passage.of(lines)
        for start, end in vocabulary.sentences(passage.text):
            text = passage.text[start:end]
            found = quantities(text)
            if not found:
                continue
            scopes, builds = vocabulary.scopes(text)
            said = _Said(
                text=text,
                passage=passage,
                offset=start,
                drivers=vocabulary.drivers(text),
                kinds=vocabulary.kinds(text),
                builds=builds,
                scope=scopes.pop() if len(scopes) == 1 else None,
            )
            if len(scopes) > 1:
                self._leave(said, found[0], "is said of several patches in one sentence")
                continue
            self._state(said, found)

    def _state(self, said: _Said, found: list[Quantity]) -> None:
        """Add what the quantities of one text say, each with its driver, binding and build."""
        if len(found) > MAX_FIGURES:
            self._leave(said, found[0], f"is one of over {MAX_FIGURES} figures in one sentence")
            return
        readable = []
        for quantity in found:
            if quantity.problem:
                self._leave(said, quantity, quantity.problem)
            else:
                readable.append(quantity)
        pairs = vocabulary.from_to(said.text, found)
        items = [q for q in readable if q not in pairs.values()]
        in_turn = vocabulary.in_turn(said.text)
        drivers = _labels(said.drivers, said.driver, items, in_turn=in_turn)
        kinds = _labels(said.kinds, said.kind, items, in_turn=in_turn)
        alone = [q for q in items if q.unit == "ms" and q not in pairs]
        found_builds = paired(said.builds, [q.start for q in alone]) if said.builds else None
        builds = dict(zip(alone, found_builds or [], strict=False))
        before = len(self.stated)
        for index, item in enumerate(items):
            kind = kinds[index] if kinds else None
            if drivers is None:
                self._leave(said, item, "leaves open which driver it is of")
            elif kind is None:
                self._leave(said, item, "leaves open which binding it is of")
            elif item.unit == "%":
                self._percent(said, item, drivers[index], kind, is_less=bool(pairs))
            elif item in pairs:
                self._add(said, item, drivers[index], kind, "base")
                self._add(said, pairs[item], drivers[index], kind, "tip")
            elif builds.get(item) is None:
                self._leave(said, item, "leaves open which build it is of")
            else:
                self._add(said, item, drivers[index], kind, builds[item])
        self._drop_doubles(before)

    def _percent(
        self, said: _Said, item: Quantity, driver: str | None, kind: str, *, is_less: bool
    ) -> None:
        if kind != "mean":
            self._leave(said, item, "is of first bindings; only of averages a percentage is kept")
        elif not vocabulary.is_reduction(said.text, is_less=is_less):
            self._leave(said, item, "is not said to be a reduction of a time")
        elif item.value > 100:
            self._leave(said, item, "is more than all of the time")
        else:
            self._add(said, item, driver, "percent", "tip")

    def _add(
        self, said: _Said, item: Quantity, driver: str | None, kind: str, build: Build | None
    ) -> None:
        self.stated.append(
            msgspec.convert(
                {
                    "kind": kind,
                    "build": build,
                    "driver": driver,
                    "scope": said.scope,
                    "value": item.value,
                    "decimals": item.decimals,
                    "at": said.line_of(item),
                    "lines": said.lines(),
                },
                Stated,
            )
        )

    def _drop_doubles(self, first: int) -> None:
        """Of one text's figures since `first`, drop those that would be two of the same."""
        values: dict[tuple[object, ...], set[Decimal]] = {}
        for one in self.stated[first:]:
            values.setdefault((one.kind, one.build, one.driver), set()).add(one.value)
        for one in self.stated[first:]:
            if len(values[one.kind, one.build, one.driver]) > 1:
                self.stated.remove(one)
                what = f"{one.value} is one of several figures that may be of the same thing"
                self.problems.append(UnreadLine(one.at, what))

    def _leave(self, said: _Said, item: Quantity, what: str) -> None:
        line = said.line_of(item)
        figure = said.text[item.start : item.end]
        problem = what if item.problem else f"{figure!r} {what}"
        text = said.passage.text_at(said.offset + item.start).strip()
        self.problems.append(UnreadLine(line, problem, text))


def _labels(
    labels: Sequence[Placed[T]],
    default: T | None,
    items: Sequence[Quantity],
    *,
    in_turn: bool = False,
) -> list[T | None] | None:
    """A label for each item: the text's own, else the default; None where that is left open."""
    if not labels:
        return [default] * len(items)
    found = paired(labels, [item.start for item in items], in_turn=in_turn)
    if found is not None:
        return [*found]
    # "from … to … for a, from … to … for b: by … and …, respectively": each unit in its own way.
    own: dict[int, T] = {}
    for unit in ("ms", "%"):
        starts = [item.start for item in items if item.unit == unit]
        own |= zip(starts, paired(labels, starts, in_turn=in_turn) or [], strict=False)
    return [own[item.start] for item in items] if len(own) == len(items) else None
