# SPDX-License-Identifier: GPL-2.0-only
"""The results of `harness doctor`, and their summary. Pure: values in, text out."""

from collections.abc import Sequence
from typing import Literal

import msgspec


class Diagnosis(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One check of the machine: the plan cannot run if it is `missing`; `hint` is the fix."""

    name: str
    status: Literal["ok", "warning", "missing"]
    text: str
    hint: str = ""


def missing(found: Sequence[Diagnosis]) -> list[str]:
    """Return the names of the checks without which the plan cannot run."""
    return [one.name for one in found if one.status == "missing"]


def summary(plan: str, found: Sequence[Diagnosis]) -> str:
    """Return one line that says whether the plan can run here, and with which restriction."""
    if lacking := missing(found):
        return f"plan {plan} cannot run here: {', '.join(lacking)} missing"
    warned = [one.name for one in found if one.status == "warning"]
    if "accelerator" in warned:
        return f"plan {plan} can run here, but KVM is not known to work: see accelerator"
    return f"plan {plan} can run here" + (f"; warnings: {', '.join(warned)}" if warned else "")
