# SPDX-License-Identifier: GPL-2.0-only
"""The ratio of two costs, measured a few times on a machine that others use as well.

How the intervals were chosen: base and side with equal true cost, 1500 tries each, six kinds of
noise (lognormal 2 %; one-sided with bursts of 60 %; Student's t with 3 degrees; a drift of 10 %
that both share; two modes 10 % apart; 1 % beside 4 %). How often an interval of 95 % held 1, in
percent, least and most of the six:

    boots or processes a side               3           5           10
    percentile bootstrap of means       78 to 100   85 to 100   89 to 100
    percentile bootstrap of medians     85 to 100   95 to 100   94 to 100
    trimmed mean of paired logarithms   94 to 98    93 to 97    94 to 97
    the same in no pairs                94 to 100   92 to 100   95 to 100
    paired, with the t of 97 %          96 to 98    95 to 98    95 to 98
    in no pairs, with the t of 97 %     96 to 100   94 to 100   96 to 100

So a bootstrap of three values is no interval of 95 % (its draws are too few: Efron and Tibshirani,
An Introduction to the Bootstrap, 1993, ch. 12 to 14), and where it is wide enough a drift makes it
three times too wide, which pairing cancels. What noise takes from Student's t, which is made for
normal errors, a t for 97 % gives back. tests/bench/judge.py repeats it on a replay's samples.
"""

import functools
import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

Logs = npt.NDArray[np.float64]

#: Cut from each end before the mean is taken: one measurement of five to nine, two of ten.
TRIM = 0.2
#: For an interval of 95 % whatever the noise is like (see above).
CONFIDENCE = 0.97
#: Below this nothing is said of how far a ratio may be off.
FEWEST = 3
#: What a rank test must be able to reach, or it is not asked.
THRESHOLD = 0.05
#: Ways to deal the ranks out that are all tried (8 values a side); beyond, a normal curve will do.
MOST_WAYS = 13_000
#: An integral takes twice as many steps.
HALF_STEPS = 100


class Ratio(msgspec.Struct, frozen=True):
    """How much a side costs of what base does, and where that lies with 95 % confidence.

    `low` and `high` are None where there are too few measurements to tell.
    """

    value: float
    low: float | None
    high: float | None


def ratio(base: Sequence[float], side: Sequence[float]) -> Ratio:
    """Return side/base from costs measured in pairs, equal index beside equal index.

    The trimmed mean of the logarithms and its t interval from the winsorized variance (Tukey and
    McLaughlin, Sankhya A 25, 1963). A burst of somebody else's work spoils single pairs by a
    factor; the mean's interval is then too wide to be of use, and a percentile bootstrap of five
    pairs too narrow to be true. Raises ValueError without pairs or with a cost that is none.
    """
    if len(base) != len(side) or not base:
        raise ValueError(f"{len(base)} and {len(side)} costs are no pairs")
    found = _trimmed(_logs(side) - _logs(base))
    return _around(found.middle, math.sqrt(found.variance), found.freedom)


def unpaired(base: Sequence[float], side: Sequence[float]) -> Ratio:
    """Return side/base from costs that belong together in no pairs, like first bindings.

    The same means, with the t interval for two samples of unequal spread (Yuen, Biometrika 61,
    1974; Welch's where too few are there to trim). Raises ValueError where a side has no cost, or
    one that is none.
    """
    if not base or not side:
        raise ValueError(f"{len(base)} and {len(side)} costs make no ratio")
    parts = [_trimmed(_logs(costs)) for costs in (base, side)]
    middle = parts[1].middle - parts[0].middle
    variance = sum(part.variance for part in parts)
    if min(part.freedom for part in parts) < 1 or variance == 0:
        return _around(middle, math.sqrt(variance), min(p.freedom for p in parts))
    freedom = variance**2 / sum(part.variance**2 / part.freedom for part in parts)
    return _around(middle, math.sqrt(variance), freedom)


def widened(found: Ratio, base_step: float, side_step: float) -> Ratio:
    """Return a ratio no surer than clocks allow that err by these shares of base's and side's cost.

    Equal readings of a coarse clock have no spread, and still do not say what lies between steps.
    """
    if found.low is None or found.high is None:
        return found
    floor = (1 - min(side_step, 1.0)) / (1 + base_step)
    ceiling = (1 + side_step) / max(1 - base_step, 1e-9)
    low, high = found.value * floor, found.value * ceiling
    return Ratio(found.value, min(found.low, low), max(found.high, high))


def rank_test(base: Sequence[float], side: Sequence[float]) -> tuple[float | None, str]:
    """Return the Mann-Whitney test's two-sided p-value and how it came about, or None and why not.

    It is asked only where that many values could reach THRESHOLD at all: 3 a side cannot
    (Mann and Whitney, Annals of Mathematical Statistics 18, 1947).
    """
    ways = math.comb(len(base) + len(side), len(base))
    if not base or not side or 2 / ways > THRESHOLD:
        few = f"{len(base)} and {len(side)} values"
        return None, f"no rank test: {few} cannot reach p={THRESHOLD}"
    ranks = _ranks([*base, *side])
    if ways > MOST_WAYS:
        return _normal(ranks, len(base)), "Mann-Whitney, normal curve corrected for ties"
    off = np.abs(ranks[_ways(len(ranks), len(base))].sum(axis=1) - ranks.mean() * len(base))
    # The first way is the one that was seen; half ranks are exact, so nothing is rounded.
    return float(np.mean(off >= off[0])), f"Mann-Whitney, exact over {ways} ways"


def _normal(ranks: npt.NDArray[np.float64], few: int) -> float:
    """The p-value where there are too many ways to try them all, corrected for ties and steps.

    The first `few` ranks are base's. scipy.stats.mannwhitneyu() does it; importing that takes
    longer than a whole report may.
    """
    count = len(ranks)
    _, ties = np.unique(ranks, return_counts=True)
    off = abs(float(ranks[:few].sum()) - few * (count + 1) / 2) - 0.5
    tied = float((ties.astype(float) ** 3 - ties).sum()) / (count * (count - 1))
    spread = math.sqrt(few * (count - few) / 12 * (count + 1 - tied))
    return min(1.0, math.erfc(off / spread / math.sqrt(2))) if spread else 1.0


def _ranks(values: Sequence[float]) -> npt.NDArray[np.float64]:
    """Ranks from 1, equal values sharing the mean of theirs."""
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[which]


@functools.lru_cache(maxsize=16)
def _ways(count: int, chosen: int) -> npt.NDArray[np.int64]:
    """All ways to choose, a row each; the first is 0, 1, 2 …"""
    return np.array(list(itertools.combinations(range(count), chosen)))


def _logs(costs: Sequence[float]) -> Logs:
    if min(costs) <= 0:
        raise ValueError("a cost is not positive")
    return np.log(np.asarray(costs, dtype=np.float64))


class _Mean(NamedTuple):
    """A trimmed mean, the variance of it, and the degrees of freedom that its interval has."""

    middle: float
    variance: float
    freedom: int


def _trimmed(logs: Logs) -> _Mean:
    ordered = np.sort(logs)
    count = len(ordered)
    cut = int(TRIM * count)
    kept = ordered[cut : count - cut]
    middle = float(kept.mean())
    if count < FEWEST:
        return _Mean(middle, 0.0, 0)
    winsorized = np.clip(ordered, kept[0], kept[-1])
    freedom = len(kept) - 1
    share = (count - 1) / (len(kept) * freedom)
    return _Mean(middle, float(winsorized.var(ddof=1)) * share, freedom)


def _around(middle: float, error: float, freedom: float) -> Ratio:
    if freedom < 1:
        return Ratio(math.exp(middle), None, None)
    reach = student(freedom, CONFIDENCE) * error
    return Ratio(math.exp(middle), math.exp(middle - reach), math.exp(middle + reach))


@functools.lru_cache(maxsize=256)
def student(freedom: float, confidence: float) -> float:
    """Return how many standard errors a confidence reaches either way, by Student's t.

    scipy.special.stdtrit() does it; importing that takes a third of what a whole report may. With
    t = sqrt(freedom) tan(angle) the density is cos(angle) ** (freedom - 1), which is smooth.
    """
    whole = math.exp(math.lgamma(freedom / 2) - math.lgamma((freedom + 1) / 2)) * math.sqrt(math.pi)
    # No quantile that anybody asks for lies beyond, and no curve is too narrow for the steps.
    low, high = 0.0, min(math.pi / 2, 40 / math.sqrt(freedom))
    for _ in range(40):
        angle = (low + high) / 2
        heights = np.cos(np.linspace(0, angle, 2 * HALF_STEPS + 1)) ** (freedom - 1)
        ends, odd, even = heights[0] + heights[-1], heights[1::2].sum(), heights[2:-1:2].sum()
        below = (ends + 4 * odd + 2 * even) * angle / (6 * HALF_STEPS)  # Simpson's rule
        low, high = (angle, high) if 2 * below < confidence * whole else (low, angle)
    return math.sqrt(freedom) * math.tan(low)
