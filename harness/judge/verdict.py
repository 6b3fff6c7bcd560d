# SPDX-License-Identifier: GPL-2.0-only
"""Claims against a run: a verdict each, with its reason in one sentence.

What may decide a claim is fixed before anything is measured. Whatever is missing, spoiled or too
little makes `inconclusive` or `untested`, never the other way round.
"""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import msgspec

from harness.judge.ratios import Effect, clock
from harness.judge.summary import DriverSummary, summarize
from harness.judge.tabulate import BootTable
from harness.judge.validity import RunEvidence, why_uncounted
from harness.project.claim import Claim
from harness.record.record import PROXY_KIND, BootRun, Build, ReplayRun, RunRecord

#: A claim is a round figure from another machine: it holds within this many percentage points.
TOLERANCE_POINTS = 5.0

Word = Literal["reproduced", "contradicted", "inconclusive", "untested"]
#: What a replay does to a claim that it cannot decide.
Stance = Literal["supports", "doubts", ""]


class Verdict(msgspec.Struct, frozen=True):
    """What is to be said of one claim, or of a driver of which nothing is claimed (`claim` None).

    `build` is the build that answers to it (`tip`, or a replay's prefix); `summary` has the boots'
    figures, none for a replay; `effect` is what the verdict rests on, where there is a figure.
    """

    summary: DriverSummary
    claimed_percent: float | None
    verdict: Word
    reason: str
    build: str = "tip"
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


def judge(found: RunEvidence, claims: Sequence[Claim]) -> tuple[Verdict, ...]:
    """Return a verdict for each claim that a build answers to, and each driver without any."""
    table = found.table
    if not isinstance(table, BootTable):
        return tuple(_replayed(found, table.record, claims))
    record = table.record
    tip = record.builds[-1]
    return tuple(
        _booted(found, record, s, tip, _claim(record, claims, s.driver)) for s in summarize(table)
    )


def _booted(
    found: RunEvidence, record: BootRun, summary: DriverSummary, tip: Build, claim: Claim | None
) -> Verdict:
    effect = found.effect(summary.driver, tip.name, "rebind", clock(record))
    claimed = None if claim is None else claim.claimed_percent
    word, reason = _decide(found, record, summary, effect, claim)
    return Verdict(summary, claimed, word, reason, tip.name, claim, effect)


def _replayed(found: RunEvidence, record: ReplayRun, claims: Sequence[Claim]) -> Iterator[Verdict]:
    for build in record.builds[1:]:
        if build.kind != "prefix":
            continue  # a variant: not the code that the claim is about
        for driver, kind in PROXY_KIND.items():
            claim = _claim(record, claims, driver, build)
            if claim is None or (claimed := claim.claimed_percent) is None:
                continue
            effect = found.effect(kind, build.name, "rebind", "ns")
            word, reason, stance = _doubt(found, effect, claimed)
            yield Verdict(
                DriverSummary(driver, None, None),
                claimed,
                word,
                reason,
                build.name,
                claim,
                effect,
                stance,
            )


def _claim(
    record: RunRecord, claims: Sequence[Claim], driver: str, build: Build | None = None
) -> Claim | None:
    """The claim that a build answers to: the whole series', or a prefix's own."""
    patches = len(record.subject.patch_ids)
    prefix = (build or record.builds[-1]).prefix
    for claim in claims:
        after = patches if claim.after_patch is None else claim.after_patch
        if (claim.version, claim.driver, after) == (record.subject.version, driver, prefix):
            return claim
    return None


def _decide(
    found: RunEvidence,
    record: BootRun,
    summary: DriverSummary,
    effect: Effect | None,
    claim: Claim | None,
) -> tuple[Word, str]:
    claimed = None if claim is None else claim.claimed_percent
    if record.outcome != "complete":
        return "inconclusive", f"the run is {record.outcome}: {record.reason}"
    if summary.base is None or summary.tip is None:
        return "inconclusive", why_uncounted(record)
    if summary.base.nr_pages != summary.tip.nr_pages:
        return "inconclusive", "base and tip initialized different numbers of pages"
    if record.is_null:
        return "untested", "base against itself: nothing is claimed of that"
    if claim is None or claimed is None:
        return "untested", f"version {record.subject.version} claims nothing for this"
    if record.evidence != "boot-kvm":
        return "untested", _WHY_NOT[record.evidence]
    if record.setup.guest != claim.guest:
        return "untested", f"guest {record.setup.guest} is not the claim's, {claim.guest}"
    if record.setup.rebinds < claim.rebinds:
        return "untested", f"{record.setup.rebinds} rebinds; the claim rests on {claim.rebinds}"
    return _measured(found, effect, claimed)


_WHY_NOT = {
    "boot-tcg": "emulated time (TCG) is no CPU's time: this shows that it works, not how fast",
    "boot-icount": "instruction counts say nothing of memory bandwidth",
}


def _measured(found: RunEvidence, effect: Effect | None, claimed: float) -> tuple[Word, str]:
    if effect is None:
        return "inconclusive", "a time of 0 ms has no ratio: the clock is too coarse"
    spoiled = found.spoiled(effect.kind, effect.build)
    if spoiled:
        return "inconclusive", spoiled
    reduction = _reduction(effect)
    if reduction is None:
        return "inconclusive", effect.method
    said = f"{_said(reduction)}, {effect.n_base} and {effect.n_build} boots)"
    word = _held(reduction, claimed)
    if word == "":
        return "inconclusive", f"{said} straddles what would bear out {claimed:.1f} %"
    return word, f"{said}, claimed {claimed:.1f} %"


def _doubt(found: RunEvidence, effect: Effect | None, claimed: float) -> tuple[Word, str, Stance]:
    """What a replay says of a claim: at most that it supports or doubts it."""
    record = found.table.record
    if record.outcome != "complete":
        return "inconclusive", f"the run is {record.outcome}: {record.reason}", ""
    only = "a replay decides nothing"
    if effect is None:
        return "untested", f"{only}, and this one timed nothing that stands for it", ""
    spoiled = found.spoiled(effect.kind, effect.build)
    reduction = _reduction(effect)
    if spoiled or reduction is None:
        return "untested", f"{only}, and this one says nothing: {spoiled or effect.method}", ""
    said = f"on this CPU {effect.kind} shows a {_said(reduction)}), claimed {claimed:.1f} %"
    word = _held(reduction, claimed)
    if word == "":
        return "untested", f"{only} and leaves this one open: {said}", ""
    stance: Stance = "supports" if word == "reproduced" else "doubts"
    return "untested", f"{only} but {stance} it: {said}", stance


class _Reduction(NamedTuple):
    """The interval of what a build saves of base's cost, in percent."""

    low: float
    high: float


def _reduction(effect: Effect) -> _Reduction | None:
    """Return the interval of the reduction; None where a bound of the ratio is missing."""
    if effect.low is None or effect.high is None:
        return None
    return _Reduction((1 - effect.high) * 100, (1 - effect.low) * 100)


def _said(reduction: _Reduction) -> str:
    return f"reduction of {reduction.low:.1f} % to {reduction.high:.1f} % (95 %"


def _held(reduction: _Reduction, claimed: float) -> Literal["reproduced", "contradicted", ""]:
    """What the whole interval says of a claim; nothing where it straddles."""
    floor = claimed - TOLERANCE_POINTS
    if reduction.low >= floor:
        return "reproduced"
    return "contradicted" if reduction.high < floor else ""
