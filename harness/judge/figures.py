# SPDX-License-Identifier: GPL-2.0-only
"""Verdicts on the other figures of a claim: first bindings, and all times in milliseconds. Pure.

A figure of the author's has an error of its own: its printed digits, the whole milliseconds of his
clock, and the number of samples in a mean.
"""

import math
import statistics
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import msgspec

from harness.judge.stats.ratio import FEWEST
from harness.judge.tabulate import BootTable, Op
from harness.project.claim import Claim, Figures, PostedNumber
from harness.record.metric import Better

FigureWord = Literal["as the author's", "not as the author's", "inconclusive", "untested"]
#: A time is the author's if it differs by no more: machines of one kind differ as much in memory
#: and settings.
ALIKE_SHARE = 0.10
#: The standard deviation of a time between two readings of a clock with a step of 1.
_CLOCK_ERROR = 1 / math.sqrt(6)
#: Standard deviations that are allowed for, about 95 %.
_DEVIATIONS = 2.0


class FigureVerdict(msgspec.Struct, frozen=True):
    """Whether one posted time was measured here as well; `name` says which."""

    name: str
    posted: str
    verdict: FigureWord
    reason: str


class _Range(NamedTuple):
    low: float
    high: float


def error_ms(posted: PostedNumber, samples: int, step_ms: float) -> float:
    """Return how far a posted time may be from the true one: digits, clock, number of samples."""
    clock = min(step_ms, _DEVIATIONS * _CLOCK_ERROR * step_ms / math.sqrt(max(samples, 1)))
    return float(posted.half_step) + clock


def percent_error(claim: Claim, better: Better = "lower") -> float:
    """Return how far a claimed gain may be from the true one, in points."""
    if claim.at_most_worse_percent is not None:
        return 0.0
    digits = _digits_error(claim, better)
    if claim.base is None or claim.tip is None:
        return digits
    base, tip = (_of_mean(claim, figures) for figures in (claim.base, claim.tip))
    ratio = claim.tip.number / claim.base.number
    least = max(base.low, 1e-9)
    off = tip.high / least - ratio if better == "lower" else ratio - tip.low / base.high
    return digits + 100 * off


def _digits_error(claim: Claim, better: Better) -> float:
    """Return the rounding error of a stated percentage or factor, in points."""
    if claim.times is not None:
        half = float(PostedNumber.of(claim.times, claim.percent_decimals).half_step)
        return 100 * half / (claim.times**2 if better == "lower" else 1)
    stated = claim.reduction_percent if better == "lower" else claim.increase_percent
    if stated is None:
        return 0.0
    return float(PostedNumber.of(stated, claim.percent_decimals).half_step)


def figures(
    table: BootTable, metric: str, build: str, claim: Claim, why_not: str
) -> tuple[FigureVerdict, ...]:
    """Return a verdict on each posted time; `why_not` says why none can be tested, if none can."""
    base = table.record.builds[0].name
    if claim.unit != "ms" or table.record.setup.metric(metric).unit != "ns":
        return ()  # only times in milliseconds are compared one by one
    return tuple(
        _judged(table, (name, metric, op), f"{title}, {what}", posted, theirs, why_not)
        for name, title, of_build in ((base, "base", claim.base), (build, "tip", claim.tip))
        if of_build is not None
        for op, what, posted, theirs in _posted(claim, of_build)
    )


def _posted(claim: Claim, found: Figures) -> Iterator[tuple[Op, str, str, _Range]]:
    yield "rebind", "mean rebind", f"{found.mean} ms", _of_mean(claim, found)
    if found.first_ms is not None:
        number = PostedNumber.of(found.first_ms)
        error = error_ms(number, 1, claim.resolution_ms)
        theirs = _Range(found.first_ms - error, found.first_ms + error)
        yield "first", "first binding", f"{number} ms", theirs


def _of_mean(claim: Claim, found: Figures) -> _Range:
    # He may have averaged 29 or 30 of 30 rebinds. A claim in another unit than milliseconds does
    # not say what the step of its clock was.
    step = claim.resolution_ms if claim.unit == "ms" else 0
    error = error_ms(found.mean, claim.rebinds - 1, step)
    return _Range(found.number - error, found.number + error)


def _judged(
    table: BootTable,
    key: tuple[str, str, Op],
    name: str,
    posted: str,
    theirs: _Range,
    why_not: str,
) -> FigureVerdict:
    if why_not:
        return FigureVerdict(name, posted, "untested", why_not)
    units = table.units[key]
    ours = _interval(units.values)
    if ours is None:
        text = f"{len(units.costs)} boots: an interval needs {FEWEST}"
        return FigureVerdict(name, posted, "inconclusive", text)
    samples = len(table.of(*key)) / len(units.costs)
    clock = units.step / 1e6 * min(1.0, _DEVIATIONS * _CLOCK_ERROR / math.sqrt(samples))
    ours = _Range(ours.low - clock, ours.high + clock)
    off = _Range(ours.low / theirs.high - 1, ours.high / max(theirs.low, 1e-9) - 1)
    measured = f"{ours.low:.1f} to {ours.high:.1f} ms (95 %), posted {posted}"
    most = max(abs(off.low), abs(off.high))
    if most <= ALIKE_SHARE:
        return FigureVerdict(name, posted, "as the author's", f"within {most:.1%}: {measured}")
    between = f"{off.low:+.1%} to {off.high:+.1%}: {measured}"
    if off.low > ALIKE_SHARE or off.high < -ALIKE_SHARE:
        return FigureVerdict(name, posted, "not as the author's", between)
    return FigureVerdict(name, posted, "inconclusive", between)


def _interval(costs: Sequence[float]) -> _Range | None:
    """Return the 95 % interval of the mean over boots, in ms."""
    from scipy import stats

    if len(costs) < FEWEST:
        return None
    middle = statistics.fmean(costs) / 1e6
    error = statistics.stdev(costs) / math.sqrt(len(costs)) / 1e6
    wide = float(stats.t.ppf(0.975, len(costs) - 1)) * error
    return _Range(middle - wide, middle + wide)
