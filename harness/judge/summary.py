# SPDX-License-Identifier: GPL-2.0-only
"""Mean first bindings and rebinds per driver and build, as the cover letter states them.

Pure: a table in, means out.
"""

import statistics

import msgspec

from harness.judge.tabulate import BootTable


class BindingMeans(msgspec.Struct, frozen=True):
    """One driver on one build: mean first binding and mean rebind in ms, over the boots that count.

    `first_ms` is None where no boot shows its first binding. `rebinds` is the number of rebinds in
    the mean; `nr_pages` what the kernel said it initialized.
    """

    first_ms: float | None
    rebind_mean_ms: float
    rebinds: int
    nr_pages: int


class MetricSummary(msgspec.Struct, frozen=True):
    """One driver: base's and tip's means, None for a build without samples that count."""

    metric: str
    base: BindingMeans | None
    tip: BindingMeans | None

    @property
    def reduction_percent(self) -> float | None:
        """How much shorter tip's mean rebind is than base's, in percent; None where undefined."""
        if self.base is None or self.tip is None or self.base.rebind_mean_ms == 0:
            return None
        return (1 - self.tip.rebind_mean_ms / self.base.rebind_mean_ms) * 100


def summarize(table: BootTable) -> tuple[MetricSummary, ...]:
    """Return one summary per driver, in the order of the guest's namespaces."""
    base, tip = table.record.builds[0].name, table.record.builds[-1].name
    return tuple(
        MetricSummary(d, _means(table, base, d), _means(table, tip, d)) for d in table.kinds
    )


def _means(table: BootTable, build: str, metric: str) -> BindingMeans | None:
    first, rebinds = table.of(build, metric, "first"), table.of(build, metric, "rebind")
    pages = table.pages(metric, build)
    if not rebinds or len(pages) != 1:
        return None
    return BindingMeans(
        first_ms=statistics.fmean(s.ns for s in first) / 1e6 if first else None,
        rebind_mean_ms=statistics.fmean(s.ns for s in rebinds) / 1e6,
        rebinds=len(rebinds),
        nr_pages=pages.pop(),
    )
