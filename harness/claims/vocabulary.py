# SPDX-License-Identifier: GPL-2.0-only
"""Reads text and returns the builds, patches and set-ups that it names, by position."""

import itertools
import re
from collections.abc import Sequence
from typing import Generic, Literal, TypeVar

import msgspec

from harness.claims.quantities import Quantity, quantities
from harness.project.claim import Setup

T = TypeVar("T")
Build = Literal["base", "tip"]
#: `rebind`: of rebinds, but the text does not say that it is their average.
BindingKind = Literal["first", "mean", "rebind"]
#: `several`: more than one, or one that a text excludes.
NamedSetup = Setup | Literal["several"]
#: Which patches a tip has: the first N, the whole series, or up to the mail's own patch.
Scope = int | Literal["series", "this"]


def pattern(text: str) -> re.Pattern[str]:
    """Compile a pattern whose spaces match any white space, line breaks included."""
    return re.compile(text.replace(" ", r"\s+"), re.IGNORECASE)


#: Where a letter begins to tell what earlier versions were like; only a line of dashes ends it.
_CHANGELOG = pattern(r"\W*(?:changes\b|changelog\b|history\b|v\d{1,2}\b(?!\.\d)).{0,30}")
WORD = pattern(
    r"\bfirst \d+\b(?! patches)|\b(?:takes?|took|is|are|was|were) from\b|\?"
    r"|(?<![\w.])[^\W\d][\w.-]*(?<![.-])"
)
#: The VM may be described with the machine that it runs on.
_SETUP = pattern(
    r"(?P<no>\b(?:no|not|never|without|unlike|instead of|rather than|than|n't) (?:\w+ ){0,2})?"
    r"\b(?P<vm>(?:VMs?|virtual machines?|virtualized|QEMU|KVM|guests?)\b"
    r"(?:(?: (?!and\b|or\b)\w+){0,2} on (?:an?|the) (?:[\w-]+ ){0,3}(?:host|machine|server)\b)?)"
    r"|\b(?:bare[ -]?metal|(?:physical|real|native) (?:hosts?|machines?|servers?|systems?|hardware"
    r"|(?:nv)?dimms?|nvdimm-n|(?:persistent )?memory|pmem)|optane|dcpmms?"
    r"|on (?:the|an?|our|my) (?:host|hardware)|natively)\b"
)
#: A patch's number, not a figure that follows the word.
_NUMBER = (
    r"\d{1,3}\b(?!\.\d|\s*(?:-|\u2013|to\b|through\b|and\b|or\b|,)\s*\d"
    r"|\s*(?:%|per\s?cent|[mun]?s(?:ec)?s?\b|milli|seconds?\b))"
)
_SCOPE_TEXT = (
    r"(?:\b(?P<build>before|without|with|after) )?(?:"
    r"\b(?:this|the|these|all(?: the)?) (?:(?P<whole>(?:(?:whole|full|entire|complete) )?"
    r"(?:(?:patch\s*)?(?:series|set)|patches)\b)|(?P<this>(?:patch|change|commit)\b(?! "
    + _NUMBER
    + r")))"
    r"|\b(?:the )?patch(?:es)? (?P<from_one>1\s*(?:-|\u2013|to|through)\s*)?(?P<number>"
    + _NUMBER
    + r")(?:/\d{1,3}\b)?"
    r"|\bthe first (?P<count>\d{1,3}) patches\b)"
)
_SCOPE = pattern(_SCOPE_TEXT)
_PATCH = pattern(r"\bpatch(?:es)?\b")
#: By these a sentence may name a driver that the figures are not of.
EXCLUDES = pattern(
    r"n't\b|\b(?:not?|never|nor|neither|none|without|unlike|except|but|other|instead|unaffected"
    r"|unchanged|only)\b"
)
CONDITION = pattern(
    r"\W*(?:(?:and|also) )?(?:on|in|with|without|for|under|when|if|using|old|expected|before|after"
    r"|previous\w*|from|at|by)\b"
)
#: What makes a sentence about a physical host say that it was measured there.
_MEASURED = pattern(
    r"\b(?:tested|measured|ran|run|results?|figures|numbers|times|benchmark\w*|set-?up|using)\b"
)
#: A line that only names a build, or has figures after its colon.
HEADING = pattern(
    r"\W{0,4}(?:(?P<base>(?:on )?(?:the )?(?:base(?:line)?|before|unpatched|vanilla|original)"
    r"(?: kernel| tree)?)|(?P<tip>after|patched(?: kernel)?|with patch)"
    r"|(?P<full>(?:the )?(?:full|whole|entire|complete) (?:patch\s*)?(?:series|set)|all patches)"
    r"|(?P<scope>"
    + _SCOPE_TEXT
    + r"(?: applied)?))\s*(?:[(\[]?\s*v?\d{1,3}\.\d[\w.-]*\s*[)\]]?)?\s*"
    + r"(?:(?P<colon>:)(?P<rest>.*))?"
)
#: Beside these words, a percentage may not be the reduction of a time.
_MORE = pattern(r"\b(?:faster|speed|increas|slower|longer|regress|higher|more\b|rise|rose)")
_SENTENCE_END = re.compile(
    r"(?<!\bi\.e)(?<!\be\.g)(?<!\bvs)[.!?](?=\s)|\n(?=\s*[-*\u2022]\s)"
    r"|\n(?=[^\n:]{1,60}:[ \t]*(?:\n|\Z))"
)
_ABOUT = r"(?:(?:about|around|roughly|approximately) |~\s*)?"
#: What is in front of a reduction, behind it, and between two ("59.4% for pmem and 64.8%").
_BY = pattern(rf"\b(?:by|(?:reduction|decrease|saving|improvement)(?: of|:)) {_ABOUT}\Z")
_LESS_BEHIND = pattern(
    r"\s*(?:less|lower|shorter|longer|slower|more|later|reduction|decrease|saving|improvement)\b"
)
_AND = pattern(rf"(?: (?:less|lower|shorter))?(?: for \w+)?(?:,| and|, and) {_ABOUT}")
#: What makes a figure a part, an end of a range or a difference.
_PART = pattern(
    r"[ -]*points?\b|\s*(?:of|or|each|and (?:more|above|up))\b|\s*\+|\s*(?:to|[-\u2013\u2014])\s*\d"
)
_BY_TIME = pattern(rf"\b(?:by|less|after) {_ABOUT}\Z")
UNIT = re.compile(r"[(\[](?:in )?((?:%|[mun\u00b5\u03bc]?s|msecs?)(?!\w)[^)\]\n]{0,20})[)\]]")
_CELL_GAP = re.compile(r"\s*\|\s*|\s{2,}")
_FROM = pattern(rf"\bfrom {_ABOUT}\Z")
_TO = pattern(rf"\s*(?:\([^()]{{0,40}}\)\s*)?(?:down )?\bto {_ABOUT}")
#: The reverse: first the new value, then the old one.
_INSTEAD = pattern(rf"\s*,?\s*(?:instead of|down from) {_ABOUT}")
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


def sentences(text: str) -> list[tuple[int, int]]:
    """Return begin and end of each sentence or list item."""
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    return list(zip([0, *ends], [*ends, len(text)], strict=True))


def unclear_patches(text: str, block: Scope | None) -> str:
    """Return what a text says of patches if that may not be the first N of them, or "".

    `block` are those of the heading above it, which it may not change.
    """
    found = list(_SCOPE.finditer(text))
    for match in found:
        if is_own_effect(match) or block not in (None, scope_of(match)):
            return match[0].strip()
    spans = [match.span() for match in found]
    for word in _PATCH.finditer(text):
        if not any(start <= word.start() < end for start, end in spans):
            return word[0]
    return ""


def changelog(text: str, before: str) -> str:
    """Return how the changelog of a text begins, or ""; `before` is that of the text above."""
    found = _CHANGELOG.match(text)
    return found[0].strip() if found else "" if re.fullmatch(r"\s*---+\s*", text) else before


def setup(text: str) -> NamedSetup | None:
    """Return where a text says that it was measured; `several` if it names another one, too."""
    matches = list(_SETUP.finditer(text))
    found: set[Setup] = {"vm" if m["vm"] else "physical" for m in matches}
    is_clear = len(found) == 1 and not any(m["no"] for m in matches)
    if "physical" in found and text.rstrip().endswith(".") and not quantities(text):
        is_clear = is_clear and _MEASURED.search(text) is not None
    return "several" if found and not is_clear else next(iter(found), None)


def scopes(text: str) -> tuple[set[Scope], list[Placed[Build]]]:
    """Return the patches that a text names, and the builds with or without them."""
    found = list(_SCOPE.finditer(text))
    builds: list[Placed[Build]] = [
        Placed(m.start(), "base" if is_base(m) else "tip") for m in found if m["build"]
    ]
    return {scope_of(m) for m in found}, builds


def from_to(text: str, found: Sequence[Quantity]) -> dict[Quantity, Quantity]:
    """Return pairs of durations, old to new, as in "from A to B"."""
    pairs: dict[Quantity, Quantity] = {}
    leads = [
        _ARROW.fullmatch(text, a.end, b.start) or _TO.fullmatch(text, a.end, b.start)
        for a, b in itertools.pairwise(found)
    ]
    for index, (a, b) in enumerate(itertools.pairwise(found)):
        if {a.unit, b.unit} != {"ms"} or a.problem or b.problem or a in pairs.values():
            continue
        between = text[a.end : b.start]
        is_from = _FROM.search(text, max(0, a.start - _BEFORE), a.start)
        if _ARROW.fullmatch(between) or (is_from and _TO.fullmatch(between)):
            if not any(leads[max(0, index - 1) : index] + leads[index + 1 : index + 2]):
                pairs[a] = b
        elif _INSTEAD.fullmatch(between):
            pairs[b] = a
    return pairs


def reductions(text: str, found: Sequence[Quantity], *, is_less: bool) -> list[Quantity]:
    """Return the percentages of a text that reduce a time; `is_less`: it also has both times."""
    sure: list[Quantity] = []
    for item in (q for q in found if q.unit == "%" and not _MORE.search(text)):
        before = text[max(0, item.start - _BEFORE) : item.start]
        is_next = sure and _AND.fullmatch(text, sure[-1].end, item.start)
        says = _BY.search(before) or _LESS_BEHIND.match(text, item.end) or is_next
        in_brackets = is_less and before.endswith("(") and text.startswith(")", item.end)
        if (says or in_brackets) and not _PART.match(text, item.end):
            sure.append(item)
    return sure


def is_time(text: str, item: Quantity) -> bool:
    """Whether a figure is a time, and cannot be a difference, a part or the end of a range."""
    behind = _PART.match(text, item.end) or _LESS_BEHIND.match(text, item.end)
    before = _BY_TIME.search(text[max(0, item.start - _BEFORE) : item.start])
    return item.unit == "ms" and not behind and not before


def cells(line: str) -> list[str]:
    """Return the cells of a table's line."""
    return [cell.strip() for cell in _CELL_GAP.split(line.strip(" |"))]


def is_table_row(line: str) -> bool:
    """Whether a line has numbers without a unit, or only rules a table."""
    words = [word.strip("~<>+-") for word in line.replace("|", " ").split()]
    has_numbers = any(word[:1].isdigit() for word in words) and not quantities(line)
    return has_numbers or (bool(words) and not any(map(str.isalnum, line)))


def table_unit(line: str, next_line: str) -> str:
    """Return the unit in the header of a table, given the line below it, or ""."""
    units = set(UNIT.findall(line))
    is_header = len(units) == 1 and not quantities(line) and is_table_row(next_line)
    return units.pop() if is_header else ""


def has_unit(text: str) -> bool:
    """Whether a title has a unit in brackets."""
    return UNIT.search(text) is not None


def is_own_effect(found: re.Match[str]) -> bool:
    """Whether a patch but the first is named for what it does itself, or for the base of that."""
    is_one = found["number"] is not None and not found["from_one"] and int(found["number"]) > 1
    return is_one and found["build"].lower() not in ("with", "after") if found["build"] else is_one


def is_base(found: re.Match[str]) -> bool:
    """Whether a match of patches says that they are not applied."""
    return (found["build"] or "").lower() in ("before", "without")


def scope_of(found: re.Match[str]) -> Scope:
    """Return the patches that a match names."""
    number = found["number"] or found["count"]
    if number:
        return int(number)
    return "this" if found["this"] else "series"
