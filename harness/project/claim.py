# SPDX-License-Identifier: GPL-2.0-only
"""The claims of a series, as posted: figures and percentages, exactly."""

import math
import re
from decimal import Decimal
from fractions import Fraction
from typing import Literal

import msgspec

from harness.record.metric import Better, Metric, Unit, gain_percent

#: Where the author measured, if his letter has figures of more than one machine or of no VM.
Setup = Literal["vm", "physical"]
#: The units of claims: the unit of samples that it is of, and how many of those it is.
ClaimUnit = Literal["s", "ms", "us", "ns", "count", "/s", "MB/s", "GB/s"]
UNITS: dict[ClaimUnit, tuple[Unit, float]] = {
    "s": ("ns", 1e9),
    "ms": ("ns", 1e6),
    "us": ("ns", 1e3),
    "ns": ("ns", 1.0),
    "count": ("count", 1.0),
    "/s": ("1/s", 1.0),
    "MB/s": ("B/s", 1e6),
    "GB/s": ("B/s", 1e9),
}
#: What a claim may state beside means.
_STATED = ("reduction_percent", "increase_percent", "times", "at_most_worse_percent")
_CPU = re.compile(r"\w+ \d{1,3} \d{1,3}")


class Figures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The posted figures of one build: the first binding, and the mean of the rebinds after it.

    `value` is the mean in the claim's unit, in place of `mean_ms`.

    `mean_decimals` is given if the number does not show with how many decimals of a millisecond
    the mean was posted: 180.0 for 180.00. It is negative if a coarser unit was posted.
    """

    mean_ms: float | None = None
    first_ms: float | None = None
    mean_decimals: int | None = None
    value: float | None = None

    def __post_init__(self) -> None:
        for name in ("mean_ms", "first_ms", "value"):
            value, what = getattr(self, name), "number" if name == "value" else "duration"
            if value is not None and not 0 < value < math.inf:
                raise ValueError(f"{name}: {value}; expected a positive {what}")
        if self.mean_ms is None and self.value is None:
            raise ValueError("mean_ms: missing; expected mean_ms, or value in the claim's unit")
        if self.value is not None and (self.mean_ms is not None or self.first_ms is not None):
            raise ValueError("value: given with milliseconds; expected mean_ms or value")
        _require_decimals("mean_decimals", self.mean_decimals)

    @property
    def mean(self) -> "PostedNumber":
        """The mean as posted."""
        return PostedNumber.of(self.number, self.mean_decimals)

    @property
    def number(self) -> float:
        """The mean, in milliseconds or in the claim's unit."""
        found = self.value if self.mean_ms is None else self.mean_ms
        assert found is not None  # noqa: S101 (one of them is given)
        return found


class Claim(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a posted version claims for one metric. docs/series.md describes the fields.

    `after_patch` None means the whole series. At most one of `reduction_percent`,
    `increase_percent` (of what is better higher), `times` (2.4 times faster, or as much) and
    `at_most_worse_percent` (it must not get worse by more) is given; none, if only means are.
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
    increase_percent: float | None = None
    times: float | None = None
    at_most_worse_percent: float | None = None
    percent_decimals: int | None = None
    unit: ClaimUnit = "ms"
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
        given = [name for name in _STATED if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"{given[1]}: given with {given[0]}; expected one of them")
        for name in given[-1:]:
            self._require(name, getattr(self, name))
        _require_decimals("percent_decimals", self.percent_decimals)
        self._require_unit()
        if self.cpu and not _CPU.fullmatch(self.cpu):
            raise ValueError(
                f"cpu: {self.cpu}; expected vendor, family and model of /proc/cpuinfo, like "
                "GenuineIntel 6 106"
            )

    def _require(self, name: str, value: float) -> None:
        """Raise ValueError unless a claim can state this number."""
        if name == "times" and not 1 < value < math.inf:
            raise ValueError(f"times: {value}; expected more than 1")
        if name == "increase_percent" and not -100 < value < math.inf:
            raise ValueError(f"increase_percent: {value}; expected more than -100")
        if name == "at_most_worse_percent":
            if not 0 <= value < math.inf:
                raise ValueError(f"at_most_worse_percent: {value}; expected 0 or more")
            if self.base is not None or self.tip is not None:
                raise ValueError("at_most_worse_percent: given with means; expected it alone")

    def _require_unit(self) -> None:
        """Raise ValueError unless base and tip have figures in the claim's unit."""
        for name, figures in (("base", self.base), ("tip", self.tip)):
            if figures is not None and (figures.value is None) != (self.unit == "ms"):
                key = "mean_ms" if self.unit == "ms" else "value"
                raise ValueError(f"{name}: no {key}; expected it, as the unit is {self.unit}")

    @property
    def better(self) -> Better:
        """Whether the claim is about something that is better lower or higher."""
        is_rate = UNITS[self.unit][0] in ("1/s", "B/s")
        return "higher" if is_rate or self.increase_percent is not None else "lower"

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
        """The gain as stated, or computed from the means; None where neither is given."""
        return self.gain_percent(self.better)

    def gain_percent(self, better: Better) -> float | None:
        """Return the claimed gain of a metric that is better lower, or higher, in percent of base.

        It is negative for a claim about how much worse it may get.
        """
        if self.at_most_worse_percent is not None:
            return -self.at_most_worse_percent or 0.0
        if self.times is not None:
            ratio = self.times if better == "higher" else 1 / self.times
            return round(gain_percent(ratio, better), 1)
        stated = self.reduction_percent if better == "lower" else self.increase_percent
        if stated is not None or self.base is None or self.tip is None:
            return stated
        return round(gain_percent(self.tip.number / self.base.number, better), 1)

    def is_not_of(self, metric: Metric) -> str:
        """Return why a claim cannot be about a metric; "" if it can."""
        unit = UNITS[self.unit][0]
        has_means = self.base is not None or self.tip is not None
        if has_means and unit != metric.unit:
            return f"the claim is in {self.unit}, {self.metric} in {metric.shown_unit or 'counts'}"
        stated = {"lower": self.increase_percent, "higher": self.reduction_percent}[metric.better]
        if stated is not None:
            names = {"lower": "reduction_percent", "higher": "increase_percent"}
            return f"{metric.better} is better of {self.metric}: expected {names[metric.better]}"
        return ""

    @property
    def stated(self) -> str:
        """The claim in words: `59.4 % less`, `2.4 times`, `at most 2 % worse`; "" for means."""
        if self.times is not None:
            return f"{PostedNumber.of(self.times, self.percent_decimals)} times"
        if self.at_most_worse_percent is not None:
            worst = PostedNumber.of(self.at_most_worse_percent, self.percent_decimals)
            return f"at most {worst} % worse" if worst.value else "not worse"
        if self.increase_percent is not None:
            return f"{PostedNumber.of(self.increase_percent, self.percent_decimals)} % more"
        return f"{self.reduction} % less" if self.reduction is not None else ""


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
