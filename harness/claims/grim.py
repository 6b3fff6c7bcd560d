# SPDX-License-Identifier: GPL-2.0-only
"""Tests whether a posted number can be the mean of n samples of a clock with whole steps.

This is the GRIM test of N. J. L. Brown and J. A. J. Heathers ("The GRIM Test", Social Psychological
and Personality Science, 2017): a mean of n whole numbers is a multiple of 1/n, so with few samples
most decimals are impossible. All arithmetic is exact.
"""

import math
from fractions import Fraction

from harness.project.claim import PostedNumber, decimal_text

#: How far from n a fitting number of samples is searched. A hundred or more fit any two decimals.
MAX_DISTANCE = 100


def can_be_mean(mean: PostedNumber, n: int, step: int = 1) -> bool:
    """Whether some n multiples of `step` have a mean that rounds to `mean`.

    Ties may be rounded either way. `mean` and `step` have the same unit; n is 1 or more.
    """
    spacing = Fraction(step, n)
    first = max(1, math.ceil((mean.value - mean.half_step) / spacing))
    return first <= math.floor((mean.value + mean.half_step) / spacing)


def can_be_cut_mean(mean: PostedNumber, n: int, step: int = 1) -> bool:
    """Whether some such mean is `mean` after its further decimals are cut off."""
    first = math.ceil(mean.value / Fraction(step, n))
    return Fraction(step, n) * first < mean.value + mean.unit


def nearest_means(mean: PostedNumber, n: int, step: int = 1) -> tuple[str, str]:
    """Return the nearest means of n samples below and above `mean`, to its decimals."""
    spacing = Fraction(step, n)
    below = math.floor(mean.value / spacing)
    low, high = (decimal_text(spacing * k, mean.decimals) for k in (below, below + 1))
    return low, high


def fitting_counts(mean: PostedNumber, n: int, step: int = 1) -> tuple[int, ...]:
    """Return the nearest numbers of samples, at most n and at least n, that can have this mean."""
    down, up = range(n, max(n - MAX_DISTANCE, 0), -1), range(n, n + MAX_DISTANCE)
    fewer = next((k for k in down if can_be_mean(mean, k, step)), None)
    more = next((k for k in up if can_be_mean(mean, k, step)), None)
    return tuple(dict.fromkeys(k for k in (fewer, more) if k is not None))
