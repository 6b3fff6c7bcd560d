# SPDX-License-Identifier: GPL-2.0-only
"""The ratio of two costs from paired measurements on a machine that others use as well."""

import math
from collections.abc import Sequence

import msgspec
import numpy as np
from scipy import stats

#: Cut from each end before the mean is taken: one measurement of five to nine, two of ten.
TRIM = 0.2
#: Below this nothing is said of how far a ratio may be off.
FEWEST = 3


class Ratio(msgspec.Struct, frozen=True):
    """How much a side costs of what base does, and where that lies with 95 % confidence.

    `low` and `high` are None where there are too few measurements to tell.
    """

    value: float
    low: float | None
    high: float | None


def ratio(base: Sequence[float], side: Sequence[float], confidence: float = 0.95) -> Ratio:
    """Return side/base from costs measured in pairs, equal index beside equal index.

    The trimmed mean of the logarithms and its t interval from the winsorized variance (Tukey and
    McLaughlin, Sankhya A 25, 1963). A burst of somebody else's work spoils single pairs by a
    factor; the mean's interval is then too wide to be of use, and a percentile bootstrap of five
    pairs too narrow to be true. Raises ValueError without pairs or with a cost that is none.
    """
    if len(base) != len(side) or not base:
        raise ValueError(f"{len(base)} and {len(side)} costs are no pairs")
    if min(*base, *side) <= 0:
        raise ValueError("a cost is not positive")
    logs = np.sort(np.log(np.asarray(side) / np.asarray(base)))
    count = len(logs)
    cut = int(TRIM * count)
    kept = logs[cut : count - cut]
    middle = float(kept.mean())
    if count < FEWEST:
        return Ratio(math.exp(middle), None, None)
    winsorized = np.clip(logs, kept[0], kept[-1])
    error = winsorized.std(ddof=1) * math.sqrt((count - 1) / (len(kept) * (len(kept) - 1)))
    reach = float(stats.t.ppf((1 + confidence) / 2, len(kept) - 1) * error)
    return Ratio(math.exp(middle), math.exp(middle - reach), math.exp(middle + reach))
