# SPDX-License-Identifier: GPL-2.0-only
"""A conclusion as results: which there are, and what each of them says."""

import collections
from collections.abc import Iterable, Iterator

import msgspec

from harness.judge.conclude import Conclusion
from harness.judge.prefixes import PrefixResult
from harness.judge.replay_ratios import ReplayCost
from harness.judge.summary import BindingMeans
from harness.judge.verdict import Verdict, Word
from harness.record.record import Boot, BootRun, RunRecord
from harness.report import identity as alike
from harness.report import phrases
from harness.report.row import Number, ReportRow, Status
from harness.report.terminal import per_patch

#: What each verdict is to a test system: only what is borne out passes.
OF_VERDICT: dict[Word, Status] = {
    "reproduced": "pass",
    "contradicted": "fail",
    "inconclusive": "error",
    "untested": "skip",
}


def results(conclusion: Conclusion) -> tuple[ReportRow, ...]:
    """Return all results, group by group, with a name each that its group has once.

    A run always has at least the one of the run itself.
    """
    found = (
        _run(conclusion.record),
        *_builds(conclusion),
        *_boots(conclusion.record),
        *_identity(conclusion),
        *_memmaps(conclusion),
        *_passes(conclusion),
        *_counts(conclusion),
        *_claims(conclusion),
        *_gates(conclusion),
    )
    groups: dict[str, list[ReportRow]] = {}
    for result in found:
        groups.setdefault(result.group, []).append(result)
    return tuple(result for members in groups.values() for result in _distinct(members))


def _distinct(members: Iterable[ReportRow]) -> Iterator[ReportRow]:
    seen: collections.Counter[str] = collections.Counter()
    for result in members:
        seen[result.name] += 1
        times = seen[result.name]
        name = result.name if times == 1 else f"{result.name}-again-{times}"
        yield msgspec.structs.replace(result, name=name)


def _run(record: RunRecord) -> ReportRow:
    status: Status = "error"
    if record.outcome in ("complete", "lost"):
        status = "pass" if record.outcome == "complete" else "miss"
    return ReportRow("run", "complete", status, phrases.outcome(record))


def _builds(conclusion: Conclusion) -> Iterator[ReportRow]:
    """What a ladder says of each patch beside its boots: whether it builds, with which warnings."""
    for rung in conclusion.rungs:
        if not rung.prefix:
            continue  # base builds, or there is no run
        build = str(rung.prefix)
        numbers = tuple(
            Number(build, f"{driver}_rebind_mean", cost.mean_ms, "ms")
            for driver, cost in rung.costs.items()
        )
        status, text, log = _build(rung)
        yield ReportRow("builds", f"patch-{build}", status, text, build, log, numbers)


def _build(rung: PrefixResult) -> tuple[Status, str, str]:
    if not rung.builds:
        return "fail", rung.why, rung.detail
    if rung.new_warnings is None:
        return "skip", "builds; which warnings are new is not known", ""
    if rung.new_warnings:
        return (
            "fail",
            per_patch.fault(msgspec.structs.replace(rung, why="")),
            "\n".join(rung.new_warnings),
        )
    return "pass", "builds, with no new warning", ""


def _boots(record: RunRecord) -> Iterator[ReportRow]:
    for boot in record.boots if isinstance(record, BootRun) else ():
        status, text = _boot(boot)
        if status == "fail" and phrases.is_base(record, boot.build):
            status = "error"  # base's own faults are none of the series'
        log = boot.findings[0].splat if boot.findings else ""
        name = f"{boot.build}-{boot.number}"
        yield ReportRow("boots", name, status, text, boot.build, log, duration_s=boot.wall_s)


def _boot(boot: Boot) -> tuple[Status, str]:
    if boot.outcome == "lost":
        return "miss", boot.reason
    if boot.outcome == "panicked" or (boot.findings and boot.outcome == "complete"):
        kinds = ", ".join(dict.fromkeys(finding.kind for finding in boot.findings))
        shown = f"its console shows {kinds}" if kinds else ""
        return "fail", ": ".join(part for part in (boot.reason, shown) if part)
    if boot.outcome != "complete":
        return "error", f"{boot.outcome}: {boot.reason}"
    for check in boot.checks:
        if not check.ok:
            return "error", f"does not count: {check.name}: {check.detail}"
    return "pass", f"{len(boot.samples)} bindings"


def _identity(conclusion: Conclusion) -> Iterator[ReportRow]:
    for identity in conclusion.identity:
        if differing := alike.unequal_pins(identity):
            text = f"not comparable with base: {'; '.join(differing)}"
            yield ReportRow(
                "identity",
                phrases.prefix(conclusion.record, identity.build),
                "error",
                text,
                identity.build,
            )
        else:
            text = f"as base's: {', '.join(pin.name for pin in identity.pins)}"
            yield ReportRow(
                "identity",
                phrases.prefix(conclusion.record, identity.build),
                "pass",
                text,
                identity.build,
            )


def _memmaps(conclusion: Conclusion) -> Iterator[ReportRow]:
    for left in alike.memmaps(conclusion):
        status: Status = "pass"
        if left.unlike:
            status = "fail" if left.at_fault else "error"
        name = f"{phrases.prefix(conclusion.record, left.build)}-{left.driver}"
        yield ReportRow("memmaps", name, status, left.sentence, left.build)


def _passes(conclusion: Conclusion) -> Iterator[ReportRow]:
    for kind in dict.fromkeys(kind for row in conclusion.rows for kind in row.kinds):
        for row in conclusion.rows:
            name = phrases.prefix(conclusion.record, row.build)
            if (cost := row.kinds.get(kind)) is None:
                yield ReportRow(kind, name, "miss", "no pass of it was timed", row.build)
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
    """Give what was counted instead of timed."""
    base = conclusion.record.builds[0].name
    for effect in conclusion.effects:
        if effect.metric == "instructions":
            numbers = (
                Number(base, "instructions", effect.base_cost, "per page"),
                Number(effect.build, "instructions", effect.build_cost, "per page"),
                *_ratio(effect.ratio, effect.low, effect.high, "instructions_"),
            )
            name = f"{phrases.prefix(conclusion.record, effect.build)}-{effect.op}-instructions"
            yield ReportRow(effect.kind, name, "done", "counted", effect.build, numbers=numbers)


def _claims(conclusion: Conclusion) -> Iterator[ReportRow]:
    shown: set[tuple[str, str]] = set()
    for verdict in conclusion.verdicts:
        name = "claim" if verdict.after_patch is None else f"claim-after-{verdict.after_patch}"
        # The same bindings stand behind all claims about a driver: told once.
        about = (verdict.driver, verdict.build)
        numbers = [] if about in shown else _bindings(conclusion.record, verdict)
        shown.add(about)
        if verdict.claimed_percent is not None:
            claimed = Number("", "reduction", verdict.claimed_percent, "percent", measured=False)
            numbers.append(claimed)
        effect = verdict.effect
        if effect is not None and conclusion.record.evidence != "boot-tcg":
            numbers += _ratio(effect.ratio, effect.low, effect.high)
        text = f"{phrases.ruling(verdict)}: {verdict.reason}"
        status = OF_VERDICT[verdict.verdict]
        # Of two builds a claim is about both; of many it must be said about which.
        build = verdict.build if conclusion.rungs else ""
        yield ReportRow(verdict.driver, name, status, text, build, numbers=tuple(numbers))


def _bindings(record: RunRecord, verdict: Verdict) -> list[Number]:
    summary = verdict.summary
    found = [
        *_binding(record.builds[0].name, summary.base),
        *_binding(verdict.build, summary.tip),
    ]
    if summary.reduction_percent is not None:
        found.append(Number("", "reduction", summary.reduction_percent, "percent"))
    return found


def _binding(build: str, binding: BindingMeans | None) -> list[Number]:
    if binding is None:
        return []
    return [
        Number(build, "first", binding.first_ms, "ms"),
        Number(build, "rebind_mean", binding.rebind_mean_ms, "ms"),
    ]


def _gates(conclusion: Conclusion) -> Iterator[ReportRow]:
    if (null := conclusion.null) is not None:
        text = null.finds or "base against base makes no difference"
        status: Status = "error" if null.finds else "pass"
        yield ReportRow("gates", "null", status, f"{text} (run {null.run_id})")
    for number, gate in enumerate(conclusion.gates, 1):
        value = () if gate.value is None else (Number("", "value", gate.value, ""),)
        text = f"{gate.rule}: {gate.reason}"
        status = "pass" if gate.ok else "fail"
        yield ReportRow("gates", f"gate-{number}", status, text, numbers=value)
