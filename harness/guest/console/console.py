# SPDX-License-Identifier: GPL-2.0-only
"""Finds the steps of a workload in a guest's kernel log. Pure.

A step is exactly one figure between exactly one complete pair of the agent's markers, or a figure
that names its metric. Anything else is a problem; nothing is guessed.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping

import msgspec

from harness.workloads.figures import Cut, Figure, LogProblem, Step, Steps
from harness.workloads.workload import Expected

#: Four times the longest record that printk keeps (PRINTKRB_RECORD_MAX, kernel/printk/internal.h).
_MAX_LINE = 4096

_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[@-_]")
#: `<7>`, `[    1.234567]` and `[    T1]` or `[    C0]` in front of a message, as printk.time,
#: CONFIG_PRINTK_CALLER and `dmesg -r` put them there.
_PREFIX = re.compile(r"(?:<\d{1,4}>)?(?:\[ *\d+\.\d+\] ?)?(?:\[ *[TC]\d+\] ?)?")
_AGENT = "memmap-harness: <"
_MARKER = re.compile(r"memmap-harness: <(begin|end) ([a-z0-9_]{1,32}) (\d{1,6})>")
_MARKER_START = re.compile(r"memmap-harness: <(?!(?:started|finished)>)")
_STARTED = re.compile(r"memmap-harness: <started>")
#: What a message of the kernel states (Workload.read).
Reading = Callable[[str], Figure | Cut | None]


class Marker(msgspec.Struct, frozen=True):
    """The agent's line at the begin or end of a step."""

    what: str
    metric: str
    index: int


class Started(msgspec.Struct, frozen=True):
    """The agent's first line."""


def is_logged(line: str) -> bool:
    """Return whether the kernel has printed a console line: it has a level or a time."""
    match = _PREFIX.match(_ANSI.sub("", line[:_MAX_LINE]))
    return match is not None and match.end() > 0


def message(line: str) -> str:
    """Return a console line without colours, carriage return, level, time and caller.

    It is cut to _MAX_LINE: a guest may print a line that never ends.
    """
    line = line[:_MAX_LINE]
    line = _ANSI.sub("", line).replace("\r", "")
    return line[match.end() :] if (match := _PREFIX.match(line)) else line


def is_marker(text: str) -> bool:
    """Return whether a message is a line of the agent, if only the beginning of one."""
    return _AGENT in text


def read_line(line: str, read: Reading) -> Marker | Figure | Started | Cut | None:
    """Return what a line says about a step; None if nothing."""
    text = message(line)
    if marker := _MARKER.search(text):
        return Marker(marker[1], marker[2], int(marker[3]))
    if (stated := read(text)) is not None:
        return stated
    if _STARTED.search(text):
        return Started()
    return Cut() if _MARKER_START.search(text) else None


def steps(text: str, expected: Mapping[str, Expected], read: Reading) -> Steps:
    """Return the steps and all problems; none if exactly the expected steps were found."""
    reader = _ConsoleReader(expected)
    for number, line in enumerate(text.split("\n"), 1):
        reader.read(number, read_line(line, read))
    return reader.result()


class _ConsoleReader:
    """Reads the lines of a log in order."""

    def __init__(self, expected: Mapping[str, Expected]) -> None:
        self._wanted = {metric: of_metric.indices for metric, of_metric in expected.items()}
        self._figures: defaultdict[tuple[str, int], list[tuple[int, Figure]]] = defaultdict(list)
        self._begun: Counter[tuple[str, int]] = Counter()
        self._ended: Counter[tuple[str, int]] = Counter()
        self._next = {metric: of_metric.lowest for metric, of_metric in expected.items()}
        self._problems: list[LogProblem] = []
        self._open: tuple[str, int] | None = None
        self._last_line = 0
        self._started = False
        self._early: list[Figure] = []

    def read(self, number: int, said: Marker | Figure | Started | Cut | None) -> None:
        self._last_line = number
        match said:
            case Started():
                self._started = True
            case Marker("begin", metric, index):
                self._begin(number, (metric, index))
            case Marker(_, metric, index):
                self._end(number, (metric, index))
            case Figure() if said.metric:
                self._stated(number, said)
            case Figure() if self._open is not None:
                self._figures[self._open].append((number, said))
            case Figure() if not self._started and not self._begun:
                self._early.append(said)
            case Figure():
                self._problem("figure outside any step", number)
            case Cut():
                self._problem("line cut", number, self._open)

    def result(self) -> Steps:
        if self._open is not None:
            self._problem("no end", self._last_line, self._open)
        found = [step for step in map(self._step, self._expected()) if step is not None]
        return Steps(tuple(found), tuple(self._problems), tuple(self._early))

    def _expected(self) -> Iterator[tuple[str, int]]:
        for metric, indices in self._wanted.items():
            for index in indices:
                yield metric, index

    def _begin(self, number: int, step: tuple[str, int]) -> None:
        metric, index = step
        if self._open is not None:
            self._problem("no end", number, self._open)
        if index not in self._wanted.get(metric, ()):
            self._problem("not asked for", number, step)
        elif self._begun[step]:
            self._problem("begun twice", number, step)
        elif index != self._next.get(metric, 0):
            self._problem("out of order", number, step)
        self._next[metric] = index + 1
        self._begun[step] += 1
        self._open = step

    def _end(self, number: int, step: tuple[str, int]) -> None:
        if self._open == step:
            self._ended[step] += 1
        else:
            self._problem("ended without beginning", number, step)
            if self._open is not None:
                self._problem("no end", number, self._open)
        self._open = None

    def _stated(self, number: int, figure: Figure) -> None:
        """Take a figure that is a step by itself: the next one of its metric."""
        step = (figure.metric, self._next.get(figure.metric, 0))
        self._next[figure.metric] = step[1] + 1
        if step[1] not in self._wanted.get(figure.metric, ()):
            self._problem("not asked for", number, step)
        self._begun[step] += 1
        self._ended[step] += 1
        self._figures[step].append((number, figure))

    def _step(self, step: tuple[str, int]) -> Step | None:
        figures = self._figures[step]
        whole = self._begun[step] == self._ended[step] == 1
        if whole and len(figures) == 1 and not self._named(step):
            number, figure = figures[0]
            return Step(*step, figure.nr_pages, figure.ns, number, figure.step_ns)
        if len(figures) > 1:
            self._problem("reported twice", figures[1][0], step)
        elif not self._named(step):
            self._problem("missing", self._last_line, step)
        return None

    def _named(self, step: tuple[str, int]) -> bool:
        return any((p.metric, p.index) == step for p in self._problems)

    def _problem(self, kind: str, line: int, step: tuple[str, int] | None = None) -> None:
        metric, index = step or ("", -1)
        self._problems.append(LogProblem(kind, metric, index, line))
