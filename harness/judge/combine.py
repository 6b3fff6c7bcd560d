# SPDX-License-Identifier: GPL-2.0-only
"""Combines the verdicts of boots with those of the replay beside them, one per claim. Pure.

Boots decide if they can. If they leave a claim untested, its verdict is the replay's.
"""

from collections.abc import Iterator, Sequence

import msgspec

from harness.judge.conditions.fit import unfit
from harness.judge.ratios.ratios import Effect
from harness.judge.verdict import Verdict
from harness.record.record import Evidence, Machine

#: Why boots of this kind left a claim untested, in brief.
_UNTIMED: dict[Evidence, str] = {
    "boot-tcg": "emulated, not timed",
    "boot-icount": "instructions counted, not timed",
}


def combine(
    boots: Sequence[Verdict], replay: Sequence[Verdict], machine: Machine
) -> tuple[Verdict, ...]:
    """Return a verdict per claim: those on claims that boots are about, then the replay's own."""
    return tuple(_combined(boots, replay, machine))


def _combined(
    boots: Sequence[Verdict], replay: Sequence[Verdict], machine: Machine
) -> Iterator[Verdict]:
    left = list(replay)
    for ours in boots:
        theirs = next((v for v in left if v.claim == ours.claim), None)
        if theirs is None:
            yield ours
            continue
        left.remove(theirs)
        yield _of_both(ours, theirs, machine)
    yield from left


def _of_both(boots: Verdict, replay: Verdict, machine: Machine) -> Verdict:
    both = msgspec.structs.replace(boots, boots=boots, replay=replay)
    if boots.verdict != "untested" or replay.verdict == "untested":
        shown = ", ".join(filter(None, (replay.verdict, _interval(replay.effect))))
        reason = f"{boots.reason}; replay: {shown}"
        disagrees = "" if unfit(machine) else _disagreement(boots, replay)
        return msgspec.structs.replace(both, reason=reason, disagrees=disagrees)
    why = _UNTIMED.get(boots.evidence, boots.reason)
    return msgspec.structs.replace(
        both,
        verdict=replay.verdict,
        evidence=replay.evidence,
        effect=replay.effect,
        reason=f"{replay.reason}, by the kernel's own function in user space; boots: {why}",
    )


def _disagreement(boots: Verdict, replay: Verdict) -> str:
    """Return both intervals, in words, if timed boots and the replay do not overlap; else ""."""
    if boots.evidence != "boot-kvm" or boots.effect is None or replay.effect is None:
        return ""
    ours, theirs = boots.effect.gain, replay.effect.gain
    if ours is None or theirs is None or ours.overlaps(theirs):
        return ""
    return f"boots show {_interval(boots.effect)}, the replay {_interval(replay.effect)}"


def _interval(effect: Effect | None) -> str:
    if effect is None or effect.gain is None:
        return ""
    return f"a reduction of {effect.gain.low:.1f} % to {effect.gain.high:.1f} %"
