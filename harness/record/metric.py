# SPDX-License-Identifier: GPL-2.0-only
"""What a figure of a workload is: its unit, and whether a lower or a higher one is better. Pure."""

from typing import Literal

import msgspec

#: Samples are whole numbers in these: nanoseconds, a count, per second, bytes per second.
Unit = Literal["ns", "count", "1/s", "B/s"]
Better = Literal["lower", "higher"]
#: How reports show an amount in a unit: divided by the number, with the text behind it.
_SHOWN: dict[Unit, tuple[float, str]] = {
    "ns": (1e6, "ms"),
    "count": (1.0, ""),
    "1/s": (1.0, "/s"),
    "B/s": (1e9, "GB/s"),
}


class Metric(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A figure that a workload measures. Times are the default: fewer nanoseconds are better."""

    name: str
    unit: Unit = "ns"
    better: Better = "lower"

    @property
    def shown_unit(self) -> str:
        """The unit of reports and claims: `ms`, `GB/s`, `/s`, or "" for a count."""
        return _SHOWN[self.unit][1]

    def shown(self, amount: float) -> float:
        """Return an amount in the unit of reports."""
        return amount / _SHOWN[self.unit][0]


def gained(better: Better) -> str:
    """Return what a gain is: a reduction, or an increase."""
    return "reduction" if better == "lower" else "increase"


def gain_percent(ratio: float, better: Better) -> float:
    """Return how much better an amount is than base's, given their ratio, in percent of base's.

    It is negative for a worse one.
    """
    return (1 - ratio) * 100 if better == "lower" else (ratio - 1) * 100
