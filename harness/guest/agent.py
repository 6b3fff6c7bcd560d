# SPDX-License-Identifier: GPL-2.0-only
"""Assembles the shell scripts that rebind drivers from the parts in guests/agent/.

The guest's agent and the procedure for other machines share the parts that report and rebind.
"""

from pathlib import Path

from harness.project.guest import Guest
from harness.project.plan import Plan

_SHARED = ("report", "bindings")
_LICENSE = "# SPDX-License-Identifier: GPL-2.0-only\n"


def agent(folder: Path) -> str:
    """Return the script that runs in guests; `folder` holds the parts."""
    return script(folder, "guest")


def procedure(folder: Path, plan: Plan, guest: Guest) -> str:
    """Return the script for a machine that runs the kernel to be measured.

    It rebinds as often as the plan says, and shows how to make namespaces like the guest's.
    """
    wanted = "\n".join(f"{n.mode} {n.map} {n.align} {n.size}" for n in guest.namespaces)
    settings = f"# Made for plan {plan.name} and namespaces like those of guest {guest.name}.\n\n"
    return script(folder, "procedure", f"{settings}rebinds={plan.rebinds}\nwanted='{wanted}'\n")


def script(folder: Path, main: str, settings: str = "") -> str:
    """Return the shared parts and `main` as one script that needs no other file."""
    parts = [(folder / f"{name}.sh").read_text() for name in (*_SHARED, main)]
    bodies = [part.removeprefix(_LICENSE).removeprefix("#\n") for part in parts]
    return "\n".join(["#!/bin/sh\n" + _LICENSE + "#\n" + settings, *bodies])
