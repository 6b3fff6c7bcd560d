# SPDX-License-Identifier: GPL-2.0-only
"""Compares two clocks on the same bindings: the kernel's line, in jiffies, and probes. Pure.

The boots are apart from those that decide: a probe's trap is part of the time that it measures.
"""

import statistics
from collections.abc import Iterator

import msgspec

from harness.record.record import PR_DEBUG, PROBES, Boot, BootRun, Sample


class Clocks(msgspec.Struct, frozen=True):
    """What two clocks measured in one build's bindings of a driver.

    `printed_ns` and `probed_ns` are means over the rebinds, `apart_ns` is the largest difference in
    one of the `bindings`, `step_ns` the step of the coarser clock. `problem` says why there is
    nothing to compare.
    """

    build: str
    metric: str
    bindings: int = 0
    printed_ns: float = 0.0
    probed_ns: float = 0.0
    apart_ns: int = 0
    step_ns: int = 0
    problem: str = ""

    @property
    def agree(self) -> bool:
        """Whether no binding's times differ by more than the step."""
        return not self.problem and self.apart_ns <= self.step_ns


def clocks(record: BootRun) -> Iterator[Clocks]:
    """Yield the comparison for each build and driver, if the run has boots for it."""
    if record.fine_clock is None:
        return
    boots = {boot.build: boot for boot in record.fine_clock.boots}
    for build in record.fine_clock.builds:
        boot = boots.get(build.name)
        for metric in record.setup.nr_pages:
            if boot is None:
                yield Clocks(build.name, metric, problem="was not booted")
            elif why := _unusable(boot):
                yield Clocks(build.name, metric, problem=why)
            else:
                yield _compared(boot, metric)


def _unusable(boot: Boot) -> str:
    if boot.outcome != "complete":
        return f"{boot.outcome.replace('_', ' ')}: {boot.reason}"
    failed = [f"{check.name}: {check.detail}" for check in boot.checks if not check.ok]
    return "; ".join([*failed, *(f"the console shows: {f.kind}" for f in boot.findings)])


def _compared(boot: Boot, metric: str) -> Clocks:
    printed, probed = (_of(boot, metric, source) for source in (PR_DEBUG, PROBES))
    both = sorted(printed.keys() & probed.keys())
    rebinds = [index for index in both if index]
    if not rebinds:
        return Clocks(boot.build, metric, problem="no rebind was timed by both clocks")
    return Clocks(
        boot.build,
        metric,
        bindings=len(both),
        printed_ns=statistics.fmean(printed[index].ns for index in rebinds),
        probed_ns=statistics.fmean(probed[index].ns for index in rebinds),
        apart_ns=max(abs(printed[index].ns - probed[index].ns) for index in both),
        step_ns=max(printed[index].resolution_ns for index in both),
    )


def _of(boot: Boot, metric: str, source: str) -> dict[int, Sample]:
    return {s.index: s for s in boot.samples if (s.metric, s.source) == (metric, source)}
