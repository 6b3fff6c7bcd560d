# SPDX-License-Identifier: GPL-2.0-only
"""The table of faults: how each is provoked, and the result that is expected.

The modules of this folder add the rows; `test_faults.py` runs them and docs/faults.md lists them
(`python -m tests.faults.listing` writes it).
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from tests.faults.scene import Ended, Scene

Provocation = Callable[[Scene], Ended]


class Fault(NamedTuple):
    """A row. `says` is a pattern for one line of the output.

    `record` is the outcome of the newest run record and a part of its reason, such as
    `panicked: not syncing`; `none` if there must be no record; empty if it does not matter.
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
STAGES = ("fetch", "apply", "build", "boot", "server", "record", "anywhere")


def fault(
    name: str, done: str, code: int, says: str, record: str = "", *, quick: bool = False
) -> Callable[[Provocation], Provocation]:
    """Add a row: the decorated function provokes the fault and returns the result."""
    stage = name.partition("-")[0]
    assert stage in STAGES, name
    assert name not in FAULTS, name
    re.compile(says)

    def add(provoke: Provocation) -> Provocation:
        FAULTS[name] = Fault(name, stage, done, code, says, record, quick, provoke)
        return provoke

    return add
