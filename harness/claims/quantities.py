# SPDX-License-Identifier: GPL-2.0-only
"""Reads running text and returns its durations, percentages and factors, exactly as written.

A number that could be read in two ways (1,486 is 1486 or 1.486) has a problem instead of a value.
"""

import re
from decimal import Decimal
from typing import Literal

import msgspec

Unit = Literal["ms", "%", "x"]

#: Anything that may be a number, well written or not; \d includes the digits of all scripts. The
#: lookbehind keeps the search from trying every suffix of a long one.
_NUMBER = r"(?<![\d.,'\u2019_])\d[\d.,'\u2019_]*(?<!['\u2019])"
_QUANTITY = re.compile(
    rf"(?P<number>{_NUMBER})(?:[ \t]?|[ \t]*\n[ \t]*)"
    r"(?:(?P<time>milliseconds?|msecs?|ms|microseconds?|usecs?|[uµμ]s|nanoseconds?|nsecs?|ns"
    r"|seconds?|secs?|s)(?!\w)|%(?!\w)|percent(?:age)?\b|per cent\b)",
    re.IGNORECASE,
)
#: A factor by which something is better: "2.4x faster", "3.2 times less".
FACTOR = re.compile(
    rf"(?P<number>{_NUMBER})(?:\s?x|\s+times)\s+(?:faster|quicker|less|shorter|lower)\b"
    r"(?=\s*(?:[.,;:)]|\Z|(?:than|with|for|on|after|in|and|now|if|when)\b))",
    re.IGNORECASE,
)
#: A number that shares the unit of the next one: "1515 to 1422 ms", "1515 -> 1422 ms".
_SHARED = re.compile(rf"(?P<number>{_NUMBER})[ \t]*(?:\bto\b|[-=]+>|\u2192)[ \t]*\Z")
_PLAIN = re.compile(r"\d{1,9}(?:\.\d{1,9})?", re.ASCII)
#: Decimal exponent of a unit in milliseconds, by the unit's first letter.
_POWER = {"s": 3, "m": 0, "u": -3, "µ": -3, "μ": -3, "n": -6}
#: Text before a number that changes its meaning, and what the number then is.
_SPOILED_BY = (
    (re.compile(r"\d\s\Z"), "may begin before the space"),
    (re.compile(r"[\d%][-\u2212\u2013]\Z"), "is the end of a range"),
    (re.compile(r"\dx\s*(?:to|or|and|[-\u2212\u2013])\s*\Z"), "is the end of a range"),
    (re.compile(r"(?:\u00b1|\+/?-)\s*\Z"), "is a deviation"),
    (re.compile(r"[+\-\u2212\u2013]\Z"), "has a sign"),
    (re.compile(r"\d\s?(?:m|min|minutes?|h|hours?)\s(?:and\s)?\Z"), "follows minutes or hours"),
    (re.compile(r"(?<![-=])[<>\u2264\u2265][ \t]?\Z"), "is a bound, not a figure"),
    (
        re.compile(
            r"\b(?:up to|at (?:most|least)|(?:more|less|fewer) than|over|under|below|above|within)"
            r"\s+(?:about\s+|around\s+)?\Z",
            re.IGNORECASE,
        ),
        "is a bound, not a figure",
    ),
    (re.compile(r"[\w./]\Z"), "is part of a longer word"),
)
#: Digits that a floating-point number in a data file preserves.
MAX_DIGITS = 15
#: How many characters before a number are searched for the above.
_BEFORE = 60


class Quantity(msgspec.Struct, frozen=True):
    """A duration in milliseconds, a percentage or a factor, at text[start:end].

    `decimals` is negative if it was written in a coarser unit. `problem` says why it cannot be
    read; `value` is then 0.
    """

    unit: Unit
    value: Decimal
    decimals: int
    start: int
    end: int
    problem: str = ""


def quantities(text: str) -> list[Quantity]:
    """Return everything in a text that looks like a duration, percentage or factor, in order."""
    found: list[Quantity] = []
    for match in _QUANTITY.finditer(text):
        start, end = match.span()
        power = _POWER[match["time"][0].lower()] if match["time"] else None
        offset = max(0, start - _BEFORE)
        shared = _SHARED.search(text[offset:start])
        if shared is not None and not (found and found[-1].end > offset + shared.start()):
            first = offset + shared.start()
            found.append(_read(text, first, first + len(shared["number"]), shared[1], power))
        found.append(_read(text, start, end, match["number"], power))
    factors = [_read(text, *m.span(), m["number"], None, "x") for m in FACTOR.finditer(text)]
    return sorted((*found, *factors), key=lambda quantity: quantity.start)


def _read(
    text: str, start: int, end: int, number: str, power: int | None, other: Unit = "%"
) -> Quantity:
    unit = other if power is None else "ms"
    problem = _problem(text, start, end, number)
    if problem:
        return Quantity(unit, Decimal(0), 0, start, end, f"{text[start:end]!r} {problem}")
    decimals = len(number.partition(".")[2]) - (power or 0)
    return Quantity(unit, Decimal(number).scaleb(power or 0), decimals, start, end)


def _problem(text: str, start: int, end: int, number: str) -> str:
    if not _PLAIN.fullmatch(number):
        return "is not a plain number such as 1486 or 273.52"
    if Decimal(number) == 0:
        return "is zero"
    if len(number) > MAX_DIGITS:
        return f"has over {MAX_DIGITS} digits"
    if text[end:].lstrip(" \t").startswith("/"):
        return "is a rate"
    before = text[max(0, start - _BEFORE) : start]
    return next((what for pattern, what in _SPOILED_BY if pattern.search(before)), "")
