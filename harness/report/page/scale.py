# SPDX-License-Identifier: GPL-2.0-only
"""Linear axes with round ticks; pure."""

import math
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

#: Height of an axis below a picture.
AXIS_PX = 24


class Tick(NamedTuple):
    """A labelled position on an axis."""

    x: float
    label: str


class Scale(msgspec.Struct, frozen=True):
    """A linear axis. `ticks` are multiples of 1, 2 or 5 times a power of ten."""

    low: float
    high: float
    ticks: tuple[float, ...]

    def at(self, value: float) -> float:
        """Return the position of a value in percent of the axis."""
        return round((value - self.low) / (self.high - self.low) * 100, 2)

    @property
    def marks(self) -> tuple[Tick, ...]:
        """The ticks with their positions and labels."""
        return tuple(Tick(self.at(tick), self.label(tick)) for tick in self.ticks)

    def label(self, tick: float) -> str:
        """Return a tick with the decimals that distinguish it from the next one."""
        step = self.ticks[1] - self.ticks[0] if len(self.ticks) > 1 else 1.0
        return f"{tick:.{max(0, -math.floor(math.log10(step) + 1e-9))}f}"


def scale(values: Iterable[float], *, ticks: int = 6, zero: bool = False) -> Scale:
    """Return an axis with some room around all values; `zero` includes 0.

    Raises ValueError if there are no values, or one is not finite.
    """
    found = list(values)
    if not found or not all(math.isfinite(v) for v in found):
        raise ValueError("no axis without finite values")
    low, high = min(found), max(found)
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    room = (high - low) * 0.05 or abs(high) * 0.05 or 1.0
    low, high = (0.0 if zero and low == 0 else low - room), high + room
    step = _step((high - low) / ticks)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return Scale(low, high, tuple(n * step for n in range(first, last + 1)))


def _step(at_least: float) -> float:
    power = 10.0 ** math.floor(math.log10(at_least))
    return next(power * n for n in (1, 2, 5, 10) if power * n >= at_least * (1 - 1e-9))
