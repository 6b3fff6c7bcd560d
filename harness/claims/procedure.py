# SPDX-License-Identifier: GPL-2.0-only
"""How the author of a mail says the figures came about: base, namespaces, rebinds, clock."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from harness.claims.message import Passage, UnreadLine

MODES = {"fsdax": "nd_pmem", "devdax": "dax_pmem"}

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
_MODE = re.compile(r"\b(fsdax|devdax)\b", re.IGNORECASE)
_SIZE = re.compile(r"(?<![\d.,])(\d{1,6})\s?([KMGT])(?:i?B)?\b(?![ -]align)")
_OF_ALIGN = re.compile(r"align\w*\s*(?:=|is|of|to|:)?\s*$", re.IGNORECASE)
_MAP = re.compile(r"\bmap\s?(?:=|is|of)\s?(dev|mem)\b", re.IGNORECASE)
_ALIGN = re.compile(
    r"\balign(?:ment|ed)?\s?(?:=|is|of|to|:)?\s?(\d{1,12})\s?(?:([KMG])(?:i?B)?)?\b", re.IGNORECASE
)
#: All that may stand between a size and the mode it is of, in front of it or behind: "64 GB of
#: memory and an fsdax namespace" has none.
_FILLING = (
    r"namespaces?|nvdimms?|pmem|emulated|sparse|devices?|one|an?|as|in|of|is|on|with|mode|size"
    r"|configured"
)
_IN_FRONT = re.compile(rf"(?:[\s-]|\b(?:{_FILLING})\b)*", re.IGNORECASE)
_BEHIND = re.compile(rf"(?:[\s,:;(=-]|\b(?:{_FILLING})\b)*", re.IGNORECASE)
#: More than a paragraph describes.
MAX_NAMESPACES = 50
_SHARED = re.compile(r"\b(?:two|both|each)\b", re.IGNORECASE)


class NamespaceText(msgspec.Struct, frozen=True):
    """A namespace as described. Sizes are of 1024, as QEMU and ndctl count, whatever GB means."""

    mode: str
    size: str
    map: str | None = None
    align: str | None = None


class Procedure(msgspec.Struct, frozen=True):
    """What is said of how it was measured; None and () where nothing is.

    `lines` are the lines that say so, by the name of the field.
    """

    base: str | None = None
    rebinds: int | None = None
    hz: int | None = None
    function: str | None = None
    namespaces: tuple[NamespaceText, ...] = ()
    lines: dict[str, tuple[int, ...]] = {}


def read_procedure(passages: Sequence[Passage]) -> tuple[Procedure, list[UnreadLine]]:
    """Return the procedure that a message describes, and what it says twice differently."""
    problems: list[UnreadLine] = []
    lines: dict[str, tuple[int, ...]] = {}
    values: dict[str, Any] = {}
    for name, patterns in _SOUGHT.items():
        found = [hit for passage in passages for p in patterns for hit in _hits(passage, p)]
        value = _one(name, found, problems)
        if value is not None:
            values[name] = value if name in ("base", "function") else int(value)
            lines[name] = found[0][1]
    spaces = _namespaces(passages, problems)
    if spaces:
        lines["namespaces"] = tuple(sorted({n for _, numbers in spaces for n in numbers}))
    described = tuple(space for space, _ in spaces)
    return Procedure(**values, namespaces=described, lines=lines), problems


_SOUGHT: dict[str, tuple[re.Pattern[str], ...]] = {
    "base": _BASE,
    "rebinds": _REBINDS,
    "hz": _HZ,
    "function": _FUNCTION,
}
Hit = tuple[str, tuple[int, ...]]


def agreed(procedures: Sequence[Procedure], problems: list[UnreadLine]) -> Procedure:
    """Return what the procedures of a version's mails say together."""
    values: dict[str, Any] = {}
    lines: dict[str, tuple[int, ...]] = {}
    for procedure in procedures:
        for name, numbers in procedure.lines.items():
            new = getattr(procedure, name)
            if name != "namespaces" and values.setdefault(name, new) != new:
                said = (str(new), numbers[0]), (str(values[name]), lines[name][0])
                problems.append(_contradiction(name, *said))
            lines.setdefault(name, numbers)
    spaces: dict[str, NamespaceText] = {}
    for procedure in procedures:
        for space in procedure.namespaces:
            known = spaces.setdefault(space.mode, space)
            if _joined(known, space) is None:
                line = procedure.lines["namespaces"][0]
                what = f"describes another {space.mode} namespace than the mails before"
                problems.append(UnreadLine(line, what, fatal=True))
            else:
                spaces[space.mode] = _joined(known, space) or known
    return Procedure(**values, namespaces=tuple(spaces.values()), lines=lines)


def _joined(a: NamespaceText, b: NamespaceText) -> NamespaceText | None:
    """What both say together; None where they contradict each other."""
    if a.size != b.size or (a.map and b.map and a.map != b.map):
        return None
    if a.align and b.align and a.align != b.align:
        return None
    return NamespaceText(a.mode, a.size, a.map or b.map, a.align or b.align)


def _hits(passage: Passage, pattern: re.Pattern[str]) -> Iterator[Hit]:
    for match in pattern.finditer(passage.text):
        yield match[1], passage.numbers_of(*match.span())


def _one(name: str, found: Sequence[Hit], problems: list[UnreadLine]) -> str | None:
    """The one value that is given, however often."""
    different = dict(reversed(found))
    if len(different) < 2:
        return next(iter(different), None)
    (first, there), (second, here) = list(different.items())[:2]
    problems.append(_contradiction(name, (second, here[0]), (first, there[0])))
    return None


def _contradiction(name: str, a: tuple[str, int], b: tuple[str, int]) -> UnreadLine:
    (first, there), (second, here) = sorted((a, b), key=lambda said: said[1])
    return UnreadLine(here, f"says {name} {second}; line {there} says {first}", fatal=True)


def _namespaces(
    passages: Iterable[Passage], problems: list[UnreadLine]
) -> list[tuple[NamespaceText, tuple[int, ...]]]:
    found: dict[str, tuple[NamespaceText, tuple[int, ...]]] = {}
    for passage in passages:
        for space, numbers in _described(passage):
            known = found.setdefault(space.mode, (space, numbers))
            if known[0].size != space.size:
                name = f"{space.mode} namespace size"
                said = (space.size, numbers[0]), (known[0].size, known[1][0])
                problems.append(_contradiction(name, *said))
    return list(found.values())


def _described(passage: Passage) -> Iterator[tuple[NamespaceText, tuple[int, ...]]]:
    """Each mode with its size, and what is said of it before the next mode or size."""
    text = passage.text
    modes = list(_MODE.finditer(text))[:MAX_NAMESPACES]
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
    """Which size belongs to which mode: the one beside it that is no other's, or a shared one."""
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
