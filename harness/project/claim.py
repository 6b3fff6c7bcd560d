# SPDX-License-Identifier: GPL-2.0-only
"""What a series promises. The judging wing alone reads this."""

import math
from decimal import Decimal
from fractions import Fraction

import msgspec


class Figures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One build of a posted measurement: the first binding and the mean of the rebinds after it.

    `mean_decimals` is to how many decimals of a millisecond the mean was posted, where the number
    as it stands here does not show that: 180.0 for a posted 180.00. It is negative where a coarser
    unit was posted.
    """

    mean_ms: float
    first_ms: float | None = None
    mean_decimals: int | None = None

    def __post_init__(self) -> None:
        for name, value in (("mean_ms", self.mean_ms), ("first_ms", self.first_ms)):
            if value is not None and not 0 < value < math.inf:
                raise ValueError(f"{name}: {value}; expected a positive duration")
        _require_decimals("mean_decimals", self.mean_decimals)

    @property
    def mean(self) -> "PostedNumber":
        """The mean, exactly as posted."""
        return PostedNumber.of(self.mean_ms, self.mean_decimals)


class Claim(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A posted figure for one driver.

    `after_patch` None means the whole series; `reduction_percent` is what the author states, None
    where only the means are given. `guest` names the guest file that matches the author's set-up.
    `resolution_ms` is the step of the clock that was read: pr_debug's jiffies, 1 ms at HZ=1000.
    `percent_decimals` is to the percentage what `mean_decimals` is to a mean. `quotes` are the
    lines of the mail that say all this.
    """

    version: int
    driver: str
    guest: str
    rebinds: int
    base: Figures | None = None
    tip: Figures | None = None
    after_patch: int | None = None
    reduction_percent: float | None = None
    percent_decimals: int | None = None
    resolution_ms: int = 1
    quotes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, value in (("rebinds", self.rebinds), ("resolution_ms", self.resolution_ms)):
            if value < 1:
                raise ValueError(f"{name}: {value}; expected 1 or more")
        if self.reduction_percent is not None and not -math.inf < self.reduction_percent <= 100:
            raise ValueError(f"reduction_percent: {self.reduction_percent}; expected 100 or less")
        _require_decimals("percent_decimals", self.percent_decimals)

    @property
    def reduction(self) -> "PostedNumber | None":
        """The percentage, exactly as posted."""
        if self.reduction_percent is None:
            return None
        return PostedNumber.of(self.reduction_percent, self.percent_decimals)


class PostedNumber(msgspec.Struct, frozen=True):
    """A decimal number as it was posted: its exact value, and to how many decimals it is known."""

    value: Fraction
    decimals: int

    @classmethod
    def of(cls, value: float, decimals: int | None = None) -> "PostedNumber":
        """Take a finite number from a data file: the decimal number that was written there."""
        written = Decimal(repr(value))
        exponent = written.normalize().as_tuple().exponent
        assert isinstance(exponent, int)  # noqa: S101 (finite)
        return cls(Fraction(written), max(-exponent, 0) if decimals is None else decimals)

    @property
    def half_step(self) -> Fraction:
        """How far the number before rounding may lie from this one."""
        return self.unit / 2

    @property
    def unit(self) -> Fraction:
        """One unit of the last decimal."""
        return Fraction(10) ** -self.decimals

    def __str__(self) -> str:
        return decimal_text(self.value, self.decimals)


def decimal_text(value: Fraction, decimals: int) -> str:
    """Return a number rounded to so many decimals (a tie to the even digit), exactly."""
    scaled = round(value * Fraction(10) ** decimals)
    return f"{Decimal(scaled).scaleb(-decimals):f}"


def _require_decimals(name: str, value: int | None) -> None:
    # Ten are more than any clock has, and keep exact arithmetic cheap.
    if value is not None and not -10 <= value <= 10:
        raise ValueError(f"{name}: {value}; expected -10 to 10")
