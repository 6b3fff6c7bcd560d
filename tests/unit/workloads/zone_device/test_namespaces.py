# SPDX-License-Identifier: GPL-2.0-only
import pytest

from harness.host.units import MIB
from harness.workloads.zone_device.namespaces import PAGE_BYTES, Namespace


def test_namespace_sizes_are_multiples_of_ndctls_minimum() -> None:
    assert Namespace(mode="fsdax", size="16M").nr_pages == 14 * MIB // PAGE_BYTES
    assert Namespace(mode="devdax", size="16M", map="mem").nr_pages == 16 * MIB // PAGE_BYTES
    with pytest.raises(ValueError, match="size: 24M; expected a multiple of 16M"):
        Namespace(mode="fsdax", size="24M")
