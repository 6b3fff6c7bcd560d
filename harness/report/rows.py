# SPDX-License-Identifier: GPL-2.0-only
"""A conclusion as the rows that test systems read, in groups; pure."""

from collections.abc import Iterator, Mapping

import msgspec

from harness.host import units
from harness.judge.conclude import Conclusion
from harness.judge.ratios.prefixes import PrefixResult
from harness.judge.ratios.replay_ratios import ReplayCost
from harness.judge.summary import BindingMeans
from harness.judge.verdict import Verdict, Word
from harness.record.metric import Metric, gained
from harness.record.record import Boot, BootRun, Evidence, ReplayRun, RunRecord
from harness.report import identity, lines, phrases
from harness.report.row import CLAIMED, Number, ReportRow, Status
from harness.workloads import words

#: The status of each verdict: only a reproduced claim passes, and only a contradicted one fails.
_OF_VERDICT: dict[Word, Status] = {
    "reproduced": "pass",
    "supported": "done",
    "contradicted": "fail",
    "doubted": "doubt",
    "inconclusive": "error",
    "open": "doubt",
    "untested": "skip",
}


def results(conclusion: Conclusion) -> Iterator[ReportRow]:
    """Yield all rows of all groups, group by group."""
    for rows in groups(conclusion).values():
        yield from rows


def groups(conclusion: Conclusion) -> Mapping[str, list[ReportRow]]:
    """Return the rows by group; names are unique within a group. The run itself is always a row.

    The rows of the replay beside boots follow, in groups of their own.
    """
    found: dict[str, dict[str, ReportRow]] = {}
    for row in _all(conclusion):
        group = found.setdefault(row.group, {})
        name, times = row.name, 1
        while name in group:
            times += 1
            name = f"{row.name}-again-{times}"
        group[name] = msgspec.structs.replace(row, name=name)
    return {name: list(group.values()) for name, group in found.items()}


def _all(conclusion: Conclusion) -> Iterator[ReportRow]:
    for part in conclusion.parts:
        for make in (_run, _builds, _boots, _identity, _memmaps, _passes, _counts, _traffic):
            for row in make(part):
                # A replay's kinds are groups of no other run.
                both = part is not conclusion and row.group not in part.record.setup.nr_pages
                group = f"replay-{row.group}" if both else row.group
                yield _from(part.record.evidence, msgspec.structs.replace(row, group=group))
    if conclusion.replay is not None and conclusion.replay not in conclusion.parts:
        (row,) = _run(conclusion.replay)
        yield msgspec.structs.replace(row, group="replay-run", evidence=conclusion.record.evidence)
    for make in (_claims, _rules):
        for row in make(conclusion):
            yield _from(conclusion.record.evidence, row)


def _from(evidence: Evidence, row: ReportRow) -> ReportRow:
    """Return the row with its evidence, and that of its numbers, where they have none."""
    numbers = tuple(
        n if n.origin else msgspec.structs.replace(n, origin=evidence) for n in row.numbers
    )
    return msgspec.structs.replace(row, numbers=numbers, evidence=row.evidence or evidence)


def _run(conclusion: Conclusion) -> Iterator[ReportRow]:
    record = conclusion.record
    status: Status = "error"
    if record.outcome in ("complete", "lost"):
        status = "pass" if record.outcome == "complete" else "miss"
    yield ReportRow("run", "complete", status, phrases.outcome(record))


def _builds(conclusion: Conclusion) -> Iterator[ReportRow]:
    """Yield whether each prefix of a per-patch run builds, and with which new warnings."""
    for prefix in conclusion.prefixes:
        if not prefix.prefix:
            continue  # without base there is no run
        build = prefix.name
        numbers = tuple(
            Number(build, f"{metric}_rebind_mean", cost.mean_ms, "ms")
            for metric, cost in prefix.costs.items()
        )
        status, text, log = _build(prefix)
        name = lines.prefix_name(prefix).replace(" ", "-")
        yield ReportRow("builds", name, status, text, build, log, numbers)


def _build(prefix: PrefixResult) -> tuple[Status, str, str]:
    if not prefix.builds:
        return "fail", prefix.why, prefix.detail
    if prefix.new_warnings is None:
        return "skip", "builds; new warnings unknown", ""
    if prefix.new_warnings:
        text = f"{lines.prefix_name(prefix)} adds {lines.new_warnings(prefix)}"
        return "fail", text, "\n".join(prefix.new_warnings)
    return "pass", "builds without new warnings", ""


def _boots(conclusion: Conclusion) -> Iterator[ReportRow]:
    record = conclusion.record
    for boot in record.boots if isinstance(record, BootRun) else ():
        status, text = _boot(boot, words(record).figure)
        if status == "fail" and phrases.is_base(record, boot.build):
            status = "error"  # a fault of base is not the series' fault
        log = boot.findings[0].splat if boot.findings else ""
        name = f"{boot.build}-{boot.number}"
        yield ReportRow("boots", name, status, text, boot.build, log, duration_s=boot.wall_s)


def _boot(boot: Boot, figure: str) -> tuple[Status, str]:
    if boot.outcome == "lost":
        return "miss", boot.reason
    if boot.outcome == "panicked" or (boot.findings and boot.outcome == "complete"):
        kinds = ", ".join(dict.fromkeys(finding.kind for finding in boot.findings))
        shown = f"console shows {kinds}" if kinds else ""
        return "fail", ": ".join(part for part in (boot.reason, shown) if part)
    if boot.outcome != "complete":
        return "error", f"{boot.outcome}: {boot.reason}"
    for check in boot.checks:
        if not check.ok:
            return "error", f"does not count: {check.name}: {check.detail}"
    return "pass", units.count(len(boot.samples), figure)


def _identity(conclusion: Conclusion) -> Iterator[ReportRow]:
    for found in conclusion.identity:
        status: Status = "pass"
        text = identity.identical_pins(found)
        if differing := identity.unequal_pins(found):
            status, text = "error", f"not comparable with base: {'; '.join(differing)}"
        yield ReportRow(
            "identity", phrases.prefix(conclusion.record, found.build), status, text, found.build
        )


def _memmaps(conclusion: Conclusion) -> Iterator[ReportRow]:
    for found in identity.memmaps(conclusion):
        status: Status = "pass"
        if found.failed:
            status = "fail" if found.at_fault else "error"
        name = f"{phrases.prefix(conclusion.record, found.build)}-{found.metric}"
        yield ReportRow("memmaps", name, status, found.sentence, found.build)


def _passes(conclusion: Conclusion) -> Iterator[ReportRow]:
    for kind in dict.fromkeys(kind for row in conclusion.rows for kind in row.kinds):
        for row in conclusion.rows:
            name = phrases.prefix(conclusion.record, row.build)
            if (cost := row.kinds.get(kind)) is None:
                yield ReportRow(kind, name, "miss", "no timed pass", row.build)
                continue
            numbers = _costs(row.build, cost, is_base=phrases.is_base(conclusion.record, row.build))
            yield ReportRow(kind, name, "done", "timed", row.build, numbers=numbers)


def _costs(build: str, cost: ReplayCost, *, is_base: bool) -> tuple[Number, ...]:
    found = [
        Number(build, "cost", cost.ns_per_page, "ns/page"),
        Number(build, "pass", cost.ms, "ms"),
        Number(build, "rate", cost.gb_per_s, "GB/s"),
    ]
    if cost.first_ms is not None:
        found.append(Number(build, "first", cost.first_ms, "ms"))
    if not is_base:
        found += _ratio(cost.ratio, cost.ratio_low, cost.ratio_high)
    return tuple(found)


def _ratio(value: float, low: float | None, high: float | None, name: str = "") -> list[Number]:
    found = [Number("", f"{name}ratio", value, "")]
    if low is not None and high is not None:
        found += [
            Number("", f"{name}ratio_low", low, ""),
            Number("", f"{name}ratio_high", high, ""),
        ]
    return found


def _counts(conclusion: Conclusion) -> Iterator[ReportRow]:
    base = conclusion.record.builds[0].name
    for effect in conclusion.effects:
        if effect.cost_unit == "instructions":
            numbers = (
                Number(base, "instructions", effect.base_cost, "per page"),
                Number(effect.build, "instructions", effect.build_cost, "per page"),
                *_ratio(effect.ratio, effect.low, effect.high, "instructions_"),
            )
            name = f"{phrases.prefix(conclusion.record, effect.build)}-{effect.op}-instructions"
            yield ReportRow(effect.kind, name, "done", "counted", effect.build, numbers=numbers)


def _traffic(conclusion: Conclusion) -> Iterator[ReportRow]:
    record = conclusion.record
    for one in record.traffic if isinstance(record, ReplayRun) else ():
        numbers = tuple(
            Number(one.build, f"traffic_{name}", count, "lines/page")
            for name, count in msgspec.structs.asdict(one.lines).items()
        )
        name = f"{phrases.prefix(record, one.build)}-traffic"
        yield ReportRow(one.kind, name, "done", "counted", one.build, numbers=numbers)


def _claims(conclusion: Conclusion) -> Iterator[ReportRow]:
    shown: set[tuple[str, str]] = set()
    for verdict in conclusion.verdicts:
        name = "claim" if verdict.after_patch is None else f"claim-after-{verdict.after_patch}"
        name += f"-{verdict.setup}" if verdict.setup else ""
        name += f"-{verdict.build}" if verdict.of_plan else ""
        # All claims about a driver have the same bindings: they are listed once.
        about = (verdict.metric, verdict.build)
        numbers = [] if about in shown else _bindings(conclusion.record, verdict)
        shown.add(about)
        if verdict.claimed_percent is not None:
            numbers.append(Number("", "reduction", verdict.claimed_percent, "percent", CLAIMED))
        by = [one for one in (verdict.boots, verdict.replay) if one is not None] or [verdict]
        numbers += [number for one in by for number in _of_claim(one)]
        text = f"{verdict.verdict}: {verdict.reason}"
        status = _OF_VERDICT[verdict.verdict]
        # With two builds a claim is about both.
        own = verdict.boots is not None or verdict.evidence == conclusion.record.evidence
        build = verdict.build if conclusion.prefixes or verdict.of_plan or not own else ""
        row = ReportRow(verdict.metric, name, status, text, build, numbers=tuple(numbers))
        yield msgspec.structs.replace(row, evidence=verdict.evidence)


def _of_claim(verdict: Verdict) -> Iterator[Number]:
    """Yield the numbers that a verdict is based on, with their evidence."""
    effect = verdict.effect
    if effect is None or verdict.evidence == "boot-tcg":
        return
    found = _ratio(effect.ratio, effect.low, effect.high)
    if verdict.evidence == "replay":
        found.insert(0, Number("", "reduction", effect.gain_percent, "percent"))
    for number in found:
        yield msgspec.structs.replace(number, origin=verdict.evidence)


def _bindings(record: RunRecord, verdict: Verdict) -> list[Number]:
    summary = verdict.summary
    found = [
        *_binding(record.builds[0].name, summary.base, summary.of),
        *_binding(verdict.build, summary.tip, summary.of),
    ]
    if summary.gain_percent is not None:
        found.append(Number("", gained(summary.of.better), summary.gain_percent, "percent"))
    return found


def _binding(build: str, binding: BindingMeans | None, metric: Metric) -> list[Number]:
    if binding is None:
        return []
    if metric.unit != "ns":
        return [Number(build, "mean", binding.rebind_mean_ms, metric.shown_unit)]
    first = [] if binding.first_ms is None else [Number(build, "first", binding.first_ms, "ms")]
    return [*first, Number(build, "rebind_mean", binding.rebind_mean_ms, "ms")]


def _rules(conclusion: Conclusion) -> Iterator[ReportRow]:
    if (null := conclusion.null) is not None:
        text = null.finds or "base against base: no difference"
        status: Status = "error" if null.finds else "pass"
        yield ReportRow("gates", "null", status, f"{text} (run {null.run_id})")
    for number, rule in enumerate(conclusion.rules, 1):
        value = () if rule.value is None else (Number("", "value", rule.value, ""),)
        text = f"{rule.rule}: {rule.reason}"
        status = "pass" if rule.ok else "fail"
        yield ReportRow("gates", f"gate-{number}", status, text, numbers=value)
