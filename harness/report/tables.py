# SPDX-License-Identifier: GPL-2.0-only
"""The tables that all reports share, as plain cells; pure.

A heading may have two lines, a cell has one. The heading of a reduction or a ratio names the kind
of evidence.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from harness.judge.conclude import Conclusion
from harness.judge.ratios.prefixes import PrefixResult
from harness.judge.ratios.ratios import metric as metric_of
from harness.judge.ratios.replay_ratios import ReplayCost, ReplayRow
from harness.judge.ratios.traffic import transfers
from harness.judge.summary import BindingMeans
from harness.judge.verdict import Verdict
from harness.record.metric import Metric
from harness.record.record import BootRun, Lines, ReplayRun
from harness.report import phrases
from harness.report.lines import TONE, Tone
from harness.workloads import words

#: Cells that are shown in colour.
TONES: dict[str, Tone] = {
    **{str(word): tone for word, tone in TONE.items()},
    **dict.fromkeys(("equal", "yes", "0 new"), "good"),
    **dict.fromkeys(("differs", "no", "unbuilt"), "bad"),
}
_MEMMAPS = {"unreadable": "?", "none": "-"}


class Table(NamedTuple):
    """Headings and rows of equal length; the first `texts` columns are text, the others numbers."""

    headings: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    texts: int


def measured(conclusion: Conclusion) -> list[Table]:
    """Return the tables of what was measured, without empty ones."""
    found = [booted(conclusion)]
    for part in conclusion.parts:
        found += [passes(part), traffic(part)]
    return [table for table in found if table.rows]


def booted(conclusion: Conclusion) -> Table:
    """Return the table of a run of boots: of its prefixes, the plan's builds, or base and tip."""
    if conclusion.prefixes:
        return prefixes(conclusion)
    return (builds if phrases.is_of_plan(conclusion.record) else bindings)(conclusion)


def builds(conclusion: Conclusion) -> Table:
    """Return a row per metric and build that the plan names, with its mean and ratio to base."""
    record = conclusion.record
    rows: list[tuple[str, ...]] = []
    for metric in record.setup.nr_pages:
        verdicts = {v.build: v for v in conclusion.verdicts if v.metric == metric}
        base = next((v.summary.base for v in verdicts.values()), None)
        unit = metric_of(record, metric)
        rows.append((metric, record.builds[0].name, _binding(base, unit)[1], "", ""))
        for name, verdict in verdicts.items():
            ratio = ("-", "-")
            # An interval of emulated time would look like a finding.
            if verdict.effect is not None and record.evidence != "boot-tcg":
                found = verdict.effect
                ratio = (f"{found.ratio:.3f}", interval(found.low, found.high))
            rows.append(("", name, _binding(verdict.summary.tip, unit)[1], *ratio))
    return Table(("metric", "build", "mean\n(ms)", f"ratio\n({record.evidence})", "95 %"), rows, 2)


def bindings(conclusion: Conclusion) -> Table:
    """Return first binding and mean rebind per driver, in the units of the cover letter."""
    record = conclusion.record
    named = words(record)
    rows: list[tuple[str, ...]] = []
    for verdict in _of_last_build(conclusion) if isinstance(record, BootRun) else ():
        metric = verdict.summary.of
        base, tip = _binding(verdict.summary.base, metric), _binding(verdict.summary.tip, metric)
        average = f"average of {_rebind_counts(verdict, named.sample or 'boot')}"
        after = "" if verdict.after_patch is None else f"after patch {verdict.after_patch}"
        below = (percent(verdict.summary.gain_percent), phrases.claimed(verdict))
        if named.first:
            rows.append((verdict.metric, named.first, base[0], tip[0], "", ""))
        name = "" if named.first else verdict.metric
        rows.append((" ".join(filter(None, (name, after))), average, base[1], tip[1], *below))
    tip_heading = f"{phrases.patches(record, record.tip.prefix)}\n(ms)"
    reduction = f"{phrases.gained(record)}\n({record.evidence})"
    names = (named.metric, named.figure)
    return Table((*names, "base\n(ms)", tip_heading, reduction, "claimed"), rows, 2)


def _of_last_build(conclusion: Conclusion) -> Iterable[Verdict]:
    """Return one verdict per driver on the last build: of a guest, and on the whole series."""
    last = conclusion.record.tip.name
    found = [verdict for verdict in conclusion.verdicts if verdict.build == last]
    found.sort(key=lambda verdict: (verdict.setup != "physical", verdict.after_patch is None))
    return {verdict.metric: verdict for verdict in found}.values()


def _binding(means: BindingMeans | None, metric: Metric) -> tuple[str, str]:
    if means is None:
        return ms(None), ms(None)
    unit = "" if metric.unit == "ns" else f" {metric.shown_unit}".rstrip()
    return ms(means.first_ms), f"{ms(means.rebind_mean_ms)}{unit}"


def _rebind_counts(verdict: Verdict, sample: str) -> str:
    """Return the number of samples of base and tip that were averaged: `25 rebinds`."""
    builds = (verdict.summary.base, verdict.summary.tip)
    counts = sorted({build.rebinds for build in builds if build is not None})
    return f"{' and '.join(map(str, counts)) or 'no'} {sample}{'' if counts == [1] else 's'}"


def ms(value: float | None) -> str:
    """Return milliseconds with two decimals, or a dash for None."""
    return "-" if value is None else f"{value:.2f}"


def percent(value: float | None) -> str:
    """Return a percentage with one decimal, or a dash for None."""
    return "-" if value is None else f"{value:.1f} %"


def passes(conclusion: Conclusion) -> Table:
    """Return the cost of each build of a replay, per kind of page."""
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


def by_build(conclusion: Conclusion, *, wide: bool) -> Table:
    """Return a row per build of a replay, the kinds of page side by side: at most 12 columns."""
    base = conclusion.record.builds[0].name
    shown = ("ratio", "95 %", "ns/page", "limit", *(("ms",) if wide else ()))
    kinds = dict.fromkeys(kind for row in conclusion.rows for kind in row.kinds)
    headings = [
        f"{'' if number else kind}\n{name}" for kind in kinds for number, name in enumerate(shown)
    ]
    rows = [
        (
            row.build,
            *(cell for kind in kinds for cell in _of_kind(row, kind, base, shown)),
            *(("" if row.build == base else _equal(row),) if wide else ()),
        )
        for row in conclusion.rows
    ]
    last = ("\nmemmap",) if wide else ()
    return Table((f"build\n({conclusion.record.evidence})", *headings, *last), rows, 1)


def _of_kind(row: ReplayRow, kind: str, base: str, shown: Sequence[str]) -> Sequence[str]:
    if (cost := row.kinds.get(kind)) is None:
        return ("-",) * len(shown)
    is_base = row.build == base
    cells = {
        "ratio": "" if is_base else f"{cost.ratio:.3f}",
        "95 %": "" if is_base else interval(cost.ratio_low, cost.ratio_high),
        "ns/page": f"{cost.ns_per_page:.2f}",
        "limit": "" if cost.limit_share is None else f"{cost.limit_share:.0%}",
        "ms": f"{cost.ms:.1f}",
    }
    return [cells[name] for name in shown]


def _equal(row: ReplayRow) -> str:
    found = {cost.equal_memmap for cost in row.kinds.values()}
    return "differs" if False in found else "equal" if found == {True} else ""


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
    """Return the interval of a ratio, or `too few` if there are too few measurements."""
    return "too few" if low is None or high is None else f"{low:.3f}-{high:.3f}"


def effects(conclusion: Conclusion) -> Table:
    """Return the cost of each build as a ratio to base, except ratios that passes() has.

    Empty for emulated time: an interval of it would look like a finding.
    """
    record = conclusion.record
    rows = [
        (
            phrases.build(record, effect.build),
            effect.kind,
            effect.op,
            "time" if effect.cost_unit == "ns" else effect.cost_unit,
            f"{effect.ratio:.3f}",
            interval(effect.low, effect.high),
            f"{effect.n_base}+{effect.n_build}",
            "-" if effect.p_value is None else f"{effect.p_value:.3f}",
        )
        for effect in conclusion.effects
        if record.evidence != "boot-tcg" and not (conclusion.rows and effect.cost_unit == "ns")
    ]
    spread = f"95 %\n({record.evidence})"
    units = "processes" if isinstance(record, ReplayRun) else "boots"
    return Table(("build", "kind", "binding", "metric", "ratio", spread, units, "p"), rows, 4)


def traffic(conclusion: Conclusion) -> Table:
    """Return the cache lines per struct page that each build stores, and how."""
    record = conclusion.record
    counted = record.traffic if isinstance(record, ReplayRun) else ()
    counts = record.counts if isinstance(record, ReplayRun) else ()
    instructions = {(one.build, one.kind): f"{one.per_page:.3f}" for one in counts}
    rows = [
        (
            one.build,
            one.kind,
            instructions.get((one.build, one.kind), "-"),
            *(f"{count:.3f}" for count in msgspec.structs.astuple(one.lines)),
            f"{transfers(one.lines):.3f}",
        )
        for one in counted
    ]
    lines = tuple(Lines.__struct_fields__)
    return Table(("build", "kind", "instructions", *lines, "transfers\n(traffic)"), rows, 2)


def prefixes(conclusion: Conclusion) -> Table:
    """Return a row per prefix and driver of a per-patch run: its state, its times, the claim.

    The reductions are of the mean rebind, against base's and against that of the prefix before.
    """
    kind = conclusion.record.evidence
    headings = (
        *("patch", "boots", "memmaps", "warnings", words(conclusion.record).metric, "ms"),
        f"below base\n({kind})",
        f"below parent\n({kind})",
        "claimed",
    )
    rows: list[tuple[str, ...]] = []
    for prefix in conclusion.prefixes:
        for number, metric in enumerate(conclusion.record.setup.nr_pages):
            rows.append(
                (*(("",) * 4 if number else _states(prefix)), metric, *_times(prefix, metric))
            )
    return Table(headings, rows, 5)


def _states(prefix: PrefixResult) -> tuple[str, str, str, str]:
    if not prefix.builds:
        return prefix.name, "unbuilt", "", ""
    boots = "yes" if prefix.boots else "no"
    if not prefix.prefix:
        return prefix.name, boots, "", ""
    warnings = "?" if prefix.new_warnings is None else f"{len(prefix.new_warnings)} new"
    return prefix.name, boots, _MEMMAPS.get(prefix.memmaps, prefix.memmaps), warnings


def _times(prefix: PrefixResult, metric: str) -> tuple[str, str, str, str]:
    claimed = (v for v in prefix.verdicts if v.metric == metric and v.shown_percent is not None)
    claim = next(map(phrases.claimed, claimed), "")
    if (cost := prefix.costs.get(metric)) is None:
        return ms(None), "", "", claim
    of_base, of_parent = (
        "" if below is None else percent(below)
        for below in (cost.below_base_percent, cost.below_parent_percent)
    )
    return ms(cost.mean_ms), of_base, of_parent, claim
