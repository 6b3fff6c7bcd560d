# SPDX-License-Identifier: GPL-2.0-only
"""Compares the newest runs of one series, one per kind of evidence and CPU. Pure.

Guests, logs of other machines and replays measure the same saving in different ways, on different
CPUs. Their intervals may differ; pairs that do not overlap are reported.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import msgspec

from harness.judge.conditions.fit import unfit
from harness.judge.conditions.validity import gather
from harness.judge.ratios.ratios import Gain, clock
from harness.record.record import Evidence, ReplayRun, RunRecord
from harness.workloads import proxies

#: Evidence that does not time a CPU.
_NO_TIME = ("boot-tcg", "boot-icount")


class Saving(msgspec.Struct, frozen=True):
    """The reduction of a driver's rebinds by the whole series that a run measured, in percent.

    `kind` is the page order that a replay timed in the driver's place, else the driver.
    `reduction` is None where there are too few boots, and `why_not` says why it is not usable.
    """

    run_id: str
    evidence: Evidence
    cpu: str
    release: str
    metric: str
    kind: str
    percent: float
    reduction: Gain | None
    why_not: str = ""


class Disagreement(msgspec.Struct, frozen=True):
    """Two savings of one driver whose intervals do not overlap."""

    one: Saving
    other: Saving


def side_by_side(records: Sequence[RunRecord]) -> tuple[Saving, ...]:
    """Return the savings of the newest complete run per version, evidence and CPU, by driver.

    Runs of base against itself, of some of the patches, and those that timed no CPU are left out.
    """
    newest: dict[tuple[int, str, str], tuple[Saving, ...]] = {}
    for record in sorted(records, key=lambda one: one.started):
        if record.outcome == "complete" and not record.is_null and _is_timed(record):
            key = (record.subject.version, record.evidence, record.machine.cpu)
            newest[key] = tuple(_savings(record)) or newest.get(key, ())
    found = [saving for savings in newest.values() for saving in savings]
    metrics = [metric for record in records for metric in (*proxies(record), *_kinds(record))]
    return tuple(sorted(found, key=lambda s: (metrics.index(s.metric), s.evidence, s.run_id)))


def disagreements(savings: Sequence[Saving]) -> tuple[Disagreement, ...]:
    """Return the pairs of usable savings of one driver whose intervals do not overlap."""
    return tuple(
        Disagreement(one, other)
        for one, other in combinations(savings, 2)
        if one.metric == other.metric and not (one.why_not or other.why_not) and _apart(one, other)
    )


def _is_timed(record: RunRecord) -> bool:
    is_whole = record.tip.prefix == len(record.subject.patch_ids)
    return is_whole and record.evidence not in _NO_TIME and not unfit(record.machine)


def _savings(record: RunRecord) -> Iterator[Saving]:
    found = gather(record)
    tip = record.tip.name
    for metric, kind in _kinds(record).items():
        effect = found.effect(kind, tip, "rebind", clock(record, kind))
        if effect is not None:
            why_not = found.spoiled(kind, tip)
            if effect.gain is None:
                why_not = why_not or effect.method
            yield Saving(
                record.run_id,
                record.evidence,
                record.machine.cpu,
                record.subject.release,
                metric,
                kind,
                effect.gain_percent,
                effect.gain,
                why_not,
            )


def _kinds(record: RunRecord) -> Mapping[str, str]:
    """Return what a run measured of each metric: the metric, or a replay's kind in its place."""
    if isinstance(record, ReplayRun):
        return proxies(record)
    return {metric: metric for metric in record.setup.nr_pages}


def _apart(one: Saving, other: Saving) -> bool:
    ours, theirs = one.reduction, other.reduction
    return ours is not None and theirs is not None and not ours.overlaps(theirs)
