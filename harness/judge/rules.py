# SPDX-License-Identifier: GPL-2.0-only
"""Evaluates the user's rules (`--gate`) on a run; a rule without a measured value fails. Pure."""

from collections.abc import Iterator, Sequence

import msgspec

from harness.errors import InputError
from harness.judge.conditions.validity import RunEvidence
from harness.judge.ratios.ratios import COUNTED, Effect
from harness.judge.rule_syntax import EACH, MEMMAP_EQUAL, Rule
from harness.memmap.compare import Verified
from harness.record.record import BootRun, ReplayRun, RunRecord

_WHERE = "--gate"


class RuleResult(msgspec.Struct, frozen=True):
    """A rule as given, whether it holds, its value, and the reason in a sentence."""

    rule: str
    ok: bool
    value: float | None
    reason: str


def require_decidable(record: RunRecord, rules: Sequence[Rule]) -> None:
    """Raise InputError for a rule that this kind of evidence cannot decide."""
    for rule in rules:
        if record.evidence == "boot-tcg" and rule.metric != MEMMAP_EQUAL:
            raise InputError(
                f"{rule.text}: emulated times (boot-tcg) are not a CPU's and decide no rule",
                where=_WHERE,
                expected=f"{MEMMAP_EQUAL}, or a run on KVM, a replay, or counted instructions",
            )


def hold(rules: Sequence[Rule], found: RunEvidence) -> tuple[RuleResult, ...]:
    """Return the result of every rule. Raises InputError for one that cannot be decided."""
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
    wanted = builds if rule.build == EACH else [rule.build or record.tip.name]
    if not set(wanted) <= set(builds):
        return _fails(rule, f"no build {rule.build!r}; the run has {', '.join(builds)}")
    if rule.op == "traffic":
        return _traffic(rule, wanted, record)
    values: dict[str, float] = {}
    for build in wanted:
        effect = _effect(rule, build, found.effects)
        if effect is None:
            return _fails(rule, _not_measured(rule, build, found))
        value, why = _value(rule, effect, record), _undecided(effect, found)
        if value is None or why:
            return _fails(rule, why or f"{rule.kind}: the run does not record the number of pages")
        values[build] = value
    return _judged(rule, values)


def _traffic(rule: Rule, builds: Sequence[str], record: RunRecord) -> RuleResult:
    counted = record.traffic if isinstance(record, ReplayRun) else ()
    found = {t.build: getattr(t.lines, rule.metric) for t in counted if t.kind == rule.kind}
    for build in builds:
        if build not in found:
            text = f"the traffic of {rule.kind} of {build} was not counted; see `harness replay"
            return _fails(rule, f"{text} count`")
    return _judged(rule, {build: found[build] for build in builds})


def _judged(rule: Rule, values: dict[str, float]) -> RuleResult:
    """Return the result with the value that is nearest to failing, or furthest beyond the bound."""
    sign = {"<": 1, "<=": 1, ">": -1, ">=": -1}.get(rule.relation)

    def excess(build: str) -> float:
        beyond = values[build] - rule.bound
        return abs(beyond) if sign is None else sign * beyond

    build = max(values, key=excess)
    ok = all(rule.holds(value) for value in values.values())
    unit = " lines per page" if rule.op == "traffic" else ""
    text = f"{rule.metric} of {build} is {values[build]:.4g}{unit}"
    verb = "holds" if ok else "fails"
    return RuleResult(
        rule.text, ok, values[build], f"{text}: {rule.relation} {rule.bound:g} {verb}"
    )


def _fails(rule: Rule, reason: str) -> RuleResult:
    return RuleResult(rule.text, ok=False, value=None, reason=reason)


def _memmaps(rule: Rule, memmaps: Sequence[Verified]) -> RuleResult:
    if not memmaps:
        return _fails(rule, "no struct pages were compared")
    for v in memmaps:
        if not v.ok:
            return _fails(rule, f"{v.metric} of {v.build}: {v.problem or 'pages differ'}")
    return RuleResult(rule.text, ok=True, value=None, reason=f"{len(memmaps)} compared, all equal")


def _effect(rule: Rule, build: str, effects: Sequence[Effect]) -> Effect | None:
    """Return the effect that a rule is about."""
    for effect in effects:
        if (effect.kind, effect.op, effect.build) != (rule.kind, rule.op, build):
            continue
        if effect.cost_unit != "ns" and rule.metric in ("ms", "ns_per_page"):
            continue
        counts = rule.metric.startswith("instructions")
        if counts == (effect.cost_unit == "instructions") or _by_the_clock(rule, effect):
            return effect
    return None


def _by_the_clock(rule: Rule, effect: Effect) -> bool:
    """Whether a rule about a ratio is about instructions, as the guest's clock counts those."""
    ratio = rule.metric in ("ratio", "ratio_low", "ratio_high")
    return ratio and effect.cost_unit == "instructions" and effect.unit == "boot"


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


def _not_measured(rule: Rule, build: str, found: RunEvidence) -> str:
    """Return the reason why a rule fails that is about something not measured."""
    measured = dict.fromkeys(_names(found.effects))
    wanted = f"{rule.kind}.{rule.op}.{rule.metric} of {build}"
    return f"{wanted} was not measured; the run has {', '.join(measured) or 'none'}"


def _names(effects: Sequence[Effect]) -> Iterator[str]:
    for e in effects:
        yield f"{e.kind}.{e.op}" + (".instructions" if e.cost_unit == "instructions" else "")


def _undecided(effect: Effect, found: RunEvidence) -> str:
    """Return why an effect decides nothing; empty if it may."""
    if effect.method == COUNTED:
        return ""
    if effect.low is None:
        return f"{effect.kind} of {effect.build}: {effect.method}"
    return found.spoiled(effect.kind, effect.build)
