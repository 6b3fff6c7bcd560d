# SPDX-License-Identifier: GPL-2.0-only
"""Messages become the steps of a boot, each exactly once."""

import pytest

from harness.guest.console import console
from harness.record.metric import Metric
from harness.workloads.boot_message import BootMessage
from harness.workloads.boot_message.message import Message
from harness.workloads.figures import Steps
from harness.workloads.workload import Asked

ASKED = Asked("g", (), "nvdimm", 1)
BOOT = BootMessage(
    {
        "deferred": Message(r"deferred pages initialised in (?P<value>\w+)ms", "ms"),
        "pages": Message(r"(?P<value>\d+) pages", "count", "higher"),
    }
)
LOG = (
    "[    0.1] Linux version 7\n[    0.2] deferred pages initialised in 120ms\n[    0.3] 7 pages\n"
)


def steps(log: str) -> Steps:
    return console.steps(log, BOOT.expected(ASKED), BOOT.read)


def failed(log: str) -> list[str]:
    return [f"{c.name}: {c.detail}" for c in BOOT.checks(ASKED, steps(log), ()) if not c.ok]


def test_each_message_is_one_step() -> None:
    found = [(s.metric, s.index, s.ns, s.step_ns, s.line) for s in steps(LOG).found]
    assert found == [("deferred", 1, 120 * 10**6, 10**6, 2), ("pages", 1, 7, 1, 3)]
    assert failed(LOG) == [] and steps(LOG).problems == ()
    assert BOOT.agent_arguments(ASKED) == ("0",)
    assert BOOT.described == (Metric("pages", "count", "higher"),)


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ("", "deferred messages: 0 of 1; message 1: missing (line 1)"),
        (LOG + "[    0.4] deferred pages initialised in 1ms\n",
         "deferred messages: 1 of 1; message 2: not asked for (line 4)"),
        (LOG.replace("120ms", "manyms"), "deferred messages: 0 of 1; message 1: missing (line 4)"),
    ],
)  # fmt: skip
def test_any_other_number_of_figures_fails_the_check(log: str, said: str) -> None:
    assert failed(log)[0] == said


def test_a_figure_that_is_no_number_is_a_problem_of_the_log() -> None:
    assert steps(LOG.replace("120ms", "manyms")).problems[0].kind == "line cut"
