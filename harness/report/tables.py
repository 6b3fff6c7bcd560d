# SPDX-License-Identifier: GPL-2.0-only
"""The tables that reports share, as plain cells: how they are drawn is each report's own.

A heading may break its line; a cell never does. Wherever a reduction or a ratio stands, its heading
says by which kind of evidence.
"""

from collections.abc import Sequence
from typing import NamedTuple

from harness.judge.conclude import Conclusion
from harness.judge.replay_ratios import ReplayCost
from harness.judge.summary import BindingMeans
from harness.judge.verdict import Verdict
from harness.record.record import ReplayRun
from harness.report import phrases


class Table(NamedTuple):
    """Headings and rows of equal length; the first `texts` columns are text, the others numbers."""

    headings: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    texts: int


def bindings(conclusion: Conclusion) -> Table:
    """Return first bindings and rebinds by driver, in the author's own figures."""
    record = conclusion.record
    tip = phrases.patches(record, record.builds[-1].prefix)
    rows: list[tuple[str, ...]] = []
    shown: set[str] = set()
    for verdict in conclusion.verdicts:
        summary = verdict.summary
        if isinstance(record, ReplayRun):
            continue  # it binds nothing
        if verdict.driver not in shown:
            first = (_first(summary.base), _first(summary.tip))
            rows.append((verdict.driver, "first binding", *first, "", ""))
        name = "" if verdict.after_patch is None else f"after patch {verdict.after_patch}"
        rows.append((name, *_average(verdict)))
        shown.add(verdict.driver)
    reduction = f"reduction\n({record.evidence})"
    return Table(("driver", "", "base\n(ms)", f"{tip}\n(ms)", reduction, "claimed"), rows, 2)


def _average(verdict: Verdict) -> tuple[str, ...]:
    base, tip = verdict.summary.base, verdict.summary.tip
    counts = sorted({b.rebinds for b in (base, tip) if b is not None})
    return (
        f"average of {' and '.join(map(str, counts)) or 'no'} rebinds",
        ms(base.rebind_mean_ms if base else None),
        ms(tip.rebind_mean_ms if tip else None),
        percent(verdict.summary.reduction_percent),
        percent(verdict.claimed_percent),
    )


def _first(binding: BindingMeans | None) -> str:
    return ms(binding.first_ms if binding else None)


def ms(value: float | None) -> str:
    """Return milliseconds as the author prints them; a dash for none."""
    return "-" if value is None else f"{value:.2f}"


def percent(value: float | None) -> str:
    """Return a percentage; a dash for none."""
    return "-" if value is None else f"{value:.1f} %"


def passes(conclusion: Conclusion) -> Table:
    """Return what a replay's builds cost, by kind of page."""
    record = conclusion.record
    base = record.builds[0].name
    spread = f"95 %\n({record.evidence})"  # beside the ratio, and wide enough to say so
    headings = ("build", "kind", "ns/page", "GB/s", "ms", "first", "ratio", spread)
    rows = [
        (row.build, kind, *_cost(cost, is_base=row.build == base))
        for row in conclusion.rows
        for kind, cost in row.kinds.items()
    ]
    return Table((*headings, "limit", "memmap"), rows, 2)


def _cost(cost: ReplayCost, *, is_base: bool) -> tuple[str, ...]:
    equal = {None: "", True: "equal", False: "differs"}[cost.equal_memmap]
    return (
        f"{cost.ns_per_page:.2f}",
        f"{cost.gb_per_s:.1f}",
        f"{cost.ms:.1f}",
        "" if cost.first_ms is None else f"{cost.first_ms:.0f}",
        "" if is_base else f"{cost.ratio:.3f}",
        "" if is_base else interval(cost.ratio_low, cost.ratio_high),
        "" if cost.limit_share is None else f"{cost.limit_share:.0%}",
        "" if is_base else equal,
    )


def interval(low: float | None, high: float | None) -> str:
    """Return an interval of a ratio, or that there are too few measurements for one."""
    return "too few" if low is None or high is None else f"{low:.3f}-{high:.3f}"


def effects(conclusion: Conclusion) -> Table:
    """Return what each build costs of what base does, unless a replay's rows have it.

    Emulated time has no such table: an interval of it would look like a finding.
    """
    record = conclusion.record
    shown = [
        effect
        for effect in conclusion.effects
        if record.evidence != "boot-tcg" and not (conclusion.rows and effect.metric == "ns")
    ]
    rows = [
        (
            phrases.build(record, effect.build),
            effect.kind,
            effect.op,
            "time" if effect.metric == "ns" else "instructions",
            f"{effect.ratio:.3f}",
            interval(effect.low, effect.high),
            f"{effect.n_base}+{effect.n_build}",
            "-" if effect.p_value is None else f"{effect.p_value:.3f}",
        )
        for effect in shown
    ]
    spread = f"95 %\n({record.evidence})"
    units = "processes" if isinstance(record, ReplayRun) else "boots"
    return Table(("build", "kind", "binding", "of", "ratio", spread, units, "p"), rows, 4)
