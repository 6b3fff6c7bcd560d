# SPDX-License-Identifier: GPL-2.0-only
"""The progress of a boot: a figure at a time, in its own unit."""

from types import SimpleNamespace
from typing import Any

from harness import workloads
from harness.events import Advanced, Event
from harness.measure.one_boot import _Progress
from harness.workloads.boot_message import BootMessage
from harness.workloads.boot_message.message import Message
from harness.workloads.workload import Expected, Workload

REPORT = "memmap_init_zone_device initialised 512 pages in {}ms"


class Calls:
    """Takes any call, and has the names of those that it took."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *_: self.seen.append(name)


def heard(
    workload: Workload, expected: dict[str, Expected], *lines: str
) -> tuple[list[str], list[str]]:
    """Return what was reported of these lines, and what was done meanwhile."""
    events: list[Event] = []
    calls = Calls()
    conditions: Any = SimpleNamespace(expected=expected, workload=workload)
    progress = _Progress(conditions, calls, calls, events.append)  # type: ignore[arg-type]
    for line in lines:
        progress.hear(line)
    found = [e for e in events if isinstance(e, Advanced)]
    return [f"{e.done}/{e.total} {e.text}" for e in found], calls.seen


def test_each_binding_is_reported_and_the_last_marker_ends_the_measurement() -> None:
    lines = ["Linux version 7", REPORT.format(3), "memmap-harness: <started>"]
    for index in (0, 1):
        lines += [f"memmap-harness: <begin nd_pmem {index}>", REPORT.format(50 + index)]
        lines += [f"memmap-harness: <end nd_pmem {index}>"]
    zone_device = workloads.find("zone_device")
    found, done = heard(zone_device, {"nd_pmem": Expected(2)}, *lines)
    assert found == ["1/2 nd_pmem first binding: 50 ms", "2/2 nd_pmem rebind 1: 51 ms"]
    assert done == ["forget_names", "begin", "end"]
    _, unfinished = heard(zone_device, {"nd_pmem": Expected(3)}, *lines)
    assert "end" not in unfinished


def test_figures_that_name_their_metric_have_its_unit() -> None:
    messages = {
        "took": Message(r"took (?P<value>[\d.]+)us", "us"),
        "pages": Message(r"(?P<value>\d+) pages", "count", "higher"),
    }
    expected = {name: Expected(1, lowest=1) for name in messages}
    lines = ("Linux version 7", "it took 1500.5us", "7 pages")
    found, done = heard(BootMessage(messages), expected, *lines)
    assert found == ["1/2 took: 1.5005 ms", "2/2 pages: 7"]
    assert done == ["forget_names", "begin", "end"]


def test_a_boot_that_binds_nothing_reports_nothing() -> None:
    lines = ("Linux version 7", REPORT.format(3))
    assert heard(workloads.find("zone_device"), {}, *lines) == ([], ["forget_names", "begin"])
