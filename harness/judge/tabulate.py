# SPDX-License-Identifier: GPL-2.0-only
"""A record's samples sorted by build, kind and binding, once for all that is concluded from them.

Pure: a record in, tables out. The unit of repetition is the boot, or a replay's process: where its
memory lies and what else the machine does is common to all its bindings. First bindings, which also
fault the memory in, are separate. No sample that counts is left out for its value.
"""

import statistics
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from harness.judge.ratios.passes import Slices, by_round, by_slice, compared, firsts, of_namespace
from harness.record.metric import Unit
from harness.record.record import LIMIT, Boot, BootRun, Pass, ReplayRun, RunRecord, Sample

Op = Literal["first", "rebind"]
CostUnit = Unit | Literal["instructions"]
OPS: tuple[Op, ...] = ("rebind", "first")
#: A build, a driver or page order, and a binding.
Key = tuple[str, str, Op]


class Units(msgspec.Struct, frozen=True):
    """The costs of one build's boots or processes by number; equal numbers are of one round.

    `step` is the resolution of the clock. `slices` are a replay's, which pair closer in time than
    whole processes do.
    """

    costs: Mapping[int, float] = {}
    step: float = 0.0
    slices: Slices = {}

    @property
    def values(self) -> list[float]:
        """The costs without their numbers."""
        return list(self.costs.values())

    @property
    def median(self) -> float:
        """The median cost."""
        return statistics.median(self.costs.values())


_NONE = Units()


class BootTable(msgspec.Struct, frozen=True):
    """A run of boots: all boots and those that count, by build, and the samples of the latter."""

    record: BootRun
    boots: Mapping[str, Sequence[Boot]]
    counting: Mapping[str, Sequence[Boot]]
    samples: Mapping[Key, Mapping[int, Sequence[Sample]]]
    units: Mapping[Key, Units]

    @property
    def kinds(self) -> tuple[str, ...]:
        """The drivers of the guest's namespaces."""
        return tuple(self.record.setup.nr_pages)

    def of(self, build: str, kind: str, op: Op) -> list[Sample]:
        """Return the samples of one build, driver and binding from all boots that count."""
        found = self.samples.get((build, kind, op), {})
        return [sample for samples in found.values() for sample in samples]

    def pages(self, kind: str, *builds: str) -> set[int]:
        """Return how many pages the kernel initialized for a driver, according to its samples."""
        return {s.nr_pages for build in builds for op in OPS for s in self.of(build, kind, op)}

    def part(self, record: BootRun) -> "BootTable":
        """Return the table of `record`, which has some of this one's builds."""
        names = {build.name for build in record.builds}
        return BootTable(
            record,
            {name: boots for name, boots in self.boots.items() if name in names},
            {name: boots for name, boots in self.counting.items() if name in names},
            {key: samples for key, samples in self.samples.items() if key[0] in names},
            {key: units for key, units in self.units.items() if key[0] in names},
        )


class ReplayTable(msgspec.Struct, frozen=True):
    """A replay: its passes by build and kind."""

    record: ReplayRun
    kinds: tuple[str, ...]
    passes: Mapping[tuple[str, str], Sequence[Pass]]
    units: Mapping[Key, Units]


RunTable = BootTable | ReplayTable


def tabulate(record: RunRecord) -> RunTable:
    """Return the table of a record."""
    return of_boots(record) if isinstance(record, BootRun) else of_passes(record)


def of_boots(record: BootRun) -> BootTable:
    """Return the table of a run of boots."""
    boots: dict[str, list[Boot]] = {build.name: [] for build in record.builds}
    counting: dict[str, list[Boot]] = {build.name: [] for build in record.builds}
    samples: dict[Key, dict[int, list[Sample]]] = {}
    for boot in record.boots:
        boots.setdefault(boot.build, []).append(boot)
        if not boot.counts:
            continue
        counting.setdefault(boot.build, []).append(boot)
        for s in boot.samples:
            of_key = samples.setdefault((boot.build, s.metric, s.op), {})
            of_key.setdefault(boot.number, []).append(s)
    units = {
        (build.name, kind, op): _units(samples.get((build.name, kind, op), {}))
        for build in record.builds
        for kind in record.setup.nr_pages
        for op in OPS
    }
    return BootTable(record, boots, counting, samples, units)


def _units(samples: Mapping[int, Sequence[Sample]]) -> Units:
    steps = [float(s.resolution_ns) for found in samples.values() for s in found]
    costs = {number: statistics.fmean(s.ns for s in found) for number, found in samples.items()}
    return Units(costs, max(steps, default=0.0))


def of_passes(record: ReplayRun) -> ReplayTable:
    """Return the table of a replay."""
    passes: dict[tuple[str, str], list[Pass]] = {}
    for p in record.passes:
        passes.setdefault((p.build, p.kind), []).append(p)
    timed = {kind for build, kind in passes if build != LIMIT}
    kinds = tuple(sorted(timed | {count.kind for count in record.counts}))
    units = {
        (build.name, kind, op): _of_processes(record, passes.get((build.name, kind), ()), op)
        for build in record.builds
        for kind in kinds
        for op in OPS
    }
    return ReplayTable(record, kinds, passes, units)


def _of_processes(record: ReplayRun, passes: Sequence[Pass], op: Op) -> Units:
    slices = by_slice(passes) if op == "rebind" else {}
    found = by_round(slices) if op == "rebind" else firsts(passes)
    if not found:
        return _NONE
    scale = of_namespace(record, compared(passes)[0])
    return Units({number: ns * scale for number, ns in found.items()}, slices=slices)
