# SPDX-License-Identifier: GPL-2.0-only
"""A result as test systems know it: a name, a status, a sentence, numbers.

KTAP, JUnit, KCIDB and b4 have this in common; how each writes it down is in its own module.
"""

from collections.abc import Iterable
from typing import Literal

import msgspec

#: fail: the series is at fault. error: the test broke, or cannot decide. miss: the harness broke.
#: skip: not applicable here. done: measured, and nothing concluded. Only fail and pass say anything
#: of the series.
Status = Literal["pass", "fail", "error", "miss", "skip", "done"]

_GRAVEST: tuple[Status, ...] = ("fail", "error", "miss", "skip", "done", "pass")


class Number(msgspec.Struct, frozen=True):
    """A value of one build, or with `build` "" one that compares two; claimed where not
    measured."""

    build: str
    name: str
    value: float
    unit: str
    measured: bool = True


class ReportRow(msgspec.Struct, frozen=True):
    """One result: `group` and `name` place it, `text` says why in a sentence.

    `build` is the build that it is about, "" where it is about both; `log` has further lines.
    """

    group: str
    name: str
    status: Status
    text: str
    build: str = ""
    log: str = ""
    numbers: tuple[Number, ...] = ()
    duration_s: float = 0.0


def worst(found: Iterable[ReportRow]) -> Status:
    """Return the gravest status there is."""
    return min((result.status for result in found), key=_GRAVEST.index)
