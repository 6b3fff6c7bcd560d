# SPDX-License-Identifier: GPL-2.0-only
"""Which numbers can be the mean of n samples of a clock that counts in whole steps.

The idea is the GRIM test of N. J. L. Brown and J. A. J. Heathers ("The GRIM Test", Social
Psychological and Personality Science, 2017): a mean of n whole numbers is a multiple of 1/n, so
at few samples most decimals cannot come out. All arithmetic is exact.
"""

import math
from fractions import Fraction

from harness.project.claim import PostedNumber, decimal_text

#: How far from the expected number of samples a fitting one is looked for. At two decimals, any
#: hundred samples or more fit.
MAX_DISTANCE = 100


def can_be_mean(mean: PostedNumber, n: int, step: int = 1) -> bool:
    """Whether some n whole multiples of `step` have a mean that rounds to `mean`.

    A tie may have been rounded either way. `mean` and `step` are in one unit; n is 1 or more.
    """
    low, high = mean.value - mean.half_step, mean.value + mean.half_step
    return _has_multiple(low, high, Fraction(step, n))


def can_be_cut_mean(mean: PostedNumber, n: int, step: int = 1) -> bool:
    """Whether `mean` is what is left of such a mean when its further digits are cut off."""
    first = math.ceil(mean.value / Fraction(step, n))
    return Fraction(step, n) * first < mean.value + mean.unit


def nearest_means(mean: PostedNumber, n: int, step: int = 1) -> tuple[str, str]:
    """Return the means of n samples next to `mean`, below and above, to its decimals."""
    spacing = Fraction(step, n)
    below = math.floor(mean.value / spacing)
    low, high = (decimal_text(spacing * k, mean.decimals) for k in (below, below + 1))
    return low, high


def fitting_counts(mean: PostedNumber, n: int, step: int = 1) -> tuple[int, ...]:
    """Return the numbers of samples nearest to n that can have this mean: fewer, more."""
    down, up = range(n, max(n - MAX_DISTANCE, 0), -1), range(n, n + MAX_DISTANCE)
    fewer = next((k for k in down if can_be_mean(mean, k, step)), None)
    more = next((k for k in up if can_be_mean(mean, k, step)), None)
    return tuple(dict.fromkeys(k for k in (fewer, more) if k is not None))


def _has_multiple(low: Fraction, high: Fraction, spacing: Fraction) -> bool:
    """Whether a positive multiple of `spacing` lies in [low, high]."""
    return max(1, math.ceil(low / spacing)) <= math.floor(high / spacing)
