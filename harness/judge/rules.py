# SPDX-License-Identifier: GPL-2.0-only
"""Rules of the user's own (`--gate`) against a run: what has no number fails."""

from collections.abc import Iterator, Sequence

import msgspec

from harness.errors import InputError
from harness.judge.ratios import COUNTED, Effect
from harness.judge.rule_syntax import EACH, MEMMAP_EQUAL, Rule
from harness.judge.validity import RunEvidence
from harness.memmap.compare import Verified
from harness.record.record import BootRun, RunRecord

_WHERE = "--gate"


class RuleResult(msgspec.Struct, frozen=True):
    """A rule as it was given, whether it held, its figure, and why in a sentence."""

    rule: str
    ok: bool
    value: float | None
    reason: str


def require_decidable(record: RunRecord, rules: Sequence[Rule]) -> None:
    """Raise InputError for a rule that this kind of evidence must never be held to."""
    for rule in rules:
        if record.evidence == "boot-tcg" and rule.metric != MEMMAP_EQUAL:
            raise InputError(
                f"{rule.text}: emulated times (boot-tcg) are no CPU's and gate nothing",
                where=_WHERE,
                expected=f"{MEMMAP_EQUAL}, or a run on KVM, a replay, or counted instructions",
            )


def hold(rules: Sequence[Rule], found: RunEvidence) -> tuple[RuleResult, ...]:
    """Hold a run to every rule. Raises InputError for what it must never be held to."""
    require_decidable(found.table.record, rules)
    return tuple(_hold(rule, found) for rule in rules)


def _hold(rule: Rule, found: RunEvidence) -> RuleResult:
    record = found.table.record
    if record.outcome != "complete":
        return _fails(rule, f"the run is {record.outcome}: {record.reason}")
    if isinstance(record, BootRun) and record.unbuilt:
        return _fails(rule, f"patch {record.unbuilt[0].prefix} does not build")
    if rule.metric == MEMMAP_EQUAL:
        return _memmaps(rule, found.memmaps)
    builds = [build.name for build in record.builds[1:]]
    wanted = builds if rule.build == EACH else [rule.build or builds[-1]]
    if not set(wanted) <= set(builds):
        return _fails(rule, f"no build {rule.build!r}; the run has {', '.join(builds)}")
    values: dict[str, float] = {}
    for build in wanted:
        effect = _effect(rule, build, found.effects)
        if effect is None:
            return _fails(rule, _nothing(rule, build, found))
        value, why = _value(rule, effect, record), _undecided(effect, found)
        if value is None or why:
            return _fails(rule, why or f"{rule.kind}: the run does not say how many pages")
        values[build] = value
    return _judged(rule, values)


def _judged(rule: Rule, values: dict[str, float]) -> RuleResult:
    """The value that is told is the one nearest to failing, or furthest beyond it."""
    worst = max if rule.relation in ("<", "<=") else min
    build = worst(values, key=values.__getitem__)
    ok = all(rule.holds(value) for value in values.values())
    told = f"{rule.metric} of {build} is {values[build]:.4g}"
    verb = "holds" if ok else "fails"
    return RuleResult(
        rule.text, ok, values[build], f"{told}: {rule.relation} {rule.bound:g} {verb}"
    )


def _fails(rule: Rule, reason: str) -> RuleResult:
    return RuleResult(rule.text, ok=False, value=None, reason=reason)


def _memmaps(rule: Rule, memmaps: Sequence[Verified]) -> RuleResult:
    if not memmaps:
        return _fails(rule, "no memmap was compared")
    for v in memmaps:
        if not v.ok:
            return _fails(rule, f"{v.driver} of {v.build}: {v.problem or 'pages differ'}")
    return RuleResult(rule.text, ok=True, value=None, reason=f"{len(memmaps)} compared, all equal")


def _effect(rule: Rule, build: str, effects: Sequence[Effect]) -> Effect | None:
    """The effect that a rule is about. By an instruction-counting clock every ratio is of those."""
    for effect in effects:
        if (effect.kind, effect.op, effect.build) != (rule.kind, rule.op, build):
            continue
        counts = rule.metric.startswith("instructions")
        if counts == (effect.metric == "instructions") or _by_the_clock(rule, effect):
            return effect
    return None


def _by_the_clock(rule: Rule, effect: Effect) -> bool:
    """A boot counts instructions by its clock alone, and then its ratios are theirs."""
    ratio = rule.metric in ("ratio", "ratio_low", "ratio_high")
    return ratio and effect.metric == "instructions" and effect.unit == "boot"


def _value(rule: Rule, effect: Effect, record: RunRecord) -> float | None:
    pages = record.setup.nr_pages.get(effect.kind, 0)
    values = {
        "ratio": effect.ratio,
        "ratio_low": effect.low,
        "ratio_high": effect.high,
        "ms": effect.build_cost / 1e6,
        "ns_per_page": effect.build_cost / pages if pages else None,
        "instructions": effect.build_cost,
        "instructions_ratio": effect.ratio,
    }
    return values[rule.metric]


def _nothing(rule: Rule, build: str, found: RunEvidence) -> str:
    """Say what there is instead of the number that a rule asks for."""
    there = dict.fromkeys(_names(found.effects))
    wanted = f"{rule.kind}.{rule.op}.{rule.metric} of {build}"
    return f"{wanted} has no number; the run has {', '.join(there) or 'none'}"


def _names(effects: Sequence[Effect]) -> Iterator[str]:
    for e in effects:
        yield f"{e.kind}.{e.op}" + (".instructions" if e.metric == "instructions" else "")


def _undecided(effect: Effect, found: RunEvidence) -> str:
    """Say why nothing may be held to an effect, in words; empty where it may."""
    if effect.method == COUNTED:
        return ""
    if effect.low is None:
        return f"{effect.kind} of {effect.build}: {effect.method}"
    return found.spoiled(effect.kind, effect.build)
