# SPDX-License-Identifier: GPL-2.0-only
"""The ladder, a run with a build a prefix: what each patch does, and whether one can bisect in it.

Each prefix is judged beside base, on the claims that are made after it; what a patch changes is its
prefix beside the one before.
"""

import statistics
from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from harness.judge.runs.pair import beside_base
from harness.judge.summary import counting, samples_of
from harness.judge.validity import basis
from harness.judge.verdict import Verdict, judge
from harness.project.claim import Claim
from harness.record.record import Boot, BootRun, Build, RunRecord

#: Beside base's: equal, or differs, or none is there to compare (map=mem), or one cannot be read.
Struct = Literal["equal", "differs", "none", "unreadable"]
_AMISS = {"differs": "not as base's", "unreadable": "unreadable"}


class PrefixTimes(msgspec.Struct, frozen=True):
    """One driver on one prefix: its mean rebind, and how much shorter that is, in percent.

    The reductions are None where the other side has no figure. Emulated times are figures of no
    CPU: the record's evidence says what these may be used for.
    """

    mean_ms: float
    first_ms: float
    below_base_percent: float | None
    below_parent_percent: float | None


class PrefixResult(msgspec.Struct, frozen=True):
    """One prefix. `why` says what is wrong with it, empty where one can bisect into it.

    `title` is the subject of its last patch, `detail` what the compiler says of one that does not
    build. `new_warnings` are the compiler's, against the prefix before; None where nobody knows
    them. `costs` are by driver; `verdicts` answer to claims made after this prefix, and to no
    others.
    """

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
        """Whether it builds, boots, binds and leaves base's struct pages, and warns of nothing new.

        Warnings that nobody knows are none: an older kernel was kept without them.
        """
        return not self.why and not self.new_warnings


def rungs(record: BootRun, verdicts: Sequence[Verdict]) -> tuple[PrefixResult, ...]:
    """Return base and every prefix that was to be a build, in order; `verdicts` are judged()'s."""
    found = [_rung(record, verdicts, number) for number in range(len(record.builds))]
    for missing in record.unbuilt:
        why, _, detail = missing.reason.partition("\n")
        found.append(
            PrefixResult(
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
    return tuple(sorted(found, key=lambda rung: rung.prefix))


def judged(
    record: BootRun, claims: Sequence[Claim], nulls: Sequence[RunRecord] = ()
) -> tuple[Verdict, ...]:
    """Return a verdict for each claim that a prefix answers to, and the last build's on each
    driver.

    For `nulls` see conclude().
    """
    return tuple(
        verdict
        for build in record.builds[1:]
        for verdict in judge(basis(beside_base(record, build), nulls), claims)
        if verdict.claimed_percent is not None or build is record.builds[-1]
    )


def bisectable(record: RunRecord, found: Sequence[PrefixResult]) -> bool:
    """Whether base and every prefix of the series build, boot, bind and leave base's memmaps."""
    there = [rung.prefix for rung in found if not rung.why]
    return there == list(range(len(record.subject.patch_ids) + 1))


def _title(record: BootRun, prefix: int) -> str:
    subjects = record.subject.patch_subjects
    return subjects[prefix - 1] if 0 < prefix <= len(subjects) else ""


def _rung(record: BootRun, verdicts: Sequence[Verdict], number: int) -> PrefixResult:
    build = record.builds[number]
    boots = [boot for boot in record.boots if boot.build == build.name]
    why = next(_amiss(record, boots), "")
    memmaps = _memmaps(record, boots)
    if memmaps in _AMISS and not why:
        why = f"its struct pages are {_AMISS[memmaps]}"
    return PrefixResult(
        prefix=build.prefix,
        title=_title(record, build.prefix),
        builds=True,
        boots=len(boots) == record.setup.boots and all(b.outcome == "complete" for b in boots),
        memmaps=memmaps,
        why=why,
        new_warnings=_new_warnings(record, number),
        costs=_costs(record, number),
        verdicts=tuple(
            v for v in verdicts if v.build == build.name and v.claimed_percent is not None
        ),
    )


def _amiss(record: BootRun, boots: Sequence[Boot]) -> Iterator[str]:
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
        yield f"{len(boots)} of {record.setup.boots} boots were made"


def _memmaps(record: BootRun, boots: Sequence[Boot]) -> Struct:
    base = record.builds[0].name
    expected = {
        memmap.driver: memmap.sha256
        for boot in reversed(record.boots)
        for memmap in boot.memmaps
        if boot.build == base and not memmap.problem
    }
    left = [memmap for boot in boots for memmap in boot.memmaps]
    if any(memmap.problem or memmap.driver not in expected for memmap in left):
        return "unreadable"
    if any(memmap.sha256 != expected[memmap.driver] for memmap in left):
        return "differs"
    return "equal" if left else "none"


def _new_warnings(record: BootRun, number: int) -> tuple[str, ...] | None:
    """Only where the build before is the prefix before: else they may be another patch's."""
    if number == 0 or record.builds[number - 1].prefix != record.builds[number].prefix - 1:
        return None
    return record.builds[number].new_warnings


def _costs(record: BootRun, number: int) -> dict[str, PrefixTimes]:
    builds = record.builds
    found = {}
    for driver in record.setup.nr_pages:
        mean = _mean_ms(record, builds[number], driver, "rebind")
        first = _mean_ms(record, builds[number], driver, "first")
        if mean is None or first is None:
            continue
        base = _mean_ms(record, builds[0], driver, "rebind")
        is_next = number and builds[number - 1].prefix == builds[number].prefix - 1
        parent = _mean_ms(record, builds[number - 1], driver, "rebind") if is_next else None
        found[driver] = PrefixTimes(
            mean, first, _below(base, mean) if number else None, _below(parent, mean)
        )
    return found


def _mean_ms(record: BootRun, build: Build, driver: str, op: str) -> float | None:
    samples = [s.ns for b in counting(record, build.name) for s in samples_of(b, driver, op)]
    return statistics.fmean(samples) / 1e6 if samples else None


def _below(other: float | None, mean: float) -> float | None:
    return None if not other else (1 - mean / other) * 100
