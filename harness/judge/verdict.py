# SPDX-License-Identifier: GPL-2.0-only
"""A verdict on each claim about a run, with its reason in one sentence. Pure.

What may decide a claim is fixed before anything is measured. Missing, spoiled or insufficient
evidence makes a verdict `inconclusive`, `open` or `untested`, never `reproduced` or `contradicted`.
"""

from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from harness.judge.conditions.fit import nested, other_cpu, unfit, virtual_server
from harness.judge.conditions.validity import RunEvidence, why_uncounted
from harness.judge.figures import FigureVerdict, figures, percent_error
from harness.judge.ratios.precision import Precision, precision
from harness.judge.ratios.ratios import Effect, Gain, clock, metric
from harness.judge.summary import MetricSummary, summarize
from harness.judge.tabulate import BootTable
from harness.project.claim import Claim, Figures, Setup
from harness.record.metric import Metric
from harness.record.record import (
    BootRun,
    Build,
    Evidence,
    Machine,
    ReplayRun,
    RunRecord,
)
from harness.workloads import proxies, words

#: A claim is a rounded figure from another machine: it holds within this many percentage points.
TOLERANCE_POINTS = 5.0

_WHY_FLOOR = f"the claim less {TOLERANCE_POINTS:g} points and its own error"

#: Boots under KVM reproduce or contradict a claim, or are inconclusive. A replay decides none: it
#: supports or doubts a claim, or leaves it open. A claim that no number is about is untested.
Word = Literal[
    "reproduced", "supported", "contradicted", "doubted", "inconclusive", "open", "untested"
]


class Verdict(msgspec.Struct, frozen=True):
    """The verdict on one claim, or on a driver without a claim (`claim` None).

    `build` is the build that the claim is about (`tip`, or a prefix). `summary` has the means of
    the boots, none for a replay; `effect` is the effect that decides, if one was measured. `first`
    is the verdict on the first binding's reduction, with its reason, if its times were posted;
    `figures` are those on all posted times. `precision` says how many boots the verdict needed.
    `evidence` is what it is based on. Where a replay was made beside the boots, `boots` and
    `replay` are the verdicts of each, and `disagrees` says that their intervals exclude each other.
    `of_plan`: the plan names the build, which no claim of the series is about.
    """

    summary: MetricSummary
    claimed_percent: float | None
    verdict: Word
    reason: str
    evidence: Evidence
    build: str = "tip"
    claim: Claim | None = None
    effect: Effect | None = None
    first: tuple[Word, str] | None = None
    figures: tuple[FigureVerdict, ...] = ()
    precision: Precision | None = None
    boots: "Verdict | None" = None
    replay: "Verdict | None" = None
    disagrees: str = ""
    of_plan: bool = False

    @property
    def metric(self) -> str:
        """The metric that the verdict is about."""
        return self.summary.metric

    @property
    def setup(self) -> Setup | None:
        """The set-up that the claim is about; None for the only one, or without a claim."""
        return None if self.claim is None else self.claim.setup

    @property
    def shown_percent(self) -> float | None:
        """The claimed percentage; None for a physical host's, which stands beside no guest's."""
        is_other = self.setup == "physical" and self.effect is None
        return None if is_other else self.claimed_percent

    @property
    def after_patch(self) -> int | None:
        """The last patch that the claim is about; None for the whole series."""
        return None if self.claim is None else self.claim.after_patch


def judge(found: RunEvidence, claims: Sequence[Claim]) -> tuple[Verdict, ...]:
    """Return a verdict on each claim about a build, and on each driver without a claim."""
    table = found.table
    if not isinstance(table, BootTable):
        return tuple(_replayed(found, table.record, claims))
    return tuple(
        _booted(found, table.record, summary, claim)
        for summary in summarize(table)
        for claim in _each(_claims(table.record, claims, summary.metric))
    )


def _each(claims: Sequence[Claim]) -> Sequence[Claim | None]:
    return claims or (None,)


def _booted(
    found: RunEvidence, record: BootRun, summary: MetricSummary, claim: Claim | None
) -> Verdict:
    tip = record.builds[-1]
    effect = None
    is_its_kind = claim is None or (claim.setup == "physical") == (record.evidence == "metal")
    if is_its_kind or record.evidence == "reported":
        effect = found.effect(summary.metric, tip.name, "rebind", clock(record, summary.metric))
    claimed = _claimed(record, claim)
    word, reason = _decide(found, record, summary, effect, claim)
    if record.evidence == "reported":
        word = _REPORTED[word]
    about = (record.evidence, tip.name, claim, effect)
    verdict = Verdict(summary, claimed, word, reason, *about, of_plan=tip.kind == "variant")
    if claim is None or effect is None:
        return verdict
    why_not = _why_no_figures(found, record, effect, claim)
    other = other_cpu(record.machine, claim) if claim.cpu else "the claim names no CPU"
    return msgspec.structs.replace(
        verdict,
        first=_first(found, record, summary.metric, claim, why_not),
        figures=figures(found.boots, summary.metric, tip.name, claim, why_not or other),
        precision=None
        if why_not or claimed is None or record.evidence == "reported"
        else precision(found.boots, effect, _floor(claim, effect, claimed)),
    )


def _why_no_figures(found: RunEvidence, record: BootRun, effect: Effect, claim: Claim) -> str:
    """Return why none of a claim's times can be tested by this run; empty if they can."""
    if record.outcome != "complete":
        return f"the run is {record.outcome}"
    return _untested(record, claim, _claimed(record, claim) or 0.0) or found.spoiled(
        effect.kind, effect.build
    )


def _first(
    found: RunEvidence, record: BootRun, name: str, claim: Claim, why_not: str
) -> tuple[Word, str] | None:
    """Return the verdict on the reduction of the first binding, which the author measured once.

    None if its times were not posted.
    """
    if claim.base is None or claim.tip is None or not claim.base.first_ms or not claim.tip.first_ms:
        return None
    if why_not:
        return "untested", why_not
    once = msgspec.structs.replace(
        claim,
        base=Figures(claim.base.first_ms),
        tip=Figures(claim.tip.first_ms),
        rebinds=1,
        reduction_percent=None,
        times=None,
        percent_decimals=None,
    )
    effect = found.effect(name, record.builds[-1].name, "first", clock(record, name))
    assert once.claimed_percent is not None  # noqa: S101 (both times are given)
    word, reason = _limited(record, claim, *_measured(found, effect, once, once.claimed_percent))
    return _REPORTED[word] if record.evidence == "reported" else word, reason


def _replayed(found: RunEvidence, record: ReplayRun, claims: Sequence[Claim]) -> Iterator[Verdict]:
    for build in record.builds[1:]:
        if build.kind != "prefix":
            continue  # not the code that the claim is about
        for name, kind in proxies(record).items():
            effect = found.effect(kind, build.name, "rebind", "ns")
            for claim in _claims(record, claims, name, build):
                if (claimed := _claimed(record, claim)) is None:
                    continue
                word, reason = _doubt(found, effect, claim, claimed)
                summary = MetricSummary(Metric(name), None, None)
                about = (build.name, claim, effect)
                yield Verdict(summary, claimed, word, reason, record.evidence, *about)


def _claims(
    record: RunRecord, claims: Sequence[Claim], name: str, build: Build | None = None
) -> list[Claim]:
    """Return the claims about a build (the whole series, or its prefix): one per set-up.

    A claim about a physical host is the last.
    """
    patches = len(record.subject.patch_ids)
    prefix = (build or record.builds[-1]).prefix
    found: dict[Setup | None, Claim] = {}
    for claim in claims:
        after = patches if claim.after_patch is None else claim.after_patch
        if (claim.version, claim.metric, after) == (record.subject.version, name, prefix):
            found.setdefault(claim.setup, claim)
    return sorted(found.values(), key=lambda claim: claim.setup == "physical")


def _claimed(record: RunRecord, claim: Claim | None) -> float | None:
    """Return the gain that is claimed, in percent; None without a claim or if it states none."""
    return None if claim is None else claim.gain_percent(metric(record, claim.metric).better)


def _decide(
    found: RunEvidence,
    record: BootRun,
    summary: MetricSummary,
    effect: Effect | None,
    claim: Claim | None,
) -> tuple[Word, str]:
    claimed = _claimed(record, claim)
    if record.outcome != "complete":
        return "inconclusive", f"the run is {record.outcome}: {record.reason}"
    if summary.base is None or summary.tip is None:
        return "inconclusive", why_uncounted(record)
    if summary.base.nr_pages != summary.tip.nr_pages:
        return "inconclusive", "base and tip initialized different numbers of pages"
    if record.is_null:
        return "untested", "base against itself: no claim is about that"
    if claim is None and record.is_of_plan:
        return "untested", "no claim is about it"
    if claim is not None and (why := claim.is_not_of(metric(record, summary.metric))):
        return "untested", why
    if claim is None or claimed is None:
        version = record.subject.version
        claimant = f"version {version} makes" if version else "these patches make"
        return "untested", f"{claimant} no claim about this {words(record).metric}"
    if why := _untested(record, claim, claimed):
        return "untested", why
    return _limited(record, claim, *_measured(found, effect, claim, claimed))


def _limited(record: BootRun, claim: Claim, word: Word, reason: str) -> tuple[Word, str]:
    """Return a verdict as far as this host can carry it."""
    if word not in ("reproduced", "contradicted"):
        return word, reason
    notes = [why for why in (nested(record.machine), other_cpu(record.machine, claim)) if why]
    is_doubt = record.evidence == "reported"  # a doubt is about the CPU that it names
    if word == "contradicted" and other_cpu(record.machine, claim) and not is_doubt:
        word = "untested"
    return word, "; ".join((reason, *notes))


def _untested(record: BootRun, claim: Claim, claimed: float) -> str:
    """Return why boots of this kind cannot decide a claim; empty if they can."""
    setup = record.setup
    if record.evidence == "reported":
        return unfit(record.machine) or _other_setup(record.machine, claim, claimed)
    on_metal, for_metal = record.evidence == "metal", claim.setup == "physical"
    if on_metal != for_metal:
        host = "a physical host" if for_metal else "a guest"
        ran = "measured a physical machine" if on_metal else "booted guests"
        return f"{_stated(claim, claimed)} is claimed for {host}; this run {ran}"
    if record.evidence in _WHY_NOT:
        return _WHY_NOT[record.evidence]
    if why := virtual_server(record) or unfit(record.machine):
        return why
    if not claim.guest:
        return "the claim does not describe a guest of guests/"
    if setup.guest != claim.guest:
        return f"guest {setup.guest} is not the claim's, {claim.guest}"
    if setup.rebinds < claim.rebinds:
        return f"{setup.rebinds} {words(record).sample}s; the claim is about {claim.rebinds}"
    return ""


def _other_setup(machine: Machine, claim: Claim, claimed: float) -> str:
    """Return a sentence if a claim is about another kind of machine than the logs; else ""."""
    where, said = machine.hypervisor, _stated(claim, claimed)
    if claim.setup == "physical" and where != "none":
        what = f"of a virtual machine ({where})" if where else "of a machine of unknown kind"
        return f"{said} is claimed for a physical host; the logs are {what}"
    if claim.setup == "vm" and where == "none":
        return f"{said} is claimed for a virtual machine; the logs are of a physical host"
    return ""


#: Logs of other machines decide nothing.
_REPORTED: dict[Word, Word] = {
    "reproduced": "supported",
    "contradicted": "doubted",
    "inconclusive": "open",
    "untested": "untested",
}
_WHY_NOT = {
    "boot-tcg": "emulated time (TCG) is not a CPU's: the run shows that it works, not how fast",
    "boot-icount": "instruction counts say nothing about memory bandwidth",
}


def _measured(
    found: RunEvidence, effect: Effect | None, claim: Claim, claimed: float
) -> tuple[Word, str]:
    if effect is None:
        return "inconclusive", "a time of 0 ms has no ratio: the clock is too coarse"
    spoiled = found.spoiled(effect.kind, effect.build)
    if spoiled:
        return "inconclusive", spoiled
    gain = effect.gain
    if gain is None:
        return "inconclusive", effect.method
    text = f"{_interval(effect, gain)}, {effect.n_base} and {effect.n_build} boots)"
    floor = _floor(claim, effect, claimed)
    held = _held(gain, floor)
    if held is None:
        return "inconclusive", f"{text} is above and below {_floor_text(claim, floor)}"
    return "reproduced" if held else "contradicted", f"{text}, claimed {_stated(claim, claimed)}"


def _doubt(
    found: RunEvidence, effect: Effect | None, claim: Claim, claimed: float
) -> tuple[Word, str]:
    """Return the verdict on a claim by a replay, which at most supports or doubts it."""
    record = found.table.record
    if record.outcome != "complete":
        return "open", f"the run is {record.outcome}: {record.reason}"
    if effect is None:
        return "untested", "no proxy for it was timed"
    if why := unfit(record.machine):
        return "untested", why
    spoiled = found.spoiled(effect.kind, effect.build)
    gain = effect.gain
    if spoiled or gain is None:
        return "open", spoiled or effect.method
    text = f"{effect.kind} on this CPU: {_interval(effect, gain)})"
    floor = _floor(claim, effect, claimed)
    held = _held(gain, floor)
    if held is None:
        return "open", f"{text} is above and below {_floor_text(claim, floor)}"
    text = f"{text}, claimed {_stated(claim, claimed)}"
    if held:
        return "supported", text
    return "doubted", "; ".join(filter(None, (text, other_cpu(record.machine, claim))))


def _interval(effect: Effect, gain: Gain) -> str:
    return f"{effect.gained} of {gain.low:.1f} % to {gain.high:.1f} % (95 %"


def _stated(claim: Claim, claimed: float) -> str:
    """Return what is claimed; a factor with the percentage that it is."""
    if claim.at_most_worse_percent is not None:
        return claim.stated
    return f"{claimed:.1f} %" + (f" ({claim.stated})" if claim.times is not None else "")


def _held(gain: Gain, floor: float) -> bool | None:
    """Return whether the whole interval is above the limit, or below; None if it includes it."""
    if gain.low >= floor:
        return True
    return False if gain.high < floor else None


def _floor(claim: Claim, effect: Effect, claimed: float) -> float:
    if claim.at_most_worse_percent is not None:
        return claimed
    return claimed - TOLERANCE_POINTS - percent_error(claim, effect.better)


def _floor_text(claim: Claim, floor: float) -> str:
    why = "the claim itself" if claim.at_most_worse_percent is not None else _WHY_FLOOR
    return f"{floor:.1f} %, {why}"
