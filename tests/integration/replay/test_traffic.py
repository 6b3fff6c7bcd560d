# SPDX-License-Identifier: GPL-2.0-only
"""Objects that store each struct page in one way have the traffic of that way."""

import shutil

import pytest

from harness.record.record import Lines
from harness.replay.runner.runner import Runner
from harness.replay.trace import traffic
from harness.workloads.zone_device.replay import REPLAY
from tests.integration.replay.conftest import Maker

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")


@pytest.mark.parametrize(
    ("way", "counts"),
    {
        "ORDINARY": (0, 0, 1, 0, 0),
        "ONE_BYTE": (0, 0, 1, 0, 0),
        "WHOLE": (1, 0, 0, 0, 0),
        "UNDRAINED": (1, 0, 0, 0, 0),
        "NT_16": (1, 0, 0, 0, 0),
        "NT_4": (1, 0, 0, 0, 0),
        "PARTIAL": (0, 1, 0, 0, 0),
        "SPLIT": (0, 1, 0, 1, 0),
        "THEN_ORDINARY": (1, 0, 1, 1, 0),
        "ORDINARY_FIRST": (1, 0, 1, 1, 0),
        "CUT_SHORT": (0, 1, 1, 1, 0),
        "READ_BACK": (1, 0, 0, 0, 1),
        "READ_AFTER": (1, 0, 0, 0, 0),
        "READ_MODIFY_WRITE": (1, 0, 1, 1, 1),
        "REP_STOS": (0, 0, 1, 0, 0),
        "REP_NOTHING": (0, 0, 0, 0, 0),
        "EVERY_SECOND": (0, 0, 0.5, 0, 0),
        "ACROSS": (0, 0, 1, 0, 0),
    }.items(),
)
def test_the_traffic_of_a_known_way_to_store(
    make: Maker, runner: Runner, way: str, counts: tuple[float, ...]
) -> None:
    found = traffic(runner, {"base": make(way, source="traffic.c")})
    assert [(one.build, one.kind) for one in found] == [("base", kind) for kind in REPLAY.kinds]
    assert [one.lines for one in found] == [Lines(*counts)] * len(REPLAY.kinds)


def test_traffic_repeats_exactly(make: Maker, runner: Runner) -> None:
    programs = {"base": make(), "tip": make("STREAMING")}
    assert traffic(runner, programs) == traffic(runner, programs)
