# SPDX-License-Identifier: GPL-2.0-only
"""How many boots and rebinds a verdict needed, and what more of them would bring. Pure.

An interval of n boots is as wide as Student's t over the square root of n: the spread from boot to
boot is taken to stay as it was.
"""

import math
import statistics
from collections.abc import Mapping, Sequence

import msgspec

from harness.judge.ratios.ratios import Effect, effects
from harness.judge.stats.ratio import CONFIDENCE, FEWEST
from harness.judge.tabulate import BootTable, tabulate
from harness.record.record import BootRun, Sample

#: More boots than this are not proposed.
MOST_BOOTS = 200
#: Fewer rebinds may add this share to the variance of boots.
_ADDED = 0.1


class Precision(msgspec.Struct, frozen=True):
    """What an effect's interval cost. Widths are shares of the ratio.

    `sufficient` boots per build would have given the same verdict, or would give one; None if
    MOST_BOOTS would not. `rebinds` per boot would have sufficed, as far as the spread within and
    between boots shows. `doubled` is the width with twice the boots.
    """

    boots: int
    width: float
    doubled: float
    sufficient: int | None
    rebinds: int


def precision(table: BootTable, effect: Effect, floor_percent: float) -> Precision | None:
    """Return what the interval of an effect cost, which is held against a floor in percent.

    None if the effect has no interval.
    """
    width = relative_width(effect)
    boots = effect.n_base
    if width is None or boots < FEWEST or effect.n_build != boots:
        return None
    floor = 1 - floor_percent / 100
    distance = abs(math.log(floor) - math.log(effect.ratio)) if floor > 0 else math.inf
    return Precision(
        boots=boots,
        width=width,
        doubled=expected_width(width, boots, 2 * boots),
        sufficient=_fewest(width, boots, 2 * distance),
        rebinds=_rebinds(table, effect),
    )


def relative_width(effect: Effect) -> float | None:
    """Return the width of the interval as a share of the ratio; None without an interval."""
    if effect.low is None or effect.high is None:
        return None
    return (effect.high - effect.low) / effect.ratio


def expected_width(width: float, boots: int, wanted: int) -> float:
    """Return how wide the interval of `boots` boots would be with `wanted` ones."""
    return width * _factor(wanted) / _factor(boots)


def more_boots(record: BootRun, until: float) -> int:
    """Return how many boots per build to add until each rebind's interval is as narrow as `until`.

    `until` is a share of the ratio. At most as many as there are: the spread of a few boots is not
    well known. 0 if all are that narrow, or cannot be: without an interval, or with a clock whose
    step is wider.
    """
    table, boots = tabulate(record), record.setup.boots
    wanted = boots
    for effect in effects(table):
        width = relative_width(effect)
        if effect.op != "rebind" or width is None or width <= until:
            continue
        names = (record.builds[0].name, effect.build)
        units = [table.units[name, effect.kind, "rebind"] for name in names]
        if sum(one.step / one.median for one in units) < until:
            wanted = max(wanted, boots + 1, _fewest(width, boots, until) or MOST_BOOTS)
    return max(0, min(wanted, 2 * boots, MOST_BOOTS) - boots)


def _fewest(width: float, boots: int, most: float) -> int | None:
    for wanted in range(FEWEST, MOST_BOOTS + 1):
        if expected_width(width, boots, wanted) <= most:
            return wanted
    return None


def _factor(boots: int) -> float:
    from scipy import stats

    return float(stats.t.ppf((1 + CONFIDENCE) / 2, boots - 1)) / math.sqrt(boots)


def _rebinds(table: BootTable, effect: Effect) -> int:
    """Return the fewest rebinds per boot that add little to the variance between boots."""
    made = table.record.setup.rebinds
    names = (table.record.builds[0].name, effect.build)
    within = between = 0.0
    for name in names:
        samples = table.samples[name, effect.kind, "rebind"]
        ours = _within(samples)
        costs = [math.log(cost) for cost in table.units[name, effect.kind, "rebind"].values]
        within += ours
        between += max(0.0, statistics.variance(costs) - ours / made)
    if between == 0:
        return made
    return min(made, max(1, math.ceil(within / (_ADDED * between))))


def _within(samples: Mapping[int, Sequence[Sample]]) -> float:
    """Return the mean variance of the logarithms of a boot's rebinds."""
    found = [
        statistics.variance([math.log(s.ns) for s in boot])
        for boot in samples.values()
        if len(boot) > 1 and all(s.ns > 0 for s in boot)
    ]
    return statistics.fmean(found) if found else 0.0
