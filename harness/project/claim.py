# SPDX-License-Identifier: GPL-2.0-only
"""The claims of a series, as posted: figures and percentages, exactly."""

import math
import re
from decimal import Decimal
from fractions import Fraction
from typing import Literal

import msgspec

#: Where the author measured, if his letter has figures of more than one machine or of no VM.
Setup = Literal["vm", "physical"]
_CPU = re.compile(r"\w+ \d{1,3} \d{1,3}")


class Figures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The posted figures of one build: the first binding, and the mean of the rebinds after it.

    `mean_decimals` is given if the number does not show with how many decimals of a millisecond
    the mean was posted: 180.0 for 180.00. It is negative if a coarser unit was posted.
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
        """The mean as posted."""
        return PostedNumber.of(self.mean_ms, self.mean_decimals)


class Claim(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a posted version claims for one metric. docs/series.md describes the fields.

    `after_patch` None means the whole series; `reduction_percent` None, that only means are given.
    `setup` None means that the letter has one set-up, a VM or an unnamed one. `guest` is empty for
    a physical host, and where no guest is like the author's. `cpu` is vendor, family and model of
    the author's CPU, as Machine.cpu_id has them; empty if he did not say.
    """

    version: int
    metric: str
    guest: str = ""
    rebinds: int
    base: Figures | None = None
    tip: Figures | None = None
    after_patch: int | None = None
    reduction_percent: float | None = None
    percent_decimals: int | None = None
    resolution_ms: int = 1
    setup: Setup | None = None
    cpu: str = ""
    quotes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, value in (("rebinds", self.rebinds), ("resolution_ms", self.resolution_ms)):
            if value < 1:
                raise ValueError(f"{name}: {value}; expected 1 or more")
        if self.reduction_percent is not None and not -math.inf < self.reduction_percent <= 100:
            raise ValueError(f"reduction_percent: {self.reduction_percent}; expected 100 or less")
        _require_decimals("percent_decimals", self.percent_decimals)
        if self.cpu and not _CPU.fullmatch(self.cpu):
            raise ValueError(
                f"cpu: {self.cpu}; expected vendor, family and model of /proc/cpuinfo, like "
                "GenuineIntel 6 106"
            )

    @property
    def about(self) -> str:
        """The metric, and after which patch and on which set-up, if the claim says so."""
        after = "" if self.after_patch is None else f" after patch {self.after_patch}"
        return f"{self.metric}{after}{on_setup(self.setup)}"

    @property
    def reduction(self) -> "PostedNumber | None":
        """The percentage as posted."""
        if self.reduction_percent is None:
            return None
        return PostedNumber.of(self.reduction_percent, self.percent_decimals)

    @property
    def claimed_percent(self) -> float | None:
        """The reduction as stated, or computed from the means; None where neither is given."""
        if self.reduction_percent is not None or self.base is None or self.tip is None:
            return self.reduction_percent
        return round((1 - self.tip.mean_ms / self.base.mean_ms) * 100, 1)


def on_setup(setup: Setup | None) -> str:
    """Return the name of a set-up with a space in front; "" for the only one of a letter."""
    return {None: "", "vm": " in a VM", "physical": " on a physical host"}[setup]


class PostedNumber(msgspec.Struct, frozen=True):
    """A decimal number as posted: its exact value and its number of decimals."""

    value: Fraction
    decimals: int

    @classmethod
    def of(cls, value: float, decimals: int | None = None) -> "PostedNumber":
        """Return the decimal number that is written in a data file for a finite float."""
        written = Decimal(repr(value))
        exponent = written.normalize().as_tuple().exponent
        assert isinstance(exponent, int)  # noqa: S101 (finite)
        return cls(Fraction(written), max(-exponent, 0) if decimals is None else decimals)

    @property
    def half_step(self) -> Fraction:
        """Half a unit of the last decimal: the largest rounding error."""
        return self.unit / 2

    @property
    def unit(self) -> Fraction:
        """One unit of the last decimal."""
        return Fraction(10) ** -self.decimals

    def __str__(self) -> str:
        return decimal_text(self.value, self.decimals)


def decimal_text(value: Fraction, decimals: int) -> str:
    """Return a number rounded to `decimals` (half to even), computed exactly."""
    scaled = round(value * Fraction(10) ** decimals)
    return f"{Decimal(scaled).scaleb(-decimals):f}"


def _require_decimals(name: str, value: int | None) -> None:
    # Exact arithmetic stays cheap within these.
    if value is not None and not -10 <= value <= 10:
        raise ValueError(f"{name}: {value}; expected -10 to 10")
