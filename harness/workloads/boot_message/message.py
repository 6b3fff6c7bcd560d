# SPDX-License-Identifier: GPL-2.0-only
"""A line of the kernel log with a figure, once per boot. Pure."""

import re
from decimal import Decimal
from typing import Literal, NamedTuple

import msgspec

from harness.record.metric import Better

#: The nanoseconds in one of the unit; a count is its own figure.
UNITS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1, "count": 1}
#: A figure is near the begin of its line; the rest is not searched.
MAX_LINE = 256
MAX_PATTERN = 300
#: Each multiplies the time of a search by up to MAX_LINE.
MAX_REPEATS = 3
_VALUE = re.compile(r"\d{1,12}(?:\.\d{1,9})?", re.ASCII)
#: What is one character or a class in a pattern.
_ESCAPED = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_REPEATED = re.compile(r"\)(?:[*+]|\{)")
_REPEAT = re.compile(r"[*+]|\{\d*,\}|\{\d*,\d{2,}\}")


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A message with a figure: the group `value` of the regular expression `pattern`."""

    pattern: str
    unit: Literal["s", "ms", "us", "ns", "count"]
    better: Better = "lower"

    def __post_init__(self) -> None:
        _require(self.pattern)

    def read(self, text: str) -> "Value | str | None":
        """Return the figure in a line; in words why there is none, or None for another line."""
        match = re.compile(self.pattern).search(text[:MAX_LINE])
        if match is None:
            return None
        value = match["value"] or ""
        decimals = len(value.partition(".")[2])
        if not _VALUE.fullmatch(value) or (decimals and self.unit == "count"):
            return f"{value[:40]!r} is not a number"
        unit = UNITS[self.unit]
        return Value(int(Decimal(value) * unit), max(unit // 10**decimals, 1))


class Value(NamedTuple):
    """A figure in nanoseconds or, of a count, the count; and one unit of its last digit."""

    ns: int
    step: int


def _require(pattern: str) -> None:
    """Raise ValueError for a pattern without a figure, or that could search for hours."""
    if len(pattern) > MAX_PATTERN or not pattern.isprintable():
        raise ValueError(
            f"pattern: {len(pattern)} characters; expected {MAX_PATTERN} printable ones at most"
        )
    try:
        groups = re.compile(pattern).groupindex
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"pattern: {error}; expected a regular expression of Python") from error
    if "value" not in groups:
        raise ValueError("pattern: no group (?P<value>…); expected one around the figure")
    plain = _ESCAPED.sub("x", pattern)
    if _REPEATED.search(plain):
        raise ValueError("pattern: repeats a group; expected repeated characters or classes only")
    if len(_REPEAT.findall(plain)) > MAX_REPEATS:
        raise ValueError(f"pattern: too many `*` and `+`; expected {MAX_REPEATS} at most")
