# SPDX-License-Identifier: GPL-2.0-only
"""The table of faults: each with what is done, and what must come of it.

The rows stand beside what provokes them, in the modules of this folder; `test_faults.py` runs them
and `docs/faults.md` lists them (`python -m tests.faults.listing` writes it).
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from tests.faults.scene import Ended, Scene

Provocation = Callable[[Scene], Ended]


class Fault(NamedTuple):
    """One row. `says` is a pattern for what the tool prints about it, one line of it.

    `record` is what the newest run record must be: its outcome and a pattern for the reason, like
    `panicked: not syncing`, or `none`; empty where records are no part of the fault.
    """

    name: str
    stage: str
    done: str
    exit_code: int
    says: str
    record: str
    quick: bool
    provoke: Provocation


FAULTS: dict[str, Fault] = {}
STAGES = ("fetch", "apply", "build", "boot", "record", "anywhere")


def fault(
    name: str, done: str, code: int, says: str, record: str = "", *, quick: bool = False
) -> Callable[[Provocation], Provocation]:
    """Add a row: the decorated function does the damage and returns what came of it."""
    stage = name.partition("-")[0]
    assert stage in STAGES, name
    assert name not in FAULTS, name
    re.compile(says)

    def add(provoke: Provocation) -> Provocation:
        FAULTS[name] = Fault(name, stage, done, code, says, record, quick, provoke)
        return provoke

    return add
