# SPDX-License-Identifier: GPL-2.0-only
"""Claims against a run record: a verdict each, with its reason in one sentence.

What may decide a claim is fixed before anything is measured. Whatever is missing, spoiled or too
little makes `inconclusive` or `untested`, never the other way round.
"""

import statistics
from collections.abc import Sequence
from typing import Literal

import msgspec
import numpy

from harness.analysis.effects import Effect
from harness.analysis.summary import DriverSummary, counting, samples_of, summarize
from harness.model.claim import Claim
from harness.model.record import RunRecord

#: A claim is a round figure from another machine: it holds within this many percentage points.
TOLERANCE_POINTS = 5.0
#: With fewer boots a side, the spread between boots is a guess.
MIN_BOOTS = 3
RESAMPLES = 10_000
SEED = 1

Word = Literal["reproduced", "contradicted", "inconclusive", "untested"]


#: What a replay does to a claim that it cannot decide.
Stance = Literal["supports", "doubts", ""]


class Verdict(msgspec.Struct, frozen=True):
    """What is to be said of one claim, or of a driver of which nothing is claimed (`claim` None).

    `side` is the side that answers to it (`tip`, or a replay's prefix); `summary` has the boots'
    figures, none for a replay; `effect` is what the verdict rests on, where there is a figure.
    """

    summary: DriverSummary
    claimed_percent: float | None
    verdict: Word
    reason: str
    side: str = "tip"
    claim: Claim | None = None
    effect: Effect | None = None
    stance: Stance = ""

    @property
    def driver(self) -> str:
        """The driver that the claim is about."""
        return self.summary.driver

    @property
    def after_patch(self) -> int | None:
        """The patch after which the claim is made; None for the whole series."""
        return None if self.claim is None else self.claim.after_patch


def judge(record: RunRecord, claims: Sequence[Claim]) -> tuple[Verdict, ...]:
    """Return a verdict for each driver of the run, on the claims about the whole series."""
    return tuple(
        _judge_driver(record, s, _claim(record, claims, s.driver)) for s in summarize(record)
    )


def _claim(record: RunRecord, claims: Sequence[Claim], driver: str) -> Claim | None:
    """The claim that the run's tip answers to: the whole series', or a prefix's own."""
    patches = len(record.subject.patch_ids)
    prefix = record.sides[1].prefix
    for claim in claims:
        after = patches if claim.after_patch is None else claim.after_patch
        if (claim.version, claim.driver, after) == (record.subject.version, driver, prefix):
            return claim
    return None


def _percent(claim: Claim | None) -> float | None:
    if claim is None or claim.reduction_percent is not None or not claim.base or not claim.tip:
        return None if claim is None else claim.reduction_percent
    return round((1 - claim.tip.mean_ms / claim.base.mean_ms) * 100, 1)


def _judge_driver(record: RunRecord, summary: DriverSummary, claim: Claim | None) -> Verdict:
    claimed = _percent(claim)
    word, reason = _decide(record, summary, claim, claimed)
    return Verdict(summary, claimed, word, reason)


def _decide(
    record: RunRecord, summary: DriverSummary, claim: Claim | None, claimed: float | None
) -> tuple[Word, str]:
    if record.outcome != "complete":
        return "inconclusive", f"the run is {record.outcome}: {record.reason}"
    if summary.base is None or summary.tip is None:
        return "inconclusive", _why_unusable(record)
    if summary.base.nr_pages != summary.tip.nr_pages:
        return "inconclusive", "base and tip initialized different numbers of pages"
    if claim is None or claimed is None:
        return "untested", f"version {record.subject.version} claims nothing for this"
    if record.evidence != "boot-kvm":
        return "untested", _WHY_NOT[record.evidence]
    if record.setup.guest != claim.guest:
        return "untested", f"guest {record.setup.guest} is not the claim's, {claim.guest}"
    if record.setup.rebinds < claim.rebinds:
        return "untested", f"{record.setup.rebinds} rebinds; the claim rests on {claim.rebinds}"
    return _measured(record, summary.driver, claimed)


_WHY_NOT = {
    "boot-tcg": "emulated time (TCG) is no CPU's time: this shows that it works, not how fast",
    "boot-icount": "instruction counts say nothing of memory bandwidth",
    "replay": "a replay runs outside a guest: it supports or doubts the claim, it decides nothing",
}


def _why_unusable(record: RunRecord) -> str:
    for boot in record.boots:
        name = f"boot {boot.number} of {boot.side}"
        if boot.outcome != "complete":
            return f"{name} is {boot.outcome}: {boot.reason}"
        if boot.findings:
            return f"{name} shows {boot.findings[0].kind} on its console"
        for check in boot.checks:
            if not check.ok:
                return f"{name} fails the check {check.name}: {check.detail}"
    return "no boot gave samples that count"


def _measured(record: RunRecord, driver: str, claimed: float) -> tuple[Word, str]:
    base, tip = (_boot_means(record, side.name, driver) for side in record.sides)
    if min(len(base), len(tip)) < MIN_BOOTS:
        few = min(len(base), len(tip))
        return "inconclusive", f"{few} boots a side; {MIN_BOOTS} are needed to see their spread"
    low, high = _interval(base, tip)
    said = f"reduction {low:.1f} % to {high:.1f} % (95 %, {len(base)} and {len(tip)} boots)"
    floor = claimed - TOLERANCE_POINTS
    if low >= floor:
        return "reproduced", f"{said}, claimed {claimed:.1f} %"
    if high < floor:
        return "contradicted", f"{said}, claimed {claimed:.1f} %"
    return "inconclusive", f"{said} straddles what would bear out {claimed:.1f} %"


def _boot_means(record: RunRecord, side: str, driver: str) -> list[float]:
    """One mean rebind a boot: the boot is the unit of repetition, not the rebind."""
    return [
        statistics.fmean(s.ns for s in samples_of(boot, driver, "rebind"))
        for boot in counting(record, side)
    ]


def _interval(base: Sequence[float], tip: Sequence[float]) -> tuple[float, float]:
    """95 % percentile bootstrap interval of the reduction in percent, over boots, seeded."""
    draw = numpy.random.default_rng(SEED)
    means = [
        draw.choice(numpy.asarray(side), (RESAMPLES, len(side))).mean(axis=1)
        for side in (base, tip)
    ]
    low, high = numpy.percentile((1 - means[1] / means[0]) * 100, [2.5, 97.5])
    return float(low), float(high)
