# SPDX-License-Identifier: GPL-2.0-only
"""What plan and guest ask of a boot, as workloads take it. Pure."""

from collections.abc import Iterable

from harness.project.guest import Guest
from harness.project.plan import Plan
from harness.workloads.workload import Asked


def asked(
    guest: Guest, plan: Plan, ranges: Iterable[int] | None = None, *, probed: bool = False
) -> Asked:
    """Return what a boot is asked to do.

    `ranges` are sizes in bytes of persistent ranges of RAM, those of the guest by default. With
    `probed` the boot compares clocks.
    """
    carved = (size for _, size in guest.carved)
    return Asked(
        guest=guest.name,
        namespaces=guest.namespaces,
        place=guest.place,
        rebinds=plan.rebinds,
        ranges=tuple(carved if ranges is None else ranges),
        test_hmm=guest.test_hmm is True,
        traced=plan.page_ref is True,
        probed=probed,
    )
