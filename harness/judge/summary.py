# SPDX-License-Identifier: GPL-2.0-only
"""Mean first bindings and rebinds per driver and build, as the cover letter states them.

Pure: a table in, means out.
"""

import statistics

import msgspec

from harness.judge.tabulate import BootTable
from harness.record.metric import Metric, gain_percent


class BindingMeans(msgspec.Struct, frozen=True):
    """One metric on one build: mean first binding and mean rebind in ms, over the boots that count.

    If the metric is not a time, the means are in the unit of reports (Metric.shown_unit).

    `first_ms` is None where no boot shows its first binding. `rebinds` is the number of rebinds in
    the mean; `nr_pages` what the kernel said it initialized.
    """

    first_ms: float | None
    rebind_mean_ms: float
    rebinds: int
    nr_pages: int


class MetricSummary(msgspec.Struct, frozen=True):
    """One metric: base's and tip's means, None for a build without samples that count."""

    of: Metric
    base: BindingMeans | None
    tip: BindingMeans | None

    @property
    def metric(self) -> str:
        """The metric's name."""
        return self.of.name

    @property
    def gain_percent(self) -> float | None:
        """How much better tip's mean is than base's, in percent; None where undefined."""
        if self.base is None or self.tip is None or self.base.rebind_mean_ms == 0:
            return None
        return gain_percent(self.tip.rebind_mean_ms / self.base.rebind_mean_ms, self.of.better)


def summarize(table: BootTable) -> tuple[MetricSummary, ...]:
    """Return one summary per metric, in the order of the record."""
    base, tip = table.record.builds[0].name, table.record.builds[-1].name
    of = table.record.setup.metric
    return tuple(
        MetricSummary(of(name), _means(table, base, name), _means(table, tip, name))
        for name in table.kinds
    )


def _means(table: BootTable, build: str, metric: str) -> BindingMeans | None:
    first, rebinds = table.of(build, metric, "first"), table.of(build, metric, "rebind")
    pages = table.pages(metric, build)
    if not rebinds or len(pages) != 1:
        return None
    shown = table.record.setup.metric(metric).shown
    return BindingMeans(
        first_ms=shown(statistics.fmean(s.ns for s in first)) if first else None,
        rebind_mean_ms=shown(statistics.fmean(s.ns for s in rebinds)),
        rebinds=len(rebinds),
        nr_pages=pages.pop(),
    )
