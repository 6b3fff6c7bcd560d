# SPDX-License-Identifier: GPL-2.0-only
"""Times by probes: only a trace with one whole call is one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.measure.asked import asked
from harness.project.plan import Plan
from harness.project.project import Project
from harness.record.record import PROBES
from harness.workloads.figures import Step, Steps
from harness.workloads.zone_device import checks
from harness.workloads.zone_device.agent_lines import ProbeLine

BINDING = Step("nd_pmem", 1, 1_031_680, 60_000_000, 7)


def begin(us: int, function: str = "memmap_init_zone_device") -> str:
    return f"           agent-60      [000] ..... {_stamp(us)}: begin: ({function}+0x0/0x3e0)"


def end(us: int, function: str = "memmap_init_zone_device") -> str:
    return f"           agent-60      [000] ..... {_stamp(us)}: end: (f+0x1/0x2 <- {function})"


def _stamp(us: int) -> str:
    return f"{us // 1_000_000:5}.{us % 1_000_000:06}"


def lines(*texts: str, driver: str = "nd_pmem", index: int = 1) -> list[ProbeLine]:
    return [ProbeLine(driver, index, text) for text in texts]


def times(*texts: str, driver: str = "nd_pmem", index: int = 1) -> list[int]:
    found = checks.probed(Steps((BINDING,)), lines(*texts, driver=driver, index=index))
    return [sample.ns for sample in found]


def test_a_call_is_timed_from_its_begin_to_its_return() -> None:
    (sample,) = checks.probed(Steps((BINDING,)), lines(begin(2_999_900), end(3_060_175)))
    assert (sample.metric, sample.op, sample.index) == ("nd_pmem", "rebind", 1)
    assert (sample.ns, sample.resolution_ns, sample.source) == (60_275_000, 1000, PROBES)
    assert sample.nr_pages == BINDING.nr_pages


@given(st.integers(0, 10**12), st.integers(0, 10**10))
def test_a_duration_is_the_difference_of_the_two_times(start: int, us: int) -> None:
    assert times(begin(start), end(start + us)) == [us * 1000]


@pytest.mark.parametrize(
    "texts",
    [
        (),
        (begin(1),),
        (end(1),),
        (end(1), begin(2)),
        (begin(2), end(1)),
        (begin(1), begin(2)),
        (begin(1), end(2), begin(3), end(4)),
        (begin(1), end(2), end(3)),
        (begin(1), "CPU:0 [LOST 3 EVENTS]", end(9)),
        (begin(1), ""),
        (begin(1, "memmap_init_range"), end(2, "memmap_init_range")),
        (begin(1).replace("0.000001", "0.01"), end(2)),
        (begin(1).replace("    0.0", "9" * 40 + ".0"), end(2)),
    ],
)
def test_other_traces_give_no_time(texts: tuple[str, ...]) -> None:
    assert times(*texts) == []


def test_a_trace_of_another_binding_is_no_time() -> None:
    assert times(begin(1), end(2), driver="dax_pmem") == []
    assert times(begin(1), end(2), index=2) == []


@given(st.lists(st.text(max_size=90), max_size=3))
def test_no_line_of_a_trace_fails(texts: list[str]) -> None:
    times(*texts)


def test_each_binding_of_each_driver_must_be_timed() -> None:
    guest = Project.find().guest("pmem-4g")
    plan = Plan(description="", guest="g", rebinds=1, kconfig=("x",))
    both = Steps((Step("nd_pmem", 0, 1, 60_000_000, 7), BINDING))
    said = [line for index in (0, 1) for line in lines(begin(1), end(50), index=index)]
    made = checks.checks(asked(guest, plan, probed=True), both, said)
    found = [check for check in made if check.name.endswith(" probes")]
    assert [(check.name, check.ok, check.detail) for check in found] == [
        ("nd_pmem probes", True, "2 of 2 bindings timed"),
        ("dax_pmem probes", False, "0 of 2 bindings timed"),
    ]
