# SPDX-License-Identifier: GPL-2.0-only
"""Base against base: whether this machine's noise alone looks like a difference."""

from collections.abc import Sequence

import msgspec

from harness.judge.ratios import Effect, effects
from harness.judge.runs.run_diff import differing
from harness.judge.tabulate import tabulate
from harness.record.record import RunRecord


class NullSeen(msgspec.Struct, frozen=True):
    """The newest null run that the run may be held to: where it is, and what it "finds".

    `finds` is empty where noise alone makes no difference, else a sentence that names it; `kinds`
    are the drivers or kinds of pass in which it does.
    """

    run_id: str
    finds: str
    kinds: tuple[str, ...] = ()


def newest(record: RunRecord, nulls: Sequence[RunRecord]) -> NullSeen | None:
    """Return what the newest null run says that pins all this run does, base's kernel included.

    One that is not complete, or too short to find anything, says nothing either way.
    """
    for run in sorted(nulls, key=lambda null: null.started, reverse=True):
        usable = run.is_null and run.outcome == "complete" and run.run_id != record.run_id
        if usable and _same_base(record, run) and not differing(record, run):
            seen = read(run)
            if seen is not None:
                return seen
    return None


def read(run: RunRecord) -> NullSeen | None:
    """Return what a null run finds; None where it is too short for an interval of every kind."""
    found = [e for e in effects(tabulate(run)) if e.op == "rebind" and e.metric == "ns"]
    if not found or any(e.low is None for e in found):
        return None
    differ = [e for e in found if e.differs]
    return NullSeen(run.run_id, "; ".join(map(_sentence, differ)), tuple(e.kind for e in differ))


def _sentence(effect: Effect) -> str:
    return (
        f"{effect.kind}: the ratio of base to itself is {effect.ratio:.3f} "
        f"(95 %: {effect.low:.3f} to {effect.high:.3f})"
    )


def _same_base(record: RunRecord, null: RunRecord) -> bool:
    ours, theirs = record.builds[0], null.builds[0]
    return (ours.commit, ours.build_id) == (theirs.commit, theirs.build_id)
