# SPDX-License-Identifier: GPL-2.0-only
"""Workloads: what is known of what is measured, and of nothing else. Pure.

Each has a folder here; the other rooms see the interface (workload.py) only.
"""

from harness.errors import InputError
from harness.record.record import ZONE_DEVICE
from harness.workloads.workload import Workload
from harness.workloads.zone_device import ZoneDevice

_WORKLOADS: dict[str, Workload] = {found.name: found for found in (ZoneDevice(),)}
#: What series.yaml means, and an older record, that name none.
DEFAULT = ZONE_DEVICE
NAMES = tuple(_WORKLOADS)


def find(name: str) -> Workload:
    """Return the workload of that name. Raises InputError if there is none."""
    if name not in _WORKLOADS:
        raise InputError(f"no workload {name!r}", expected=f"one of {', '.join(NAMES)}")
    return _WORKLOADS[name]
