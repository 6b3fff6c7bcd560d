# SPDX-License-Identifier: GPL-2.0-only
"""Evidence for verdicts and rules, computed once per run, and the reasons it may not count.

Pure: records in, evidence out.
"""

from collections.abc import Sequence

import msgspec

from harness.judge.conditions.comparable import Identity, identity
from harness.judge.conditions.noise import Noise, Watched, noise, watched
from harness.judge.ratios.ratios import Effect, effects
from harness.judge.runs.null_runs import NullSeen, newest
from harness.judge.runs.pair import beside_base
from harness.judge.tabulate import BootTable, RunTable, tabulate
from harness.memmap.compare import Verified, by_digest
from harness.record.record import BootRun, Build, RunRecord
from harness.workloads import words


class RunEvidence(msgspec.Struct, frozen=True):
    """A run's table and what was computed from it; see Conclusion for the fields.

    `watched` are the series of times that noise was looked for in. `uncounted` says why the boots
    that count are not all that were planned.
    """

    table: RunTable
    effects: tuple[Effect, ...]
    watched: tuple[Watched, ...]
    noise: tuple[Noise, ...]
    identity: tuple[Identity, ...]
    memmaps: tuple[Verified, ...]
    null: NullSeen | None
    uncounted: str = ""

    @property
    def boots(self) -> BootTable:
        """The table, of a run of boots."""
        assert isinstance(self.table, BootTable)  # noqa: S101 (a replay's caller knows it)
        return self.table

    def effect(self, kind: str, build: str, op: str, cost_unit: str) -> Effect | None:
        """Return the effect of that kind, build, binding and unit of cost, if there is one."""
        for e in self.effects:
            if (e.kind, e.build, e.op, e.cost_unit) == (kind, build, op, cost_unit):
                return e
        return None

    def spoiled(self, kind: str, build: str) -> str:
        """Return why this build's times of a kind decide nothing; empty if they may."""
        return (
            self._unlike(build) or self._other_pages(build) or self.uncounted or self._noisy(kind)
        )

    def _unlike(self, build: str) -> str:
        for proof in self.identity:
            for pin in proof.pins:
                if proof.build == build and not pin.equal:
                    return f"{pin.name} differs: base has {pin.base}, {build} has {pin.tip}"
        return ""

    def _other_pages(self, build: str) -> str:
        """A build that leaves other struct pages does other work: its time says nothing."""
        for v in self.memmaps:
            if v.build == build and not v.ok:
                why = v.problem or "none were compared"
                return f"the struct pages of {build} are not known to be identical to base's: {why}"
        return ""

    def _noisy(self, kind: str) -> str:
        for finding in self.noise:
            if finding.spoils:
                return f"{finding.where}: {finding.text}"
        if self.null is not None and kind in self.null.kinds:
            return f"base differs from itself in run {self.null.run_id}: {self.null.finds}"
        return ""


def gather(record: RunRecord, nulls: Sequence[RunRecord] = ()) -> RunEvidence:
    """Return the evidence; of `nulls` the newest one that is comparable with the run is used."""
    table = tabulate(record)
    series = watched(table)
    return RunEvidence(
        table=table,
        effects=effects(table),
        watched=series,
        noise=noise(table, series),
        identity=identity(table),
        memmaps=by_digest(record),
        null=newest(record, nulls),
        uncounted=_uncounted(table) if isinstance(table, BootTable) else "",
    )


def of_pair(found: RunEvidence, record: BootRun, build: Build) -> RunEvidence:
    """Return the evidence of base and one build alone, as the run of two that a run contains."""
    assert isinstance(found.table, BootTable)  # noqa: S101 (BootRun's table)
    names = (record.builds[0].name, build.name)
    memmaps = tuple(v for v in found.memmaps if v.build in names)
    table = found.table.part(beside_base(record, build, memmaps))
    series = tuple(one for one in found.watched if one.build in names)
    return RunEvidence(
        table=table,
        effects=tuple(e for e in found.effects if e.build == build.name),
        watched=series,
        noise=noise(table, series),
        identity=tuple(proof for proof in found.identity if proof.build == build.name),
        memmaps=memmaps,
        null=found.null,
        uncounted=_uncounted(table),
    )


def _uncounted(table: BootTable) -> str:
    """One boot that does not count spoils the run: the rest were selected by what failed."""
    setup, sample = table.record.setup, words(table.record).sample or "figure"
    for build in table.record.builds:
        boots = table.counting[build.name]
        if len(boots) < max(setup.boots, len(table.boots[build.name])):
            return why_uncounted(table.record)
        for boot in boots:
            for metric in table.kinds:
                rebinds = table.samples.get((build.name, metric, "rebind"), {})
                found = len(rebinds.get(boot.number, ()))
                if found < setup.rebinds:
                    text = f"{found} of {setup.rebinds} {sample}s of {metric}"
                    return f"boot {boot.number} of {build.name} has {text}"
    return ""


def why_uncounted(record: BootRun) -> str:
    """Name the first boot that does not count, and why; or that boots are missing."""
    for boot in record.boots:
        name = f"boot {boot.number} of {boot.build}"
        if boot.outcome != "complete":
            return f"{name} is {boot.outcome}: {boot.reason}"
        if boot.findings:
            return f"{name} shows {boot.findings[0].kind} on its console"
        for check in boot.checks:
            if not check.ok:
                return f"{name} fails the check {check.name}: {check.detail}"
    planned = record.setup.boots * len(record.builds)
    if len(record.boots) < planned and record.boots:
        return f"{len(record.boots)} of {planned} planned boots were run"
    return "no boot has samples that count"
