# SPDX-License-Identifier: GPL-2.0-only
"""Everything there is to say of one run, worked out once: what every report is made from."""

from collections.abc import Sequence

import msgspec

from harness.analysis.judge import Verdict, judge
from harness.analysis.replayed import Filling, Row, fillings, rows
from harness.model.claim import Claim
from harness.model.record import RunRecord


class Conclusion(msgspec.Struct, frozen=True):
    """A run and what follows from it.

    `verdicts` has one entry a driver, and is empty for a replay; `rows` and `fillings` are a
    replay's, and empty otherwise.
    """

    record: RunRecord
    verdicts: tuple[Verdict, ...] = ()
    rows: tuple[Row, ...] = ()
    fillings: tuple[Filling, ...] = ()


def conclude(record: RunRecord, claims: Sequence[Claim]) -> Conclusion:
    """Return the conclusion from a record and the claims of its series."""
    if record.evidence == "replay":
        return Conclusion(record, rows=rows(record), fillings=fillings(record))
    return Conclusion(record, verdicts=judge(record, claims))
