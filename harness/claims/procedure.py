# SPDX-License-Identifier: GPL-2.0-only
"""Reads the paragraphs of mails and returns how the author measured: base, rebinds, namespaces."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from harness.claims.message import LineProblem, Passage

_TAG = r"(v\d{1,3}\.\d{1,3}(?:\.\d{1,4})?(?:-rc\d{1,3})?)(?![\w-]|\.\d)"
_BASE = (
    re.compile(
        r"\bbase(?:line|d)?\b(?:\s+(?:is|on|top|of|the|kernel|tree|tag|release))*\s*[(:=]?\s*"
        r"(?:Linux\s+)?" + _TAG,
        re.IGNORECASE,
    ),
    re.compile(
        r"\b(?:before|without|unpatched|vanilla|original)\b[^\n(]{0,40}\(\s*" + _TAG + r"\s*\)",
        re.IGNORECASE,
    ),
    re.compile(r"\b(?:on top of|appl(?:y|ies)(?: cleanly)? (?:to|on))\s+" + _TAG, re.IGNORECASE),
)
_REBINDS = (
    re.compile(
        r"\b(?:re-?bind|re-?bound|bind|unbind|bound|unbound)\w*\b[^.;]{0,120}?(?<![\d.,])"
        r"(\d{1,6})\s+(?:times(?!\s+(?:as|faster|slower|longer|shorter|more|less))|cycles|rounds)\b",
        re.IGNORECASE,
    ),
    re.compile(
        r"(?<![\d.,])\b(\d{1,6})\s+(?:consecutive\s+|subsequent\s+|driver\s+)?"
        r"(?:re-?bind|unbind[/ -](?:re-?)?bind|bind[/ -]unbind)",
        re.IGNORECASE,
    ),
)
_HZ = (re.compile(r"\b(?:CONFIG_)?HZ\s*(?:=|is|of)\s*(\d{2,5})\b"),)
_FUNCTION = (
    re.compile(
        r"\b(?:output|time|cost)s?\s+(?:of|from|in|spent in|taken by)\s+([a-z_]\w{2,80})\(\)"
    ),
)
_SIZE = re.compile(r"(?<![\d.,])(\d{1,6})\s?([KMGT])(?:i?B)?\b(?![ -]align)")
_OF_ALIGN = re.compile(r"align\w*\s*(?:=|is|of|to|:)?\s*$", re.IGNORECASE)
_MAP = re.compile(r"\bmap\s?(?:=|is|of)\s?(dev|mem)\b", re.IGNORECASE)
_ALIGN = re.compile(
    r"\balign(?:ment|ed)?\s?(?:=|is|of|to|:)?\s?(\d{1,12})\s?(?:([KMG])(?:i?B)?)?\b", re.IGNORECASE
)
#: Words allowed between a size and the mode it belongs to, so that "64 GB of memory and a
#: namespace" has no namespace size.
_FILLING = (
    r"namespaces?|nvdimms?|pmem|emulated|sparse|devices?|one|an?|as|in|of|is|on|with|mode|size"
    r"|configured"
)
_IN_FRONT = re.compile(rf"(?:[\s-]|\b(?:{_FILLING})\b)*", re.IGNORECASE)
_BEHIND = re.compile(rf"(?:[\s,:;(=-]|\b(?:{_FILLING})\b)*", re.IGNORECASE)
#: Far more than any paragraph describes.
MAX_NAMESPACES = 50
_SHARED = re.compile(r"\b(?:two|both|each)\b", re.IGNORECASE)
_SOUGHT = {"base": _BASE, "rebinds": _REBINDS, "hz": _HZ, "function": _FUNCTION}


class NamespaceText(msgspec.Struct, frozen=True):
    """A namespace as described. GB means 1024^3, as for QEMU and ndctl."""

    mode: str
    size: str
    map: str | None = None
    align: str | None = None

    @property
    def known(self) -> str:
        """Its size, and how it is mapped and aligned if that is described."""
        named = {"map": self.map, "align": self.align}
        return " ".join([self.size, *(f"{k}={v}" for k, v in named.items() if v)])


class Procedure(msgspec.Struct, frozen=True):
    """How the author measured; None or () means that the mails do not say.

    `lines` are the numbers of the lines that say so, by field.
    """

    base: str | None = None
    rebinds: int | None = None
    hz: int | None = None
    function: str | None = None
    namespaces: tuple[NamespaceText, ...] = ()
    lines: dict[str, tuple[int, ...]] = {}


class _Hit(NamedTuple):
    value: Any
    numbers: tuple[int, ...]


def read_procedure(
    passages: Sequence[Passage], mode: re.Pattern[str]
) -> tuple[Procedure, list[LineProblem]]:
    """Return the procedure that all mails of a version describe, and their contradictions.

    `mode` finds the modes of namespaces.
    """
    problems: list[LineProblem] = []
    lines: dict[str, tuple[int, ...]] = {}
    values: dict[str, Any] = {}
    for name, patterns in _SOUGHT.items():
        found = [
            _Hit(match[1], passage.numbers_of(*match.span()))
            for passage in passages
            for pattern in patterns
            for match in pattern.finditer(passage.text)
        ]
        other = next((hit for hit in found if hit.value != found[0].value), None)
        if other is not None:
            problems.append(_contradiction(name, found[0], other))
        elif found:
            values[name] = found[0].value if name in ("base", "function") else int(found[0].value)
            lines[name] = found[0].numbers
    spaces = _namespaces(passages, mode, problems)
    if spaces:
        lines["namespaces"] = tuple(sorted({n for space in spaces for n in space.numbers}))
    described = tuple(space.value for space in spaces)
    return Procedure(**values, namespaces=described, lines=lines), problems


def other_namespace(text: str, space: NamespaceText) -> str:
    """Return a size, map or alignment in a text that a described namespace does not have, or ""."""
    sizes = [
        (f"{int(size[1])}{size[2]}", space.size)
        for size in _SIZE.finditer(text)
        if not _OF_ALIGN.search(text, max(0, size.start() - 20), size.start())
    ]
    known = space.map and f"map={space.map}"
    maps = [(f"map={found[1].lower()}", known) for found in _MAP.finditer(text)]
    return next((said for said, own in (*sizes, *maps) if own and said != own), "")


def _contradiction(name: str, *hits: _Hit) -> LineProblem:
    one, two = sorted(hits, key=lambda hit: hit.numbers)
    what = f"says {name} {two.value}; line {one.numbers[0]} says {one.value}"
    return LineProblem(two.numbers[0], what, fatal=True)


def _namespaces(
    passages: Iterable[Passage], mode: re.Pattern[str], problems: list[LineProblem]
) -> list[_Hit]:
    """Return each mode's namespace, with all that is said of it."""
    found: dict[str, _Hit] = {}
    for passage in passages:
        for space, numbers in _described(passage, mode):
            known, first = found.setdefault(space.mode, _Hit(space, numbers))
            for name in ("size", "map", "align"):
                one, two = getattr(known, name), getattr(space, name)
                if one and two and one != two:
                    what = f"{space.mode} namespace {name}"
                    problems.append(_contradiction(what, _Hit(one, first), _Hit(two, numbers)))
            joined = NamespaceText(
                known.mode, known.size, known.map or space.map, known.align or space.align
            )
            found[space.mode] = _Hit(joined, first)
    return list(found.values())


def _described(
    passage: Passage, named: re.Pattern[str]
) -> Iterator[tuple[NamespaceText, tuple[int, ...]]]:
    """Yield each mode that has a size, with what is said of it before the next mode or size."""
    text = passage.text
    modes = list(named.finditer(text))[:MAX_NAMESPACES]
    sizes = [
        size
        for size in _SIZE.finditer(text)
        if not _OF_ALIGN.search(text, max(0, size.start() - 20), size.start())
    ]
    sized = _sized(text, modes, sizes[: 2 * MAX_NAMESPACES])
    for index, mode in enumerate(modes):
        after = modes[index + 1].start() if index + 1 < len(modes) else len(text)
        size = sized.get(index)
        if size is None:
            continue
        until = next((s.start() for s in sizes if s.start() > max(mode.end(), size.end())), after)
        own = text[mode.end() : min(after, until)]
        mapped, align = _MAP.search(own), _ALIGN.search(own)
        yield (
            NamespaceText(
                mode=mode[1].lower(),
                size=f"{int(size[1])}{size[2]}",
                map=mapped[1].lower() if mapped else None,
                align=f"{align[1]}{(align[2] or '').upper()}" if align else None,
            ),
            passage.numbers_of(min(size.start(), mode.start()), mode.end() + len(own)),
        )


def _sized(
    text: str, modes: Sequence[re.Match[str]], sizes: Sequence[re.Match[str]]
) -> dict[int, re.Match[str]]:
    """Return the size of each mode, by index: its only unclaimed neighbour, or one for all."""
    if len({size[0] for size in sizes}) == 1 and _SHARED.search(text):
        return dict.fromkeys(range(len(modes)), sizes[0])
    beside = {
        index: [size for size in sizes if _are_neighbours(text, size, mode)]
        for index, mode in enumerate(modes)
    }
    found: dict[int, re.Match[str]] = {}
    while True:
        sure = next((index for index, own in beside.items() if len(own) == 1), None)
        if sure is None:
            return found
        (found[sure],) = beside.pop(sure)
        beside = {i: [s for s in own if s is not found[sure]] for i, own in beside.items()}


def _are_neighbours(text: str, size: re.Match[str], mode: re.Match[str]) -> bool:
    if size.start() < mode.start():
        return _IN_FRONT.fullmatch(text, size.end(), mode.start()) is not None
    return _BEHIND.fullmatch(text, mode.end(), size.start()) is not None
