# SPDX-License-Identifier: GPL-2.0-only
"""What `harness doctor` finds."""

from typing import Literal

import msgspec


class Diagnosis(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One check of the machine. `missing`: the plan cannot run; `hint`: what to do about it."""

    name: str
    status: Literal["ok", "warning", "missing"]
    text: str
    hint: str = ""
