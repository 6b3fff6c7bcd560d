# SPDX-License-Identifier: GPL-2.0-only
"""Checks whether the posted figures of claims fit each other, by arithmetic alone.

A finding is not an accusation: it says what does not fit and what would explain it, which is often
something that the mail leaves out.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Literal

import msgspec

from harness.claims.grim import can_be_cut_mean, can_be_mean, fitting_counts, nearest_means
from harness.project.claim import Claim, Figures, PostedNumber, decimal_text

#: A clock whose step is a larger share of a mean is too coarse.
COARSE_SHARE = Fraction(1, 50)

Outcome = Literal["fits", "finding", "unchecked"]


class AuditResult(msgspec.Struct, frozen=True):
    """The result of one check of a posted figure; `hint` says what would explain a finding."""

    name: Literal["percentage", "resolution", "mean", "first-binding", "clock"]
    figure: str
    outcome: Outcome
    said: str
    hint: str = ""


class Audited(msgspec.Struct, frozen=True):
    """A claim and the results of its checks."""

    claim: Claim
    checks: tuple[AuditResult, ...]

    @property
    def findings(self) -> tuple[AuditResult, ...]:
        """The checks that found something that does not fit."""
        return tuple(check for check in self.checks if check.outcome == "finding")


def audit(claims: Sequence[Claim]) -> tuple[Audited, ...]:
    """Return each claim with the results of its checks."""
    return tuple(Audited(claim, tuple(_checks(claim))) for claim in claims)


def counts(rebinds: int) -> tuple[int, ...]:
    """Return how many samples a mean of `rebinds` rebinds may have, the likeliest first.

    One less if the first rebind is reported separately, one more if the binding before is included.
    """
    return tuple(n for n in (rebinds - 1, rebinds, rebinds + 1) if n > 0)


def _checks(claim: Claim) -> Iterator[AuditResult]:
    if claim.reduction is not None:
        yield _percentage(claim, claim.reduction)
    if claim.base and claim.tip and claim.base.mean.value > claim.base.mean.half_step:
        yield _resolution(claim.base.mean, claim.tip.mean, claim.unit)
    for build, figures in (("base", claim.base), ("tip", claim.tip)):
        if figures is not None and claim.unit == "ms":
            yield _mean(claim, build, figures.mean)
            if figures.first_ms is not None:
                yield _first(build, figures, PostedNumber.of(figures.first_ms))
            yield _clock(claim, build, figures.mean)


def _percentage(claim: Claim, posted: PostedNumber) -> AuditResult:
    figure = f"{posted} %"
    if claim.base is None or claim.tip is None:
        return AuditResult("percentage", figure, "unchecked", "its means are not given")
    base, tip = claim.base.mean, claim.tip.mean
    if base.value <= base.half_step:
        said = f"{base} {claim.unit} is too coarse to divide by"
        return AuditResult("percentage", figure, "unchecked", said)
    reduction = _reduction(base.value, tip.value)
    exact = decimal_text(abs(reduction), max(posted.decimals, 0) + 2)
    said = f"from {base} to {tip} {claim.unit} is {exact} % {'less' if reduction >= 0 else 'more'}"
    low, high = _allowed(base, tip)
    if low - posted.half_step <= posted.value <= high + posted.half_step:
        return AuditResult("percentage", figure, "fits", said)
    hint = f"{decimal_text(reduction, posted.decimals)} %, or other means"
    if abs((base.value / tip.value - 1) * 100 - posted.value) <= posted.half_step:
        hint += f"; {posted} % is how much longer base takes than tip"
    return AuditResult("percentage", figure, "finding", said, hint)


def _resolution(base: PostedNumber, tip: PostedNumber, unit: str) -> AuditResult:
    low, high = _allowed(base, tip)
    decimals = next((n for n in range(1, 12) if (high - low) * 10**n >= 1), 12)
    said = f"the digits allow {decimal_text(low, decimals)} to {decimal_text(high, decimals)} %"
    return AuditResult("resolution", f"{base} -> {tip} {unit}", "fits", said)


def _allowed(base: PostedNumber, tip: PostedNumber) -> tuple[Fraction, Fraction]:
    """Return the least and the largest reduction, in %, of means that round to these."""
    low = _reduction(base.value - base.half_step, tip.value + tip.half_step)
    return low, _reduction(base.value + base.half_step, max(tip.value - tip.half_step, Fraction()))


def _reduction(base: Fraction, tip: Fraction) -> Fraction:
    return (1 - tip / base) * 100


def _mean(claim: Claim, build: str, mean: PostedNumber) -> AuditResult:
    figure, step = f"{build} average {mean} ms", claim.resolution_ms
    samples = "whole milliseconds" if step == 1 else f"multiples of {step} ms"
    tried = counts(claim.rebinds)
    fitting = [n for n in tried if can_be_mean(mean, n, step)]
    if fitting:
        said = f"can be the mean of {_either(fitting)} {samples}"
        return AuditResult("mean", figure, "fits", said)
    low, high = nearest_means(mean, tried[0], step)
    said = (
        f"cannot be the mean of {_either(tried)} {samples}; "
        f"the nearest means of {tried[0]} are {low} and {high} ms"
    )
    ways = [f"a clock finer than {step} ms", "a mean of several runs' means"]
    if cut := [n for n in tried if can_be_cut_mean(mean, n, step)]:
        ways.insert(0, f"{_either(cut)} samples and decimals cut off, not rounded")
    if others := fitting_counts(mean, tried[0], step):
        ways.insert(0, f"{_either(others)} samples")
    return AuditResult("mean", figure, "finding", said, ", or ".join(ways))


def _first(build: str, figures: Figures, first: PostedNumber) -> AuditResult:
    figure = f"{build} first binding {first} ms"
    if first.value > figures.mean.value:
        said = f"is longer than the average, {figures.mean} ms"
        return AuditResult("first-binding", figure, "fits", said)
    return AuditResult(
        "first-binding",
        figure,
        "finding",
        f"is not longer than the average, {figures.mean} ms, though only it faults in the memory",
        "memory that was touched before, by an earlier binding or because it was preallocated",
    )


def _clock(claim: Claim, build: str, mean: PostedNumber) -> AuditResult:
    step = Fraction(claim.resolution_ms)
    share = decimal_text(step / mean.value * 100, 1)
    figure, said = f"{build} average {mean} ms", f"a step of the clock is {share} % of it"
    if step <= mean.value * COARSE_SHARE:
        return AuditResult("clock", figure, "fits", said)
    times = decimal_text(step / COARSE_SHARE / mean.value + Fraction(1, 20), 1)
    hint = f"namespaces {times} times as large, or a finer clock"
    return AuditResult("clock", figure, "finding", f"{said}: too coarse for the size", hint)


def _either(numbers: Sequence[int]) -> str:
    *most, last = map(str, numbers)
    return f"{', '.join(most)} or {last}" if most else last
