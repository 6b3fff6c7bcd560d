# SPDX-License-Identifier: GPL-2.0-only
"""What the samples of a run come to, per driver and build, in the author's own figures."""

import statistics

import msgspec

from harness.record.record import Boot, BootRun, Sample


class BindingMeans(msgspec.Struct, frozen=True):
    """One driver on one build: mean first binding and mean rebind in ms, over the boots that count.

    `rebinds` is the number of rebinds in the mean; `nr_pages` what the kernel said it initialized.
    """

    first_ms: float
    rebind_mean_ms: float
    rebinds: int
    nr_pages: int


class DriverSummary(msgspec.Struct, frozen=True):
    """One driver: both builds where they have samples that count, and what tip saves of base."""

    driver: str
    base: BindingMeans | None
    tip: BindingMeans | None

    @property
    def reduction_percent(self) -> float | None:
        """How much shorter tip's mean rebind is than base's, in percent; None where undefined."""
        if self.base is None or self.tip is None or self.base.rebind_mean_ms == 0:
            return None
        return (1 - self.tip.rebind_mean_ms / self.base.rebind_mean_ms) * 100


def summarize(record: BootRun) -> tuple[DriverSummary, ...]:
    """Return one summary a driver, in the order of the guest's namespaces."""
    base, tip = record.builds[0].name, record.builds[-1].name
    return tuple(
        DriverSummary(d, _binding(record, base, d), _binding(record, tip, d))
        for d in record.setup.nr_pages
    )


def counting(record: BootRun, build: str) -> list[Boot]:
    """The boots of one build whose samples may be used."""
    return [boot for boot in record.boots if boot.build == build and boot.counts]


def samples_of(boot: Boot, driver: str, op: str) -> list[Sample]:
    """One boot's samples of one driver: its first binding, or its rebinds."""
    return [s for s in boot.samples if s.driver == driver and s.op == op]


def _binding(record: BootRun, build: str, driver: str) -> BindingMeans | None:
    boots = counting(record, build)
    first = [s for boot in boots for s in samples_of(boot, driver, "first")]
    rebinds = [s for boot in boots for s in samples_of(boot, driver, "rebind")]
    pages = {s.nr_pages for s in first + rebinds}
    if not first or not rebinds or len(pages) != 1:
        return None
    return BindingMeans(
        first_ms=statistics.fmean(s.ns for s in first) / 1e6,
        rebind_mean_ms=statistics.fmean(s.ns for s in rebinds) / 1e6,
        rebinds=len(rebinds),
        nr_pages=pages.pop(),
    )
