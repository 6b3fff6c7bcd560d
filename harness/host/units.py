# SPDX-License-Identifier: GPL-2.0-only
"""Sizes, durations and numbers of things as text, and back. Pure."""

import re
from collections.abc import Sequence

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
_SCALE = {"": 1, "K": KIB, "M": MIB, "G": GIB, "T": 1 << 40}
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_DURATION = re.compile(r"(\d{1,6})([smhdw])")
_SIZE = re.compile(r"(\d{1,12})([KMGT]?)")


def parse_size(text: str) -> int:
    """Return bytes for `4096`, `2M` or `100G` (powers of 1024). Raises ValueError otherwise."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a size; expected digits and K, M, G or T, like 100G")
    return int(match[1]) * _SCALE[match[2]]


def parse_duration(text: str) -> int:
    """Return seconds for `90s`, `15m`, `12h`, `30d` or `8w`. Raises ValueError otherwise."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(
            f"{text!r} is not a duration; expected digits and s, m, h, d or w, like 30d"
        )
    return int(match[1]) * _SECONDS[match[2]]


def format_bytes(nr_bytes: int) -> str:
    """Return a size with one decimal in the largest unit in which it is at least 1."""
    value = float(nr_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def duration(seconds: float) -> str:
    """Return a duration for people, like `38 s`, `6 min 10 s` or `2 h 5 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if rest else f"{hours} h"


def listed(texts: Sequence[str], most: int) -> str:
    """Return the first texts with commas between, and how many more there are."""
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more


def count(number: int, noun: str) -> str:
    """Return a number with its noun in singular or plural."""
    ending = "es" if noun.endswith(("ch", "x")) else "s"
    return f"{number} {noun}{'' if number == 1 else ending}"
