# SPDX-License-Identifier: GPL-2.0-only
"""Reads text and returns the drivers, bindings, builds and patches that it names, by position."""

import itertools
import re
from collections.abc import Sequence
from typing import Generic, Literal, TypeVar

import msgspec

from harness.claims.procedure import MODES
from harness.claims.quantities import Quantity, quantities

T = TypeVar("T")
Build = Literal["base", "tip"]
BindingKind = Literal["first", "mean"]
#: Which patches a tip has: the first N, the whole series, or up to the mail's own patch.
Scope = int | Literal["series", "this"]


def _words(pattern: str) -> re.Pattern[str]:
    """Compile a pattern whose spaces match any white space, line breaks included."""
    return re.compile(pattern.replace(" ", r"\s+"), re.IGNORECASE)


_DRIVER = _words(r"\b(nd_pmem|dax_pmem|fsdax|devdax)\b")
_KIND = _words(
    r"(?P<first>\b(?:first|initial)[ -](?:time )?(?:re)?bind(?:ings?|s)?\b)"
    r"|\b(?:averages?|avg|mean)\b|\b(?:subsequent|later) (?:re)?bind\w*|\brebind(?:s|ings?)?\b"
)
#: A patch's number, not a figure that follows the word.
_NUMBER = r"\d{1,3}\b(?!\.\d|\s*(?:%|per\s?cent|[mun]?s(?:ec)?s?\b|milli|seconds?\b))"
_SCOPE_TEXT = (
    r"(?:\b(?P<build>before|without|with|after) )?(?:"
    r"\b(?:this|the|these|all(?: the)?) (?:(?P<whole>(?:(?:whole|full|entire|complete) )?"
    r"(?:(?:patch\s*)?(?:series|set)|patches)\b)|(?P<this>(?:patch|change|commit)\b(?! "
    + _NUMBER
    + r")))"
    r"|\b(?:the )?patch(?:es)? (?:1\s*(?:-|to|through)\s*)?(?P<number>"
    + _NUMBER
    + r")(?:/\d{1,3}\b)?"
    r"|\bthe first (?P<count>\d{1,3}) patches\b)"
)
_SCOPE = _words(_SCOPE_TEXT)
#: A line that only names a build, or has figures after its colon.
_HEADING = _words(
    r"\W{0,4}(?:(?P<base>(?:on )?(?:the )?(?:base(?:line)?|before|unpatched|vanilla|original)"
    r"(?: kernel| tree)?)|(?P<tip>after|patched(?: kernel)?|with patch)|(?P<scope>"
    + _SCOPE_TEXT
    + r"(?: applied)?))\s*(?:[(\[]?\s*v?\d[\w.-]*\s*[)\]]?)?\s*(?:(?P<colon>:)(?P<rest>.*))?"
)
_LESS = _words(
    r"\b(?:reduc|lower|decreas|cuts?\b|cutting|sav(?:e|ing)|short|improv|drop|fall|fell|shrink"
    r"|shrunk|less\b|down\b)"
)
_MORE = _words(r"\b(?:faster|speed-?ups?|increas|slower|longer|regress|higher)")
_SENTENCE_END = re.compile(r"(?<!\bi\.e)(?<!\be\.g)(?<!\bvs)[.!?](?=\s)|\n(?=\s*[-*\u2022]\s)")
_ABOUT = r"(?:(?:about|around|roughly|approximately) |~\s*)?"
_FROM = _words(rf"\bfrom {_ABOUT}\Z")
_TO = _words(rf"\s*(?:\([^()]{{0,40}}\)\s*)?(?:down )?\bto {_ABOUT}")
#: The reverse: first the new value, then the old one.
_INSTEAD = _words(rf"\s*,?\s*(?:instead of|down from) {_ABOUT}")
_ARROW = re.compile(r"\s*(?:[-=]+>|\u2192)\s*")
#: How many characters before a number are searched for "from".
_BEFORE = 40


class Placed(msgspec.Struct, Generic[T], frozen=True):
    """A name in a text, and its position."""

    at: int
    value: T


class Heading(msgspec.Struct, frozen=True):
    """A line that names a build, and what follows its colon."""

    build: Build
    scope: Scope | None
    rest: str


def heading(line: str, next_line: str) -> Heading | None:
    """Return the heading in a line. Without a colon it is one only if the next line has figures."""
    found = _HEADING.fullmatch(line.rstrip(" *_"))
    if found is None or (found["scope"] and not found["build"]):
        return None
    rest = (found["rest"] or "").strip(" *_")
    if (rest and not quantities(rest)) or not (found["colon"] or is_row(next_line)):
        return None
    if found["base"] or _is_base(found):
        return Heading("base", None, rest)
    return Heading("tip", _scope(found) if found["scope"] else None, rest)


def is_row(line: str) -> bool:
    """Whether a line belongs to a block: figures after a colon or gap, or a name and a colon."""
    found = quantities(line)
    if not found:
        return line.rstrip().endswith(":") and bool(_DRIVER.search(line) or _KIND.search(line))
    before = line[: found[0].start]
    return ":" in before or "=" in before or before.endswith("  ") or not re.search(r"\w", before)


def sentences(text: str) -> list[tuple[int, int]]:
    """Return begin and end of each sentence or list item."""
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    return list(zip([0, *ends], [*ends, len(text)], strict=True))


def drivers(text: str) -> list[Placed[str]]:
    """Return the drivers that a text names, directly or by the mode of their namespaces."""
    found = ((m.start(), m[1].lower()) for m in _DRIVER.finditer(text))
    return [Placed(at, MODES.get(name, name)) for at, name in found]


def kinds(text: str) -> list[Placed[BindingKind]]:
    """Return the kinds of bindings that a text names: `first` or `mean`."""
    return [Placed(m.start(), "first" if m["first"] else "mean") for m in _KIND.finditer(text)]


def scopes(text: str) -> tuple[set[Scope], list[Placed[Build]]]:
    """Return the patches that a text names, and the builds with or without them."""
    found = list(_SCOPE.finditer(text))
    builds: list[Placed[Build]] = [
        Placed(m.start(), "base" if _is_base(m) else "tip") for m in found if m["build"]
    ]
    return {_scope(m) for m in found}, builds


def from_to(text: str, found: Sequence[Quantity]) -> dict[Quantity, Quantity]:
    """Return pairs of durations, old to new, as in "from A to B"."""
    pairs: dict[Quantity, Quantity] = {}
    for a, b in itertools.pairwise(found):
        if "%" in (a.unit, b.unit) or a.problem or b.problem or a in pairs.values():
            continue
        between = text[a.end : b.start]
        is_from = _FROM.search(text, max(0, a.start - _BEFORE), a.start)
        if _ARROW.fullmatch(between) or (is_from and _TO.fullmatch(between)):
            pairs[a] = b
        elif _INSTEAD.fullmatch(between):
            pairs[b] = a
    return pairs


def in_turn(text: str) -> bool:
    """Whether a text lists names and figures in the same order."""
    return "respectively" in text.lower()


def is_reduction(text: str, *, is_less: bool) -> bool:
    """Whether a text's percentages are reductions of a time; `is_less`: it also has both times."""
    return bool(_LESS.search(text)) or (is_less and not _MORE.search(text))


def _is_base(found: re.Match[str]) -> bool:
    return (found["build"] or "").lower() in ("before", "without")


def _scope(found: re.Match[str]) -> Scope:
    number = found["number"] or found["count"]
    if number:
        return int(number)
    return "this" if found["this"] else "series"
