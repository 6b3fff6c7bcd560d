# SPDX-License-Identifier: GPL-2.0-only
"""Finds the kernel's lines about bindings, in our guests' logs and in others. Pure."""

import re

from harness.record.record import Check
from harness.workloads.figures import Cut, Figure, Steps
from harness.workloads.workload import Lines
from harness.workloads.zone_device.checks import FUNCTION, reported_checks

# mm/mm_init.c: pr_debug("%s initialised %lu pages in %ums\n", __func__, …)
_REPORT = re.compile(rf"{FUNCTION} initialised (\d{{1,12}}) pages in (\d{{1,9}})ms(?![\w.])")
_REPORT_START = re.compile(rf"{FUNCTION} +init")
#: The same with what dynamic debug's flags p, m, f, s, l and t add in front.
_WHOLE = re.compile(
    r"(?:\[\d+\] |<intr> )?(?:[\w./-]+:)*(?:\d+:?)? ?"
    rf"{FUNCTION} initialised (\d{{1,12}}) pages in (\d{{1,9}})ms"
)
#: A part of a report. Other lines that name the function are traces and command lines.
_PART = re.compile(
    rf"{FUNCTION} +init|initialised \d+ pages in|\d pages in \d+ ?ms|^memmap_init_z\w*$"
)
_NAMING = {
    "nd_pmem": re.compile(r"\bnd_pmem\b|\bpmem\d|\bpfn\d+\.\d|\bfsdax\b"),
    "dax_pmem": re.compile(r"\bdax_pmem\b|\bdevice_dax\b|\bdax\d+\.\d|\bdevdax\b"),
}


def read(message: str) -> Figure | Cut | None:
    """Return what a message of a guest's kernel states; None if nothing."""
    if found := _REPORT.search(message):
        return _figure(found)
    return Cut() if _REPORT_START.search(message) else None


def _figure(found: re.Match[str]) -> Figure:
    return Figure(ns=int(found[2]) * 1_000_000, nr_pages=int(found[1]))


class BindingLogs:
    """Bindings in kernel logs of other machines, where other lines may say whose they are."""

    example = f"{FUNCTION} initialised 25804288 pages in 273ms"
    unvouched = ("whether the tracepoint page_ref_set was off",)

    def read(self, message: str) -> Figure | Cut | None:
        """Return the figure if it is the whole message."""
        if found := _WHOLE.fullmatch(message):
            return _figure(found)
        return Cut() if _PART.search(message) else None

    def named(self, message: str) -> tuple[str, ...]:
        """Return the drivers that a message names, or whose devices it names."""
        return tuple(name for name, pattern in _NAMING.items() if pattern.search(message))

    def checks(self, steps: Steps, lines: Lines, rebinds: int | None) -> list[Check]:
        """Return the checks of namespaces, whose sizes only the report says."""
        return list(reported_checks(steps, lines, rebinds))
