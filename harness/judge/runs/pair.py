# SPDX-License-Identifier: GPL-2.0-only
"""Base and one build of a per-patch run, as the run of two that it contains. Pure."""

from collections.abc import Sequence

import msgspec

from harness.memmap.compare import Verified
from harness.record.record import BootRun, Build, Outcome


def beside_base(record: BootRun, build: Build, memmaps: Sequence[Verified]) -> BootRun:
    """Return the part of a run that is about base and one build; `memmaps` are the run's.

    The part is complete if all its boots are and left equal memmaps, regardless of other builds.
    """
    base = record.builds[0]
    names = (base.name, build.name)
    boots = tuple(boot for boot in record.boots if boot.build in names)
    part = msgspec.structs.replace(record, builds=(base, build), boots=boots, unbuilt=())
    outcome, reason = _of_part(part, [v for v in memmaps if v.build in names])
    return msgspec.structs.replace(part, outcome=outcome, reason=reason)


def _of_part(part: BootRun, memmaps: Sequence[Verified]) -> tuple[Outcome, str]:
    for boot in part.boots:
        if boot.outcome != "complete":
            return boot.outcome, f"boot {boot.number} of {boot.build}: {boot.reason}"
    if len(part.boots) < 2 * part.setup.boots:
        # Another build may have ended the run; this part is incomplete all the same.
        outcome: Outcome = "lost" if part.outcome == "complete" else part.outcome
        return outcome, part.reason or "boots are missing"
    for left in memmaps:
        if not left.ok:
            why = left.problem or "are not as base's"
            return "failed", f"struct pages of {left.metric}, boot {left.number}: {why}"
    return "complete", ""
