# SPDX-License-Identifier: GPL-2.0-only
"""Whether the host of a run is fit to decide a claim, from what its record says. Pure."""

from harness.project.claim import Claim
from harness.record.record import Machine, RunRecord

EMULATED = "the host's CPU is itself emulated (TCG): its times are no CPU's"


def unfit(machine: Machine) -> str:
    """Return why nothing measured on this host decides a claim; empty if it may."""
    return EMULATED if machine.hypervisor == "tcg" else ""


def virtual_server(record: RunRecord) -> str:
    """Return a sentence if the server of a run was a virtual machine; empty otherwise."""
    if record.evidence != "metal" or record.machine.hypervisor == "none":
        return ""
    return f"the server is itself a virtual machine ({record.machine.hypervisor or 'unknown'})"


def nested(machine: Machine) -> str:
    """Return that KVM was nested, in words; empty if it was not or if that is not known."""
    if machine.accelerator != "kvm" or machine.hypervisor in ("", "none", "tcg"):
        return ""
    return f"nested KVM: the host is a virtual machine ({machine.hypervisor})"


def other_cpu(machine: Machine, claim: Claim) -> str:
    """Return that the CPU is not of the claim's kind, in words; empty if it is, or none is named.

    Machines of older records have no kind: nothing on them contradicts a claim about one.
    """
    if not claim.cpu or machine.cpu_id == claim.cpu:
        return ""
    here = machine.cpu_id or "unknown"
    return f"on another CPU than claimed ({machine.cpu}, {here}; the claim's: {claim.cpu})"
