# SPDX-License-Identifier: GPL-2.0-only
import pytest

from harness import workloads
from harness.errors import InputError


def test_each_workload_is_found_by_its_name() -> None:
    assert [workloads.find(name).name for name in workloads.NAMES] == list(workloads.NAMES)
    assert workloads.DEFAULT in workloads.NAMES


@pytest.mark.parametrize("name", ["", "zone-device", "ZONE_DEVICE", "x\ny"])
def test_an_unknown_name_is_an_error_of_one_line(name: str) -> None:
    with pytest.raises(InputError) as caught:
        workloads.find(name)
    assert str(caught.value) == f"no workload {name!r}; expected one of zone_device"
    assert "\n" not in str(caught.value)


def test_each_proxy_is_of_a_metric() -> None:
    for name in workloads.NAMES:
        found = workloads.find(name)
        assert set(found.proxies) <= set(found.metrics)
