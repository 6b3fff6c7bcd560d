# SPDX-License-Identifier: GPL-2.0-only
"""Initialization of ZONE_DEVICE struct pages, timed while drivers bind namespaces. Pure."""

from types import MappingProxyType

from harness.errors import InputError
from harness.record.metric import Metric
from harness.record.record import Check, Sample
from harness.workloads.figures import Cut, Figure, Steps
from harness.workloads.replay import Replay
from harness.workloads.workload import Asked, Expected, Lines, OtherLogs
from harness.workloads.zone_device import checks, kernel_log
from harness.workloads.zone_device.agent_lines import LINE_TYPES
from harness.workloads.zone_device.claim_words import CLAIM_WORDS
from harness.workloads.zone_device.replay import REPLAY
from harness.workloads.zone_device.report_words import REPORT_WORDS


class ZoneDevice:
    """memmap_init_zone_device(), which prints pages and milliseconds of each binding."""

    name = "zone_device"
    function = checks.FUNCTION
    object = "mm/mm_init.o"
    metrics = ("nd_pmem", "dax_pmem")
    described: tuple[Metric, ...] = ()
    #: nd_pmem initializes struct pages one by one; dax_pmem, which is aligned to 2M, as compound
    #: pages of order 9.
    proxies = MappingProxyType({"nd_pmem": "order0", "dax_pmem": "order9"})
    replay: Replay | None = REPLAY
    claim_words = CLAIM_WORDS
    report_words = REPORT_WORDS
    kernel_options = (f"dyndbg=func {checks.FUNCTION} +p",)
    line_types = LINE_TYPES
    other_logs: OtherLogs | None = kernel_log.BindingLogs()

    def agent_arguments(self, asked: Asked) -> tuple[str, ...]:
        """Return how often to bind which namespaces, and how to make them."""
        # NVDIMMs and e820 ranges are namespaces. With labels, the agent sets up a region and makes
        # a namespace in it.
        has_labels = asked.place in ("ramdax", "cxl")
        place = "region{}" if has_labels else "namespace{}.0"
        made = [
            f"{place.format(n)}:{ns.driver}:{ns.mode}:{ns.map}:{ns.align_bytes}:{ns.size_bytes}"
            for n, ns in enumerate(asked.namespaces)
        ]
        how = ["-c"] * asked.probed + ["-t"] * asked.traced
        how += ["-s", asked.place] if has_labels else []
        return (*how, str(asked.rebinds), *made)

    def expected(self, asked: Asked) -> dict[str, Expected]:
        """Return how often each driver binds, the first binding included, and the pages of each.

        Raises InputError for a guest without anything that has struct pages to initialize.
        """
        if not asked.namespaces and not asked.test_hmm:
            raise InputError(
                "has no namespaces to bind",
                where=f"guest {asked.guest}",
                expected="one fsdax, one devdax, or one of each",
            )
        return {ns.driver: Expected(asked.rebinds + 1, ns.nr_pages) for ns in asked.namespaces}

    def read(self, message: str) -> Figure | Cut | None:
        """Return pages and time of a binding; it is of the step in which it is printed."""
        return kernel_log.read(message)

    def probed(self, steps: Steps, lines: Lines) -> tuple[Sample, ...]:
        """Return the bindings whose calls the probes timed."""
        return checks.probed(steps, lines)

    def checks(self, asked: Asked, steps: Steps, lines: Lines) -> tuple[Check, ...]:
        """Return the checks of the pr_debug(), the tracepoint and the namespaces."""
        return tuple(checks.checks(asked, steps, lines))
