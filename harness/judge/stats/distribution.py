# SPDX-License-Identifier: GPL-2.0-only
"""The distribution of repeated values: trend, two modes, outliers. Pure: numbers in and out."""

import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
#: Fewer values are not tested for a trend, for modes, for outliers.
FEWEST_FOR_TREND, FEWEST_FOR_MODES, FEWEST_FOR_FAR = 5, 10, 4
#: Modified z score, in units of the scaled median absolute deviation (Iglewicz and Hoaglin, How to
#: Detect and Handle Outliers, 1993).
FAR, SCALED = 3.5, 0.6745


class Shape(NamedTuple):
    """A trend's or a distance's size as a share of the median, and how likely chance made it."""

    share: float
    p_value: float


def trend(values: Sequence[float], chance: float) -> Shape | None:
    """Return the change from first to last as a share of the median; None without a trend.

    A trend is a rank correlation with the order (Kendall, Biometrika 30, 1938) whose p-value is
    below `chance`; its size is the slope of Theil and Sen.
    """
    middle = statistics.median(values) if values else 0.0
    if len(values) < FEWEST_FOR_TREND or len(set(values)) == 1 or middle == 0:
        return None
    from scipy import stats

    order = range(len(values))
    p_value = float(stats.kendalltau(order, values).pvalue)
    if p_value >= chance:
        return None
    slope = float(stats.theilslopes(values, order).slope)
    # If most pairs are equal, the slope is 0 even with a small p-value.
    return Shape(slope * (len(values) - 1) / middle, p_value) if slope else None


def modes(times: Sequence[int], step: int, chance: float) -> Shape | None:
    """Return the distance of two modes as a share of the median; None if there is only one mode.

    The dip test (Hartigan and Hartigan, Annals of Statistics 13, 1985). Equal readings are spread
    evenly over the clock's `step` first: else each of its steps would be a mode.
    """
    import diptest

    middle = statistics.median(times) if times else 0.0
    if len(times) < FEWEST_FOR_MODES or middle == 0:
        return None
    values = _smooth(times, step)
    p_value = float(diptest.diptest(values)[1])
    return Shape(_distance(values) / middle, p_value) if p_value < chance else None


def far(costs: Mapping[int, float]) -> dict[int, float]:
    """Return the outliers, with their distance from the median as a share of it.

    If more than half are equal, the median deviation is 0, and every other value is an outlier.
    """
    if len(costs) < FEWEST_FOR_FAR:
        return {}
    middle = statistics.median(costs.values())
    deviation = statistics.median(abs(cost - middle) for cost in costs.values())
    limit = FAR / SCALED * deviation
    return {
        number: (cost - middle) / middle
        for number, cost in costs.items()
        if middle and abs(cost - middle) > limit
    }


def _smooth(times: Sequence[int], step: int) -> Values:
    values, counts = np.unique(np.asarray(times, dtype=np.float64), return_counts=True)
    return np.concatenate(
        [
            value + step * ((np.arange(count) + 0.5) / count - 0.5)
            for value, count in zip(values, counts, strict=True)
        ]
    )


def _distance(values: Values) -> float:
    """Return the distance of the means of the groups with least variance (Fisher, JASA 1958)."""
    ordered = np.sort(values)
    sums = np.cumsum(ordered)
    left = np.arange(1, len(ordered))
    right = len(ordered) - left
    apart = (sums[-1] - sums[:-1]) / right - sums[:-1] / left
    # What is least within is most between them, the whole being fixed.
    return float(apart[np.argmax(left * right * apart**2)])
