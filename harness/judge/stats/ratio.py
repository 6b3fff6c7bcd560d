# SPDX-License-Identifier: GPL-2.0-only
"""The ratio of two costs, measured a few times on a machine that others use as well.

How the intervals were chosen: base and build with equal true cost, 1500 tries each, six kinds of
noise (lognormal 2 %; one-sided with bursts of 60 %; Student's t with 3 degrees; a drift of 10 %
that both share; two modes 10 % apart; 1 % beside 4 %). How often an interval of 95 % held 1, in
percent, least and most of the six:

    boots or processes a build               3           5           10
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
import warnings
from collections.abc import Sequence

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
#: Ways to deal the ranks out that are all tried (8 values a build); beyond, a normal curve will do.
MOST_WAYS = 13_000


class Ratio(msgspec.Struct, frozen=True):
    """How much a build costs of what base does, and where that lies with 95 % confidence.

    `low` and `high` are None where there are too few measurements to tell.
    """

    value: float
    low: float | None
    high: float | None


def ratio(base: Sequence[float], build: Sequence[float], confidence: float = CONFIDENCE) -> Ratio:
    """Return build/base from costs measured in pairs, equal index beside equal index.

    The trimmed mean of the logarithms and its t interval from the winsorized variance (Tukey and
    McLaughlin, Sankhya A 25, 1963). A burst of somebody else's work spoils single pairs by a
    factor; the mean's interval is then too wide to be of use, and a percentile bootstrap of five
    pairs too narrow to be true. Raises ValueError without pairs or with a cost that is none.
    """
    if len(base) != len(build) or not base:
        raise ValueError(f"{len(base)} and {len(build)} costs are no pairs")
    # scipy has Yuen's test for two samples only. With constant zeros as the second it is the test
    # for one: they add neither variance nor degrees of freedom.
    return _difference(_logs(build) - _logs(base), np.zeros(len(base)), confidence)


def unpaired(base: Sequence[float], build: Sequence[float]) -> Ratio:
    """Return build/base from costs that belong together in no pairs, like first bindings.

    The same means, with the t interval for two samples of unequal spread (Yuen, Biometrika 61,
    1974; Welch's where too few are there to trim). Raises ValueError where a build has no cost, or
    one that is none.
    """
    if not base or not build:
        raise ValueError(f"{len(base)} and {len(build)} costs make no ratio")
    return _difference(_logs(build), _logs(base))


def widened(found: Ratio, base_step: float, build_step: float) -> Ratio:
    """Return a ratio no surer than clocks allow that err by these shares of base's and build's
    cost.

    Equal readings of a coarse clock have no spread, and still do not say what lies between steps.
    """
    if found.low is None or found.high is None:
        return found
    floor = (1 - min(build_step, 1.0)) / (1 + base_step)
    ceiling = (1 + build_step) / max(1 - base_step, 1e-9)
    low, high = found.value * floor, found.value * ceiling
    return Ratio(found.value, min(found.low, low), max(found.high, high))


def rank_test(base: Sequence[float], build: Sequence[float]) -> tuple[float | None, str]:
    """Return the Mann-Whitney test's two-sided p-value and how it came about, or None and why not.

    It is asked only where that many values could reach THRESHOLD at all: 3 a build cannot
    (Mann and Whitney, Annals of Mathematical Statistics 18, 1947).
    """
    ways = math.comb(len(base) + len(build), len(base))
    if not base or not build or 2 / ways > THRESHOLD:
        few = f"{len(base)} and {len(build)} values"
        return None, f"no rank test: {few} cannot reach p={THRESHOLD}"
    from scipy import stats

    if ways > MOST_WAYS:
        how = "Mann-Whitney, normal curve corrected for ties"
        return float(stats.mannwhitneyu(base, build, method="asymptotic").pvalue), how
    ranks = stats.rankdata([*base, *build])
    off = np.abs(ranks[_ways(len(ranks), len(base))].sum(axis=1) - ranks.mean() * len(base))
    # The first way is the measured one. Half ranks are exact, so nothing is rounded.
    return float(np.mean(off >= off[0])), f"Mann-Whitney, exact over {ways} ways"


@functools.lru_cache(maxsize=16)
def _ways(count: int, chosen: int) -> npt.NDArray[np.int64]:
    """Return all ways to choose, one per row; the first is 0, 1, 2 …

    scipy has no exact p-value for ties but that of permutation_test(), which takes 100 times as
    long for 8 values a build.
    """
    return np.array(list(itertools.combinations(range(count), chosen)))


def _logs(costs: Sequence[float]) -> Logs:
    if min(costs) <= 0:
        raise ValueError("a cost is not positive")
    return np.log(np.asarray(costs, dtype=np.float64))


def _difference(build: Logs, base: Logs, confidence: float = CONFIDENCE) -> Ratio:
    """Return build/base from the difference of their trimmed means, with Yuen's interval."""
    from scipy import stats

    middle = float(stats.trim_mean(build, TRIM) - stats.trim_mean(base, TRIM))
    value = math.exp(middle)
    if min(len(build), len(base)) < FEWEST:
        return Ratio(value, None, None)
    with warnings.catch_warnings():
        # scipy warns of equal values: they have no variance to compute.
        warnings.simplefilter("ignore", RuntimeWarning)
        found = stats.ttest_ind(build, base, equal_var=False, trim=TRIM)
    if not math.isfinite(found.df):
        return Ratio(value, value, value)
    low, high = found.confidence_interval(confidence)
    return Ratio(value, math.exp(low), math.exp(high))
