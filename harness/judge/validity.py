# SPDX-License-Identifier: GPL-2.0-only
"""What verdicts and rules rest on, worked out once a run, and what forbids to rest on it."""

from collections.abc import Sequence

import msgspec

from harness.judge.comparable import Identity, identity
from harness.judge.noise import Noise, noise
from harness.judge.ratios import Effect, effects, tabulate
from harness.judge.runs.null_runs import NullSeen, newest
from harness.judge.summary import counting, samples_of
from harness.memmap.compare import Verified, by_digest
from harness.record.record import BootRun, ReplayRun, RunRecord


class Basis(msgspec.Struct, frozen=True):
    """A run and what was worked out of it; see Conclusion for the fields."""

    record: RunRecord
    effects: tuple[Effect, ...]
    noise: tuple[Noise, ...]
    identity: tuple[Identity, ...]
    memmaps: tuple[Verified, ...]
    null: NullSeen | None

    def effect(self, kind: str, build: str, op: str, metric: str) -> Effect | None:
        """Return the effect of that kind, build, binding and metric, if there is one."""
        for e in self.effects:
            if (e.kind, e.build, e.op, e.metric) == (kind, build, op, metric):
                return e
        return None

    def spoiled(self, kind: str, build: str) -> str:
        """Say why this build's times of a kind decide nothing, in words; empty where they may."""
        return (
            self._unlike(build)
            or self._other_pages(build)
            or self._uncounted()
            or self._noisy(kind)
        )

    def _unlike(self, build: str) -> str:
        for proof in self.identity:
            for pin in proof.pins:
                if proof.build == build and not pin.equal:
                    return f"{pin.name} differs: base has {pin.base}, {build} has {pin.tip}"
        return ""

    def _other_pages(self, build: str) -> str:
        """What leaves other struct pages does other work; how long that takes says nothing."""
        for v in self.memmaps:
            if v.build == build and not v.ok:
                why = v.problem or "none were compared"
                return f"the struct pages of {build} are not shown to be base's: {why}"
        return ""

    def _uncounted(self) -> str:
        """One boot that does not count spoils the run: what is left was chosen by what failed."""
        record = self.record
        if isinstance(record, ReplayRun):
            return ""
        for build in record.builds:
            boots = counting(record, build.name)
            if len(boots) < record.setup.boots:
                return why_uncounted(record)
            for boot in boots:
                for driver in record.setup.nr_pages:
                    found = len(samples_of(boot, driver, "rebind"))
                    if found != record.setup.rebinds:
                        rebinds = f"{found} of {record.setup.rebinds} rebinds of {driver}"
                        return f"boot {boot.number} of {build.name} has {rebinds}"
        return ""

    def _noisy(self, kind: str) -> str:
        for finding in self.noise:
            if finding.spoils:
                return f"{finding.where}: {finding.text}"
        if self.null is not None and kind in self.null.kinds:
            return f"noise alone makes a difference in run {self.null.run_id}: {self.null.finds}"
        return ""


def basis(record: RunRecord, nulls: Sequence[RunRecord] = ()) -> Basis:
    """Work out what there is; of `nulls` the newest that may be held against the run is used."""
    costs = tabulate(record)
    return Basis(
        record=record,
        effects=effects(record, costs),
        noise=noise(record, costs),
        identity=identity(record),
        memmaps=by_digest(record),
        null=newest(record, nulls),
    )


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
        return f"{len(record.boots)} of {planned} boots were made"
    return "no boot gave samples that count"
