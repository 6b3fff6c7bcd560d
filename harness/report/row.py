# SPDX-License-Identifier: GPL-2.0-only
"""One result as KTAP, JUnit, KCIDB and b4 know it: a name, a status, a sentence and numbers."""

from collections.abc import Iterable
from typing import Literal

import msgspec

#: fail: the series is at fault. error: the test broke, or cannot decide. miss: the harness broke.
#: skip: not applicable here. done: measured, decides nothing. doubt: the same, and not as claimed.
#: Only fail and pass judge the series.
Status = Literal["pass", "fail", "error", "miss", "skip", "done", "doubt"]

_GRAVEST: tuple[Status, ...] = ("fail", "error", "miss", "doubt", "skip", "done", "pass")


#: The origin of a number that was not measured.
CLAIMED = "claimed"


class Number(msgspec.Struct, frozen=True):
    """A value of one build (`build` is "" for a comparison of two), measured or claimed.

    `origin` is the evidence that it was measured with, or `claimed`.
    """

    build: str
    name: str
    value: float
    unit: str
    origin: str = ""

    @property
    def measured(self) -> bool:
        """Whether this was measured, not claimed."""
        return self.origin != CLAIMED


class ReportRow(msgspec.Struct, frozen=True):
    """One result: `text` gives the reason for its status in a sentence.

    `build` is "" for a result about both builds; `log` holds console or compiler output. `evidence`
    is that of the run which has the build.
    """

    group: str
    name: str
    status: Status
    text: str
    build: str = ""
    log: str = ""
    numbers: tuple[Number, ...] = ()
    duration_s: float = 0.0
    evidence: str = ""


def worst(rows: Iterable[ReportRow]) -> Status:
    """Return the gravest status of the rows."""
    return min((row.status for row in rows), key=_GRAVEST.index)
