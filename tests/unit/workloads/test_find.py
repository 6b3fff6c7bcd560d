# SPDX-License-Identifier: GPL-2.0-only
import pytest
from msgspec.structs import replace

from harness import workloads
from harness.errors import InputError
from harness.workloads.report_words import ReportWords
from tests.unit.builders import record


def test_each_workload_is_found_by_its_name() -> None:
    assert [workloads.find(name).name for name in workloads.NAMES] == list(workloads.NAMES)
    assert workloads.DEFAULT in workloads.NAMES


@pytest.mark.parametrize("name", ["", "zone-device", "ZONE_DEVICE", "x\ny"])
def test_an_unknown_name_is_an_error_of_one_line(name: str) -> None:
    with pytest.raises(InputError) as caught:
        workloads.find(name)
    assert str(caught.value) == f"no workload {name!r}; expected one of zone_device, boot_message"
    assert "\n" not in str(caught.value)


def test_each_proxy_is_of_a_metric() -> None:
    for name in workloads.NAMES:
        found = workloads.find(name)
        assert set(found.proxies) <= set(found.metrics)


def test_a_run_of_an_unknown_workload_has_neutral_words() -> None:
    made = record()
    assert workloads.words(made).metric == "driver"
    assert workloads.proxies(made)["nd_pmem"] == "order0"
    other = replace(made, subject=replace(made.subject, workload="x\ny"))
    assert workloads.words(other) == ReportWords()
    assert not workloads.proxies(other)


def test_metrics_and_kinds_are_those_of_all_workloads() -> None:
    assert {"nd_pmem", "dax_pmem"} <= set(workloads.metrics())
    assert {"order0", "order9"} <= set(workloads.kinds())
