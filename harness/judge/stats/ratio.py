# SPDX-License-Identifier: GPL-2.0-only
"""The ratio of two costs from few measurements on a shared machine, with its interval. Pure.

How the intervals were chosen: base and build of equal true cost, 1500 trials each, six kinds of
noise (lognormal 2 %; one-sided with bursts of 60 %; Student's t with 3 degrees; a drift of 10 %
that both share; two modes 10 % apart; 1 % beside 4 %). How often an interval of 95 % held 1, in
percent, least and most of the six:

    boots or processes per build             3           5           10
    percentile bootstrap of means       78 to 100   85 to 100   89 to 100
    percentile bootstrap of medians     85 to 100   95 to 100   94 to 100
    trimmed mean of paired logarithms   94 to 98    93 to 97    94 to 97
    the same in no pairs                94 to 100   92 to 100   95 to 100
    paired, with the t of 97 %          96 to 98    95 to 98    95 to 98
    in no pairs, with the t of 97 %     96 to 100   94 to 100   96 to 100

So a bootstrap of three values does not give a 95 % interval (too few resamples: Efron and
Tibshirani, An Introduction to the Bootstrap, 1993, ch. 12 to 14); where it is wide enough, a drift
makes it three times too wide, which pairing avoids. Student's t assumes normal errors; a t for 97 %
makes up for other noise. tests/bench/judge.py repeats the trial on a replay's samples.
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
#: The t's confidence that gives a 95 % interval with all kinds of noise (see above).
CONFIDENCE = 0.97
#: Fewer measurements give no interval.
FEWEST = 3
#: The p-value that a rank test must be able to reach, or it is not made.
THRESHOLD = 0.05
#: Most permutations that are all tried (8 values per build); above, a normal approximation is used.
MOST_WAYS = 13_000


class Ratio(msgspec.Struct, frozen=True):
    """A build's cost relative to base with its 95 % interval.

    `low` and `high` are None if there are too few measurements.
    """

    value: float
    low: float | None
    high: float | None


def ratio(base: Sequence[float], build: Sequence[float], confidence: float = CONFIDENCE) -> Ratio:
    """Return build/base from costs measured in pairs, equal index with equal index.

    The trimmed mean of the logarithms and its t interval from the winsorized variance (Tukey and
    McLaughlin, Sankhya A 25, 1963). A burst of other load spoils single pairs by a factor: then the
    interval of the mean is too wide to be useful, and a percentile bootstrap of five pairs too
    narrow. Raises ValueError without pairs, or with a cost that is not positive.
    """
    if len(base) != len(build) or not base:
        raise ValueError(f"{len(base)} and {len(build)} costs do not form pairs")
    # scipy has Yuen's test for two samples only. With constant zeros as the second it is the test
    # for one: they add neither variance nor degrees of freedom.
    return _difference(_logs(build) - _logs(base), np.zeros(len(base)), confidence)


def of_look(look: int) -> float:
    """Return the t's confidence at a look at data that may be followed by more data; 0 is none.

    Look k may be wrong with a probability of 1/(k (k + 1)) of the whole, so all looks together
    have the confidence of one that was planned (alpha spending: Lan and DeMets, Biometrika 70,
    1983).
    """
    return 1 - (1 - CONFIDENCE) / (look * (look + 1)) if look else CONFIDENCE


def unpaired(
    base: Sequence[float], build: Sequence[float], confidence: float = CONFIDENCE
) -> Ratio:
    """Return build/base from costs that do not form pairs, such as first bindings.

    The same means, with the t interval for two samples of unequal spread (Yuen, Biometrika 61,
    1974; Welch's if there are too few to trim). Raises ValueError if a build has no cost, or one
    that is not positive.
    """
    if not base or not build:
        raise ValueError(f"{len(base)} and {len(build)} costs make no ratio")
    return _difference(_logs(build), _logs(base), confidence)


def widened(found: Ratio, base_step: float, build_step: float) -> Ratio:
    """Return a ratio widened by the clock errors, given as shares of base's and build's cost.

    Equal readings of a coarse clock have no spread, but may differ by its resolution.
    """
    if found.low is None or found.high is None:
        return found
    floor = (1 - min(build_step, 1.0)) / (1 + base_step)
    ceiling = (1 + build_step) / max(1 - base_step, 1e-9)
    low, high = found.value * floor, found.value * ceiling
    return Ratio(found.value, min(found.low, low), max(found.high, high))


def rank_test(base: Sequence[float], build: Sequence[float]) -> tuple[float | None, str]:
    """Return the Mann-Whitney test's two-sided p-value and how it was made, or None and why not.

    It is made only if that many values can reach THRESHOLD at all: 3 per build cannot
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
    long for 8 values per build.
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
