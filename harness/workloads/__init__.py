# SPDX-License-Identifier: GPL-2.0-only
"""Workloads: what is known of what is measured, and of nothing else. Pure.

Each has a folder here; the other rooms see the interface (workload.py) only.
"""

from collections.abc import Mapping

from harness.errors import InputError
from harness.record.record import ZONE_DEVICE, Run
from harness.workloads.boot_message import BootMessage
from harness.workloads.boot_message.message import Message
from harness.workloads.report_words import ReportWords
from harness.workloads.workload import Workload
from harness.workloads.zone_device import ZoneDevice

_WORKLOADS: dict[str, Workload] = {found.name: found for found in (ZoneDevice(), BootMessage({}))}
#: What series.yaml means, and an older record, that name none.
DEFAULT = ZONE_DEVICE
NAMES = tuple(_WORKLOADS)


def find(name: str) -> Workload:
    """Return the workload of that name. Raises InputError if there is none."""
    if name not in _WORKLOADS:
        raise InputError(f"no workload {name!r}", expected=f"one of {', '.join(NAMES)}")
    return _WORKLOADS[name]


def of(name: str, messages: Mapping[str, Message]) -> Workload:
    """Return the workload of a series, which may have messages. Raises InputError."""
    return BootMessage(messages) if name == BootMessage.name else find(name)


def proxies(record: Run) -> Mapping[str, str]:
    """Return the kind of replayed call that is a proxy for a metric of a run, by metric.

    A run of a workload that this harness does not have is reported without its words and proxies.
    """
    found = _WORKLOADS.get(record.subject.workload)
    return found.proxies if found else {}


def replayed_kinds(record: Run) -> tuple[str, ...]:
    """Return the kinds of the replay of a run's workload."""
    found = _WORKLOADS.get(record.subject.workload)
    return found.replay.kinds if found and found.replay else ()


def words(record: Run) -> ReportWords:
    """Return what reports of a run call what it measured."""
    found = _WORKLOADS.get(record.subject.workload)
    return found.report_words if found else ReportWords()


def metrics() -> tuple[str, ...]:
    """Return the metrics of all workloads that have the same ones in each series."""
    return tuple(metric for name in NAMES for metric in find(name).metrics)


def kinds() -> tuple[str, ...]:
    """Return the kinds of the replays of all workloads."""
    replays = [found for name in NAMES if (found := find(name).replay)]
    return tuple(kind for replay in replays for kind in replay.kinds)
