# SPDX-License-Identifier: GPL-2.0-only
"""Initialization of ZONE_DEVICE struct pages, timed while drivers bind namespaces. Pure."""

from types import MappingProxyType

from harness.workloads.replay import Replay
from harness.workloads.zone_device.replay import REPLAY


class ZoneDevice:
    """memmap_init_zone_device(), which prints pages and milliseconds of each binding."""

    name = "zone_device"
    function = "memmap_init_zone_device"
    object = "mm/mm_init.o"
    metrics = ("nd_pmem", "dax_pmem")
    #: nd_pmem initializes struct pages one by one; dax_pmem, which is aligned to 2M, as compound
    #: pages of order 9.
    proxies = MappingProxyType({"nd_pmem": "order0", "dax_pmem": "order9"})
    replay: Replay | None = REPLAY
