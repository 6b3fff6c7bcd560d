# SPDX-License-Identifier: GPL-2.0-only
"""The results of `harness doctor`, and their summary. Pure: values in, text out."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from harness.judge.conditions.fit import nested, other_cpu, unfit
from harness.project.claim import Claim
from harness.record.record import Machine


class Diagnosis(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One check of the machine: the plan cannot run if it is `missing`; `hint` is the fix."""

    name: str
    status: Literal["ok", "warning", "missing"]
    text: str
    hint: str = ""


class Decision(msgspec.Struct, frozen=True):
    """Whether this machine can decide the claim that a plan is about, and why, in words."""

    decides: bool
    because: str

    def __str__(self) -> str:
        word = "yes" if self.decides else "no"
        return f"this machine can decide the claim: {word}, because {self.because}"


def decision(
    found: Sequence[Diagnosis], machine: Machine, guest: str, claims: Sequence[Claim]
) -> Decision:
    """Return whether a run on this guest could decide one of the claims here.

    The accelerator of `machine` is kvm only if KVM was proved.
    """
    if lacking := missing(found):
        return Decision(decides=False, because=f"the plan cannot run: {', '.join(lacking)} missing")
    if machine.accelerator != "kvm":
        text = next((one.text for one in found if one.name == "accelerator"), "")
        return Decision(
            decides=False, because=text.removeprefix("TCG; ") or "KVM is not known to work"
        )
    if why := unfit(machine):
        return Decision(decides=False, because=why)
    about = [claim for claim in claims if claim.guest == guest]
    if not about:
        named = ", ".join(sorted({claim.guest for claim in claims if claim.guest})) or "no guest"
        return Decision(
            decides=False, because=f"the plan's guest is {guest}; the claims are about {named}"
        )
    others = [why for claim in about if (why := other_cpu(machine, claim))]
    parts = ["KVM works"]
    parts += [nested(machine)] if nested(machine) else []
    if others:
        parts.append(f"but it can only reproduce it, not contradict it: {others[0]}")
    return Decision(decides=True, because="; ".join(parts))


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
