# SPDX-License-Identifier: GPL-2.0-only
"""Do a series' own figures fit each other? Arithmetic on claims alone; nothing is measured.

A finding is no accusation: it says what does not fit and what it would take to be right, which is
often something that the mail only leaves out.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Literal

import msgspec

from harness.claims.grim import can_be_cut_mean, can_be_mean, fitting_counts, nearest_means
from harness.project.claim import Claim, Figures, PostedNumber, decimal_text

#: Where one step of the clock is more than this share of a mean, the clock decides its digits.
COARSE_SHARE = Fraction(1, 50)

Outcome = Literal["fits", "finding", "unchecked"]


class AuditResult(msgspec.Struct, frozen=True):
    """One thing that was looked at: what is to be said of it, and what it would take to be right.

    `figure` is the number in question as it was posted. `hint` is empty unless it is a finding.
    """

    name: Literal["percentage", "mean", "first-binding", "clock"]
    figure: str
    outcome: Outcome
    said: str
    hint: str = ""


class Audited(msgspec.Struct, frozen=True):
    """A claim and everything that was looked at in it."""

    claim: Claim
    checks: tuple[AuditResult, ...]

    @property
    def findings(self) -> tuple[AuditResult, ...]:
        """What does not fit."""
        return tuple(check for check in self.checks if check.outcome == "finding")


def audit(claims: Sequence[Claim]) -> tuple[Audited, ...]:
    """Return what can be said of each claim by its own figures, in the order of `claims`."""
    return tuple(Audited(claim, _checks(claim)) for claim in claims)


def counts(rebinds: int) -> tuple[int, ...]:
    """How many samples a mean of `rebinds` rebinds may have, the likeliest first.

    One binding fewer, where the first of them is set apart; all of them; one more, where the
    binding before them was counted in.
    """
    return tuple(n for n in (rebinds - 1, rebinds, rebinds + 1) if n > 0)


def _checks(claim: Claim) -> tuple[AuditResult, ...]:
    builds = [(name, f) for name, f in (("base", claim.base), ("tip", claim.tip)) if f is not None]
    checks = [_percentage(claim)] if claim.reduction is not None else []
    for name, figures in builds:
        checks.append(_mean(claim, name, figures.mean))
        if figures.first_ms is not None:
            checks.append(_first(name, figures, figures.first_ms))
        checks.append(_clock(claim, name, figures.mean))
    return tuple(checks)


def _percentage(claim: Claim) -> AuditResult:
    posted = claim.reduction
    assert posted is not None  # noqa: S101 (the caller has looked)
    figure = f"{posted} %"
    if claim.base is None or claim.tip is None:
        return AuditResult("percentage", figure, "unchecked", "the means it rests on are not given")
    base, tip = claim.base.mean, claim.tip.mean
    if base.value <= base.half_step:
        return AuditResult(
            "percentage", figure, "unchecked", f"{base} ms is too coarse to divide by"
        )
    reduction = _reduction(base.value, tip.value)
    exact = decimal_text(abs(reduction), max(posted.decimals, 0) + 2)
    said = f"from {base} to {tip} ms is {exact} % {'less' if reduction >= 0 else 'more'}"
    # The means are rounded themselves: what may lie behind them is a range.
    low = _reduction(base.value - base.half_step, tip.value + tip.half_step)
    high = _reduction(base.value + base.half_step, tip.value - tip.half_step)
    if low - posted.half_step <= posted.value <= high + posted.half_step:
        return AuditResult("percentage", figure, "fits", said)
    right = decimal_text(reduction, posted.decimals)
    hint = f"{right} %, or other means"
    if _is_speedup(base, tip, posted):
        hint += f"; {posted} % is how much longer base takes than tip"
    return AuditResult("percentage", figure, "finding", said, hint)


def _reduction(base: Fraction, tip: Fraction) -> Fraction:
    return (1 - tip / base) * 100


def _is_speedup(base: PostedNumber, tip: PostedNumber, posted: PostedNumber) -> bool:
    return abs((base.value / tip.value - 1) * 100 - posted.value) <= posted.half_step


def _mean(claim: Claim, build: str, mean: PostedNumber) -> AuditResult:
    figure, step = f"{build} average {mean} ms", claim.resolution_ms
    samples = "whole milliseconds" if step == 1 else f"multiples of {step} ms"
    tried = counts(claim.rebinds)
    fitting = [n for n in tried if can_be_mean(mean, n, step)]
    if fitting:
        return AuditResult(
            "mean", figure, "fits", f"can be the mean of {_either(fitting)} {samples}"
        )
    low, high = nearest_means(mean, tried[0], step)
    said = (
        f"is no mean of {_either(tried)} {samples}; "
        f"the nearest means of {tried[0]} are {low} and {high} ms"
    )
    return AuditResult("mean", figure, "finding", said, _mend_mean(mean, tried, step))


def _mend_mean(mean: PostedNumber, tried: Sequence[int], step: int) -> str:
    ways = []
    fitting = fitting_counts(mean, tried[0], step)
    if fitting:
        ways.append(f"{_either(fitting)} samples")
    cut = [n for n in tried if can_be_cut_mean(mean, n, step)]
    if cut:
        ways.append(f"{_either(cut)} samples and decimals cut off, not rounded")
    ways.append(f"a clock finer than {step} ms")
    ways.append("a mean of several runs' means")
    return ", or ".join(ways)


def _first(build: str, figures: Figures, first_ms: float) -> AuditResult:
    first, mean = PostedNumber.of(first_ms), figures.mean
    figure = f"{build} first binding {first} ms"
    if first.value > mean.value:
        return AuditResult(
            "first-binding", figure, "fits", f"is longer than the average, {mean} ms"
        )
    return AuditResult(
        "first-binding",
        figure,
        "finding",
        f"is not longer than the average, {mean} ms, though it alone pays for untouched memory",
        "memory that was touched before, by an earlier binding or because it was preallocated",
    )


def _clock(claim: Claim, build: str, mean: PostedNumber) -> AuditResult:
    step = Fraction(claim.resolution_ms)
    share = decimal_text(step / mean.value * 100, 1)
    figure, said = f"{build} average {mean} ms", f"a step of the clock is {share} % of it"
    if step <= mean.value * COARSE_SHARE:
        return AuditResult("clock", figure, "fits", said)
    factor = step / COARSE_SHARE / mean.value
    return AuditResult(
        "clock",
        figure,
        "finding",
        f"{said}: too coarse for the size",
        f"namespaces {decimal_text(factor + Fraction(1, 20), 1)} times as large, or a finer clock",
    )


def _either(numbers: Sequence[int]) -> str:
    *most, last = map(str, numbers)
    return f"{', '.join(most)} or {last}" if most else last
