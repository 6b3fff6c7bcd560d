# SPDX-License-Identifier: GPL-2.0-only
"""Runs of base against itself: whether noise alone makes a difference on this machine. Pure."""

from collections.abc import Sequence

import msgspec

from harness.judge.ratios.ratios import Effect, effects
from harness.judge.runs.run_diff import differing
from harness.judge.tabulate import tabulate
from harness.record.record import RunRecord


class NullSeen(msgspec.Struct, frozen=True):
    """The newest null run that is comparable with a run.

    `finds` is a sentence about the differences, empty if there are none; `kinds` are the drivers or
    page orders that differ.
    """

    run_id: str
    finds: str
    kinds: tuple[str, ...] = ()


def newest(record: RunRecord, nulls: Sequence[RunRecord]) -> NullSeen | None:
    """Return the newest null run that is comparable with a run and has the same base kernel.

    Runs that are incomplete or too short are skipped.
    """
    for run in sorted(nulls, key=lambda null: null.started, reverse=True):
        usable = run.is_null and run.outcome == "complete" and run.run_id != record.run_id
        if usable and _same_base(record, run) and not differing(record, run):
            seen = read(run)
            if seen is not None:
                return seen
    return None


def read(run: RunRecord) -> NullSeen | None:
    """Return what a null run finds; None if it is too short for an interval of every kind."""
    found = [
        e for e in effects(tabulate(run)) if e.op == "rebind" and e.cost_unit != "instructions"
    ]
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
