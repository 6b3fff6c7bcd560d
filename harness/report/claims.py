# SPDX-License-Identifier: GPL-2.0-only
"""What a report shows first: a row per claim, and why a claim is not decided. Pure."""

from collections.abc import Iterator
from typing import NamedTuple

from harness.judge.conclude import Conclusion
from harness.judge.conditions.fit import nested, other_cpu
from harness.judge.ratios.ratios import Effect, clock
from harness.judge.verdict import Verdict
from harness.report import phrases, tables
from harness.report.lines import TONE, Line
from harness.report.tables import Table
from harness.workloads import proxies

#: Verdicts whose reason is more than the measured interval.
_REASONED = ("inconclusive", "open", "untested")


class Row(NamedTuple):
    """A claim with its verdict, or a kind that no claim is about, and what was measured of it.

    `effects` has an entry per kind of evidence, None where it did not measure this.
    """

    about: str
    verdict: Verdict | None
    effects: dict[str, Effect | None]


def rows(conclusion: Conclusion) -> list[Row]:
    """Return a row per claim, those about the whole series first, then kinds without a claim.

    Emulated times are not in it.
    """
    kinds = _kinds(conclusion)
    ordered = sorted(conclusion.verdicts, key=lambda v: v.after_patch is not None)
    found = [
        Row(phrases.about(verdict), verdict, {kind: _effect(verdict, kind) for kind in kinds})
        for verdict in ordered
    ]
    return found + [
        Row(f"{effect.kind}, no claim", None, {k: effect if k == kind else None for k in kinds})
        for kind, effect in _unclaimed(conclusion)
    ]


def claims(conclusion: Conclusion) -> Table:
    """Return claimed and measured reduction, by each kind of evidence, and verdict of each row."""
    kinds = _kinds(conclusion)
    brief = len(kinds) > 1
    cells = [
        (
            _brief(row.verdict) if brief and row.verdict else row.about,
            claimed(row),
            *(_cell(effect, brief=brief) for effect in row.effects.values()),
            row.verdict.verdict if row.verdict else "",
        )
        for row in rows(conclusion)
    ]
    gained = phrases.gained(conclusion.record)
    headings = [f"{gained}, %\n({kind})" for kind in kinds]
    if len(kinds) == 1:
        headings = [f"{gained} ({kinds[0]}), 95 %"]
    return Table(("claim", "claimed", *headings, "verdict"), cells, 1)


def claimed(row: Row) -> str:
    """Return the claimed gain, or a dash."""
    return phrases.claimed(row.verdict) if row.verdict else tables.percent(None)


def _kinds(conclusion: Conclusion) -> list[str]:
    """Return the kinds of evidence that measured by a clock, in the order of the runs."""
    return [
        part.record.evidence
        for part in conclusion.parts
        if part.record.evidence != "boot-tcg"
        and any(effect.cost_unit == clock(part.record, effect.kind) for effect in part.effects)
    ]


def _effect(verdict: Verdict, kind: str) -> Effect | None:
    for one in (verdict.boots, verdict.replay, verdict):
        if one is not None and one.evidence == kind:
            return one.effect
    return None


def _unclaimed(conclusion: Conclusion) -> Iterator[tuple[str, Effect]]:
    """Yield what a replay measured of the whole series, for kinds that no claim is about."""
    for part in conclusion.parts:
        record = part.record
        if record.evidence != "replay" or record.is_null:
            continue
        whole = (v for v in part.verdicts if v.build == record.tip.name)
        claimed = {proxies(record).get(verdict.metric) for verdict in whole}
        for effect in part.effects:
            is_tip = (effect.build, effect.op) == (record.tip.name, "rebind")
            if is_tip and effect.cost_unit == "ns" and effect.kind not in claimed:
                yield record.evidence, effect


def _brief(verdict: Verdict) -> str:
    """Return what a claim is about as --claim takes it, like `METRIC@3`, and its set-up."""
    after = "" if verdict.after_patch is None else f"@{verdict.after_patch}"
    return f"{verdict.metric}{after}" + (f" ({verdict.setup})" if verdict.setup else "")


def _cell(effect: Effect | None, *, brief: bool) -> str:
    if effect is None:
        return "-"
    if effect.gain is None:
        return f"{effect.gain_percent:.1f} % (too few)"
    low, high = effect.gain
    if brief:
        return f"{effect.gain_percent:.1f} ({low:.1f}..{high:.1f})"
    return f"{effect.gain_percent:.1f} % ({low:.1f} to {high:.1f})"


def reasons(conclusion: Conclusion) -> Iterator[Line]:
    """Yield why claims are not decided, and what limits those that are: one line per reason."""
    found: dict[tuple[str, str], list[Verdict]] = {}
    for verdict in conclusion.verdicts:
        for reason in _reasons(conclusion, verdict):
            found.setdefault((verdict.verdict, reason), []).append(verdict)
    for (word, reason), verdicts in found.items():
        about = ", ".join(map(phrases.about, verdicts))
        yield Line(about, f"{word}: {reason}", TONE[verdicts[0].verdict])


def _reasons(conclusion: Conclusion, verdict: Verdict) -> Iterator[str]:
    if verdict.boots is not None and verdict.evidence == "replay":
        yield f"by the replay; boots {verdict.boots.verdict}: {verdict.boots.reason}"
        verdict = verdict.replay or verdict
    if verdict.verdict in _REASONED:
        yield verdict.reason
    elif verdict.verdict in ("reproduced", "contradicted") and verdict.claim is not None:
        machine = conclusion.record.machine
        yield from filter(None, (nested(machine), other_cpu(machine, verdict.claim)))
    elif verdict.verdict == "doubted" and verdict.claim is not None:
        yield from filter(None, (other_cpu(conclusion.record.machine, verdict.claim),))
