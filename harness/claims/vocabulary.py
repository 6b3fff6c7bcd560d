# SPDX-License-Identifier: GPL-2.0-only
"""The words by which messages name drivers, bindings, builds, patches, and changes of a time."""

import itertools
import re
from collections.abc import Sequence
from typing import Literal

import msgspec

from harness.claims.pairing import Placed
from harness.claims.procedure import MODES
from harness.claims.quantities import Quantity, quantities

Build = Literal["base", "tip"]
#: What a tip is: base plus the first so many patches, the whole series, or the mail's own patch.
Scope = int | Literal["series", "this"]


def _words(pattern: str) -> re.Pattern[str]:
    """Compile a pattern whose spaces stand for any white space, so that lines may break there."""
    return re.compile(pattern.replace(" ", r"\s+"), re.IGNORECASE)


_DRIVER = _words(r"\b(nd_pmem|dax_pmem|fsdax|devdax)\b")
_KIND = _words(
    r"(?P<first>\b(?:first|initial)[ -](?:time )?(?:re)?bind(?:ings?|s)?\b)"
    r"|\b(?:averages?|avg|mean)\b|\b(?:subsequent|later) (?:re)?bind\w*|\brebind(?:s|ings?)?\b"
)
#: A patch's number, and no figure that happens to follow.
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
#: A line that is nothing but the name of a build, or that and figures after its colon.
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
#: The other way round: what it is now, then what it was.
_INSTEAD = _words(rf"\s*,?\s*(?:instead of|down from) {_ABOUT}")
_ARROW = re.compile(r"\s*(?:[-=]+>|\u2192)\s*")
#: How far before a number "from" is looked for.
_BEFORE = 40


class Heading(msgspec.Struct, frozen=True):
    """A line that names a build, and what follows its colon."""

    build: Build
    scope: Scope | None
    rest: str


def heading(line: str, after: str) -> Heading | None:
    """Return what a line names as a heading; without a colon it is one if `after` has figures."""
    found = _HEADING.fullmatch(line.rstrip(" *_"))
    if found is None or (found["scope"] and not found["build"]):
        return None
    rest = (found["rest"] or "").strip(" *_")
    if (rest and not quantities(rest)) or not (found["colon"] or is_row(after)):
        return None
    if found["base"] or _is_base(found):
        return Heading("base", None, rest)
    return Heading("tip", _scope(found) if found["scope"] else None, rest)


def is_row(line: str) -> bool:
    """Whether a line stands in a block: figures after a colon or a gap, or a name and a colon."""
    found = quantities(line)
    if not found:
        return line.rstrip().endswith(":") and bool(_DRIVER.search(line) or _KIND.search(line))
    before = line[: found[0].start]
    return ":" in before or "=" in before or before.endswith("  ") or not re.search(r"\w", before)


def sentences(text: str) -> list[tuple[int, int]]:
    """Return where each sentence, or item of a list, begins and ends."""
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    return list(zip([0, *ends], [*ends, len(text)], strict=True))


def drivers(text: str) -> list[Placed[str]]:
    """Return the drivers that a text names, also by the mode of their namespaces."""
    found = ((m.start(), m[1].lower()) for m in _DRIVER.finditer(text))
    return [Placed(at, MODES.get(name, name)) for at, name in found]


def kinds(text: str) -> list[Placed[str]]:
    """Return the bindings that a text names: `first` or `mean`."""
    return [Placed(m.start(), "first" if m["first"] else "mean") for m in _KIND.finditer(text)]


def scopes(text: str) -> tuple[set[Scope], list[Placed[Build]]]:
    """Return which patches a text names, and the builds: what is with or without them."""
    found = list(_SCOPE.finditer(text))
    builds: list[Placed[Build]] = [
        Placed(m.start(), "base" if _is_base(m) else "tip") for m in found if m["build"]
    ]
    return {_scope(m) for m in found}, builds


def from_to(text: str, found: Sequence[Quantity]) -> dict[Quantity, Quantity]:
    """Return which durations are said to have become which: from one to the other."""
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
    """Whether a text says that what it names comes in one order."""
    return "respectively" in text.lower()


def is_reduction(text: str, *, is_less: bool) -> bool:
    """Whether a text's percentages say how much shorter a time is; `is_less`: it names both."""
    return bool(_LESS.search(text)) or (is_less and not _MORE.search(text))


def _is_base(found: re.Match[str]) -> bool:
    return (found["build"] or "").lower() in ("before", "without")


def _scope(found: re.Match[str]) -> Scope:
    number = found["number"] or found["count"]
    if number:
        return int(number)
    return "this" if found["this"] else "series"
