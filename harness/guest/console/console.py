# SPDX-License-Identifier: GPL-2.0-only
"""Parses bindings from a guest's kernel log: driver, index, pages, duration. Pure.

A binding is exactly one complete report between exactly one complete pair of the agent's markers.
Anything else is a problem; nothing is guessed.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

import msgspec

from harness.project.series import FUNCTION

#: Four times the longest record that printk keeps (PRINTKRB_RECORD_MAX, kernel/printk/internal.h).
_MAX_LINE = 4096

_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[@-_]")
#: `<7>`, `[    1.234567]` and `[    T1]` or `[    C0]` in front of a message, as printk.time,
#: CONFIG_PRINTK_CALLER and `dmesg -r` put them there.
_PREFIX = re.compile(r"(?:<\d{1,4}>)?(?:\[ *\d+\.\d+\] ?)?(?:\[ *[TC]\d+\] ?)?")
_MARKER = re.compile(r"memmap-harness: <(begin|end) ([a-z0-9_]{1,32}) (\d{1,6})>")
_MARKER_START = re.compile(r"memmap-harness: <(?!(?:started|finished)>)")
# mm/mm_init.c: pr_debug("%s initialised %lu pages in %ums\n", __func__, …)
_REPORT = re.compile(rf"{FUNCTION} initialised (\d{{1,12}}) pages in (\d{{1,9}})ms(?![\w.])")
_STARTED = re.compile(r"memmap-harness: <started>")
_REPORT_START = re.compile(rf"{FUNCTION} +init")


class Binding(msgspec.Struct, frozen=True):
    """One binding: index 0 is the driver's first of this boot. `line` counts from 1."""

    driver: str
    index: int
    nr_pages: int
    ms: int
    line: int


class LogProblem(msgspec.Struct, frozen=True):
    """A problem of a log; `driver` is empty and `index` -1 if it belongs to no binding."""

    kind: str
    driver: str
    index: int
    line: int


class Bindings(msgspec.Struct, frozen=True):
    """The bindings and problems of a log.

    `booted` are the page counts reported before the agent started: bindings during boot.
    """

    found: tuple[Binding, ...]
    problems: tuple[LogProblem, ...]
    booted: tuple[int, ...] = ()

    def of(self, driver: str) -> list[Binding]:
        """Return the driver's bindings in order."""
        return [b for b in self.found if b.driver == driver]


class Marker(msgspec.Struct, frozen=True):
    """The agent's line at the begin or end of a binding."""

    what: str
    driver: str
    index: int


class BindingReport(msgspec.Struct, frozen=True):
    """The kernel's line on a binding."""

    nr_pages: int
    ms: int


class Started(msgspec.Struct, frozen=True):
    """The agent's first line."""


class Cut(msgspec.Struct, frozen=True):
    """An incomplete marker or report."""


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


def read_line(line: str) -> Marker | BindingReport | Started | Cut | None:
    """Return what a line says about a binding; None if nothing."""
    text = message(line)
    if marker := _MARKER.search(text):
        return Marker(marker[1], marker[2], int(marker[3]))
    if report := _REPORT.search(text):
        return BindingReport(int(report[1]), int(report[2]))
    if _STARTED.search(text):
        return Started()
    if _MARKER_START.search(text) or _REPORT_START.search(text):
        return Cut()
    return None


def bindings(text: str, asked: Mapping[str, int], lowest: Mapping[str, int] = {}) -> Bindings:
    """Return the bindings, of which `asked[driver]` are expected, and all problems.

    `lowest` are the indices of the first expected bindings, 0 by default. There are no problems if
    exactly the expected bindings were found.
    """
    reader = _ConsoleReader(asked, lowest)
    for number, line in enumerate(text.split("\n"), 1):
        reader.read(number, read_line(line))
    return reader.result()


class _ConsoleReader:
    """Reads the lines of a log in order."""

    def __init__(self, asked: Mapping[str, int], lowest: Mapping[str, int]) -> None:
        self._wanted = {
            driver: range(lowest.get(driver, 0), lowest.get(driver, 0) + number)
            for driver, number in asked.items()
        }
        self._reports: defaultdict[tuple[str, int], list[tuple[int, BindingReport]]] = defaultdict(
            list
        )
        self._begun: Counter[tuple[str, int]] = Counter()
        self._ended: Counter[tuple[str, int]] = Counter()
        self._next = dict(lowest)
        self._problems: list[LogProblem] = []
        self._open: tuple[str, int] | None = None
        self._last_line = 0
        self._started = False
        self._booted: list[int] = []

    def read(self, number: int, said: Marker | BindingReport | Started | Cut | None) -> None:
        self._last_line = number
        match said:
            case Started():
                self._started = True
            case Marker("begin", driver, index):
                self._begin(number, (driver, index))
            case Marker(_, driver, index):
                self._end(number, (driver, index))
            case BindingReport() if self._open is not None:
                self._reports[self._open].append((number, said))
            case BindingReport() if not self._started and not self._begun:
                self._booted.append(said.nr_pages)
            case BindingReport():
                self._problem("report outside any binding", number)
            case Cut():
                self._problem("line cut", number, self._open)

    def result(self) -> Bindings:
        if self._open is not None:
            self._problem("no end", self._last_line, self._open)
        found = [b for b in map(self._binding, self._expected()) if b is not None]
        return Bindings(tuple(found), tuple(self._problems), tuple(self._booted))

    def _expected(self) -> Iterator[tuple[str, int]]:
        for driver, indices in self._wanted.items():
            for index in indices:
                yield driver, index

    def _begin(self, number: int, binding: tuple[str, int]) -> None:
        driver, index = binding
        if self._open is not None:
            self._problem("no end", number, self._open)
        if index not in self._wanted.get(driver, ()):
            self._problem("not asked for", number, binding)
        elif self._begun[binding]:
            self._problem("begun twice", number, binding)
        elif index != self._next.get(driver, 0):
            self._problem("out of order", number, binding)
        self._next[driver] = index + 1
        self._begun[binding] += 1
        self._open = binding

    def _end(self, number: int, binding: tuple[str, int]) -> None:
        if self._open == binding:
            self._ended[binding] += 1
        else:
            self._problem("ended without beginning", number, binding)
            if self._open is not None:
                self._problem("no end", number, self._open)
        self._open = None

    def _binding(self, binding: tuple[str, int]) -> Binding | None:
        reports = self._reports[binding]
        whole = self._begun[binding] == self._ended[binding] == 1
        if whole and len(reports) == 1 and not self._named(binding):
            number, report = reports[0]
            return Binding(*binding, report.nr_pages, report.ms, number)
        if len(reports) > 1:
            self._problem("reported twice", reports[1][0], binding)
        elif not self._named(binding):
            self._problem("missing", self._last_line, binding)
        return None

    def _named(self, binding: tuple[str, int]) -> bool:
        return any((p.driver, p.index) == binding for p in self._problems)

    def _problem(self, kind: str, line: int, binding: tuple[str, int] | None = None) -> None:
        driver, index = binding or ("", -1)
        self._problems.append(LogProblem(kind, driver, index, line))
