# SPDX-License-Identifier: GPL-2.0-only
"""A ladder's base and one of its builds, as the run of two that it contains."""

import msgspec

from harness.memmap.compare import by_digest
from harness.record.record import BootRun, Build, Outcome


def beside_base(record: BootRun, build: Build) -> BootRun:
    """Return the part of a ladder that is about base and one build.

    It is complete if all its boots are and left equal memmaps, whatever other sides did.
    """
    base = record.builds[0]
    boots = tuple(boot for boot in record.boots if boot.build in (base.name, build.name))
    part = msgspec.structs.replace(record, builds=(base, build), boots=boots, unbuilt=())
    outcome, reason = _of_part(part)
    return msgspec.structs.replace(part, outcome=outcome, reason=reason)


def _of_part(part: BootRun) -> tuple[Outcome, str]:
    for boot in part.boots:
        if boot.outcome != "complete":
            return boot.outcome, f"boot {boot.number} of {boot.build}: {boot.reason}"
    if len(part.boots) < 2 * part.setup.boots:
        # Another side may have ended the run; whoever did, this part is not whole.
        outcome: Outcome = "lost" if part.outcome == "complete" else part.outcome
        return outcome, part.reason or "boots are missing"
    for left in by_digest(part):
        if not left.ok:
            why = left.problem or "are not as base's"
            return "failed", f"struct pages of {left.driver}, boot {left.number}: {why}"
    return "complete", ""
