# SPDX-License-Identifier: GPL-2.0-only
"""What each patch of a per-patch run does, and whether one can bisect in the series.

Pure: a table in, results out. Each prefix is judged beside base, on the claims about it; a patch's
own effect is its prefix beside the one before.
"""

import functools
import statistics
from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from harness.judge.conditions.validity import RunEvidence, of_pair
from harness.judge.tabulate import BootTable, Op
from harness.judge.verdict import Verdict, judge
from harness.memmap.compare import UNEQUAL, Verified
from harness.project.claim import Claim
from harness.record.metric import Metric, gain_percent
from harness.record.record import FOLLOW_UP, Boot, BootRun, Build, RunRecord
from harness.workloads import words

#: Struct pages beside base's; `none` where the guest leaves none to compare (map=mem).
Struct = Literal["equal", "differs", "none", "unreadable"]
_WRONG = {"differs": "not as base's", "unreadable": "unreadable"}


class PrefixTimes(msgspec.Struct, frozen=True):
    """One driver on one prefix: its mean rebind, and how much shorter that is, in percent.

    A reduction is None where the other build was not measured. The record's evidence says what the
    times may be used for.
    """

    mean_ms: float
    first_ms: float | None
    below_base_percent: float | None
    below_parent_percent: float | None


class PrefixResult(msgspec.Struct, frozen=True):
    """One prefix, or the follow-up on top of all. `why` says why one cannot bisect into it.

    `name` is the build's. `why` is empty if one can bisect into it. `title` is the subject of its
    last patch, "" for the follow-up; `detail` the compiler's output if it does not build.
    `new_warnings` are those that the prefix before does not have, None if unknown. `costs` are by
    driver. `verdicts` are about claims after this prefix.
    """

    name: str
    prefix: int
    title: str
    builds: bool
    boots: bool
    memmaps: Struct
    why: str
    new_warnings: tuple[str, ...] | None
    costs: dict[str, PrefixTimes]
    verdicts: tuple[Verdict, ...]
    detail: str = ""

    @property
    def holds(self) -> bool:
        """Whether it builds without new warnings, boots, binds and leaves base's struct pages.

        Unknown warnings do not count: kernels cached by older versions have none recorded.
        """
        return not self.why and not self.new_warnings


def results(
    table: BootTable, memmaps: Sequence[Verified], verdicts: Sequence[Verdict]
) -> tuple[PrefixResult, ...]:
    """Return a result for base and each planned prefix, in order.

    `memmaps` are the run's, `verdicts` those of judged().
    """
    record = table.record
    found = [_result(table, memmaps, verdicts, number) for number in range(len(record.builds))]
    for missing in record.unbuilt:
        why, _, detail = missing.reason.partition("\n")
        found.append(
            PrefixResult(
                name=str(missing.prefix),
                prefix=missing.prefix,
                title=_title(record, missing.prefix),
                builds=False,
                boots=False,
                memmaps="none",
                why=why,
                new_warnings=None,
                costs={},
                verdicts=(),
                detail=detail,
            )
        )
    return tuple(sorted(found, key=lambda result: result.prefix))


def judged(found: RunEvidence, record: BootRun, claims: Sequence[Claim]) -> tuple[Verdict, ...]:
    """Return the verdict on each claim about a prefix, and tip's on each driver.

    No claim is about a follow-up.
    """
    return tuple(
        verdict
        for build in record.builds[1:]
        if build.kind != "follow-up"
        for verdict in judge(of_pair(found, record, build), claims)
        if verdict.claimed_percent is not None or build is record.tip
    )


def of_each_build(
    found: RunEvidence, record: BootRun, claims: Sequence[Claim]
) -> tuple[Verdict, ...]:
    """Return the verdicts on each build that a plan names, beside base."""
    return tuple(
        verdict
        for build in record.builds[1:]
        for verdict in judge(of_pair(found, record, build), claims)
    )


def bisectable(record: RunRecord, found: Sequence[PrefixResult]) -> bool:
    """Whether base and all prefixes build, boot, bind and leave base's struct pages."""
    good = [result.prefix for result in found if not result.why and result.name != FOLLOW_UP]
    return good == list(range(len(record.subject.patch_ids) + 1))


def _title(record: BootRun, prefix: int) -> str:
    subjects = record.subject.patch_subjects
    return subjects[prefix - 1] if 0 < prefix <= len(subjects) else ""


def _result(
    table: BootTable, memmaps: Sequence[Verified], verdicts: Sequence[Verdict], number: int
) -> PrefixResult:
    record = table.record
    build = record.builds[number]
    boots = table.boots[build.name]
    why = next(_problems(record, boots), "")
    left = _memmaps([v for v in memmaps if v.build == build.name])
    if left in _WRONG and not why:
        why = f"its struct pages are {_WRONG[left]}"
    return PrefixResult(
        name=build.name,
        prefix=build.prefix,
        title="" if build.kind == "follow-up" else _title(record, build.prefix),
        builds=True,
        boots=len(boots) == record.setup.boots and all(b.outcome == "complete" for b in boots),
        memmaps=left,
        why=why,
        new_warnings=_new_warnings(record, number),
        costs=_costs(table, number),
        verdicts=tuple(
            v for v in verdicts if v.build == build.name and v.claimed_percent is not None
        ),
    )


def _problems(record: BootRun, boots: Sequence[Boot]) -> Iterator[str]:
    for boot in boots:
        name = f"boot {boot.number}"
        if boot.outcome != "complete":
            yield f"{name} is {boot.outcome.replace('_', ' ')}: {boot.reason}"
        for finding in boot.findings:
            yield f"{name} shows {finding.kind} on its console"
        for check in boot.checks:
            if not check.ok:
                yield f"{name} fails the check {check.name}: {check.detail}"
    if len(boots) < record.setup.boots:
        yield f"{len(boots)} of {record.setup.boots} planned boots were run"


def _memmaps(compared: Sequence[Verified]) -> Struct:
    if any(v.problem and v.problem != UNEQUAL for v in compared):
        return "unreadable"
    if not all(v.ok for v in compared):
        return "differs"
    return "equal" if compared else "none"


def _new_warnings(record: BootRun, number: int) -> tuple[str, ...] | None:
    """Return a patch's new warnings; None if the build before is not its parent."""
    return None if _parent(record, number) is None else record.builds[number].new_warnings


def _parent(record: BootRun, number: int) -> Build | None:
    """Return the build with one patch less, or for a follow-up the whole series, if it was built.

    It is the build before.
    """
    if number == 0:
        return None
    before, build = record.builds[number - 1], record.builds[number]
    expected = build.prefix if build.kind == "follow-up" else build.prefix - 1
    return before if before.prefix == expected else None


def _costs(table: BootTable, number: int) -> dict[str, PrefixTimes]:
    builds = table.record.builds
    found = {}
    for metric in table.kinds:
        mean = _mean_ms(table, builds[number], metric, "rebind")
        first = _mean_ms(table, builds[number], metric, "first")
        if mean is None or (first is None and words(table.record).first):
            continue
        base = _mean_ms(table, builds[0], metric, "rebind")
        before = _parent(table.record, number)
        parent = _mean_ms(table, before, metric, "rebind") if before else None
        below = functools.partial(_below, table.record.setup.metric(metric))
        found[metric] = PrefixTimes(
            mean, first, below(base, mean) if number else None, below(parent, mean)
        )
    return found


def _mean_ms(table: BootTable, build: Build, metric: str, op: Op) -> float | None:
    samples = [s.ns for s in table.of(build.name, metric, op)]
    shown = table.record.setup.metric(metric).shown
    return shown(statistics.fmean(samples)) if samples else None


def _below(metric: Metric, other: float | None, mean: float) -> float | None:
    return None if not other else gain_percent(mean / other, metric.better)
