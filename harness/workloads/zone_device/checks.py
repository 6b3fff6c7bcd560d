# SPDX-License-Identifier: GPL-2.0-only
"""Checks of boots that bind namespaces, and the times of bindings by probes. Pure."""

import re
from collections.abc import Iterator, Sequence

from harness.host.units import MIB
from harness.record.record import PROBES, Check, Sample
from harness.workloads.figures import Step, Steps
from harness.workloads.workload import Asked, Lines
from harness.workloads.zone_device.agent_lines import (
    EventsLine,
    NamespaceLine,
    ProbeLine,
    SiteLine,
    TracepointLine,
    of_type,
    only,
)
from harness.workloads.zone_device.namespaces import PAGE_BYTES, Namespace, expected_nr_pages

FUNCTION = "memmap_init_zone_device"
#: lib/test_hmm.c: DEVMEM_CHUNK_SIZE, and the number of devices that register such a chunk at boot.
HMM_BYTES, HMM_DEVICES = 256 * MIB, 2
_FLAGS = re.compile(r" =([a-z]+|_) ")
#: `  agent-1  [000] .....  12.345678: begin: (memmap_init_zone_device+0x0/0x3e0)`
_PROBE = re.compile(rf" (\d{{1,9}})\.(\d{{6}}): (begin|end): \(.*\b{FUNCTION}\b")


def early_nr_pages(asked: Asked) -> tuple[int, ...]:
    """Return the page counts that the kernel prints before user space, in order.

    e820_pmem initializes a memmap for its raw ranges (ND_REGION_PAGEMAP), without a namespace.
    """
    raw = tuple(size // PAGE_BYTES for size in asked.ranges)
    return raw + (HMM_BYTES // PAGE_BYTES,) * HMM_DEVICES * asked.test_hmm


def checks(asked: Asked, steps: Steps, lines: Lines) -> Iterator[Check]:
    """Yield the checks of a boot."""
    yield _site(lines)
    yield _tracepoint(lines, traced=asked.traced)
    for namespace in asked.namespaces:
        yield _namespace(namespace, lines)
        yield steps.count(namespace.driver, asked.rebinds + 1, "binding")
        yield _pages(namespace, steps)
        if asked.traced:
            yield _events(namespace, asked.rebinds + 1, lines)
    early = early_nr_pages(asked)
    if early or steps.early:
        yield _early(early, tuple(figure.nr_pages for figure in steps.early))
    if asked.probed:
        timed = probed(steps, lines)
        for namespace in asked.namespaces:
            count = sum(sample.metric == namespace.driver for sample in timed)
            yield Check(
                f"{namespace.driver} probes",
                ok=count == asked.rebinds + 1,
                detail=f"{count} of {asked.rebinds + 1} bindings timed",
            )


def reported_checks(steps: Steps, lines: Lines, rebinds: int | None) -> Iterator[Check]:
    """Yield the checks of a boot that the procedure reported from another machine."""
    yield _site(lines)
    yield _tracepoint(lines, traced=False)
    for line in of_type(lines, NamespaceLine):
        yield _reported_namespace(steps, line)
        if rebinds is not None:
            found = sum(step.index > 0 for step in steps.of(line.driver))
            detail = f"{found} of {rebinds}"
            yield Check(f"{line.driver} bindings", ok=found == rebinds, detail=detail)


def probed(steps: Steps, lines: Lines) -> tuple[Sample, ...]:
    """Return the bindings whose calls the probes timed, as samples of their clock."""
    traces: dict[tuple[str, int], list[str]] = {}
    for line in of_type(lines, ProbeLine):
        traces.setdefault((line.driver, line.index), []).append(line.text)
    timed = ((step, _call_us(traces.get((step.metric, step.index), []))) for step in steps.found)
    return tuple(_sample(step, us) for step, us in timed if us is not None)


def _sample(step: Step, us: int) -> Sample:
    return Sample(
        metric=step.metric,
        op="rebind" if step.index else "first",
        index=step.index,
        ns=us * 1000,
        resolution_ns=1000,
        nr_pages=step.nr_pages,
        source=PROBES,
    )


def _call_us(lines: Sequence[str]) -> int | None:
    """Return the duration of the one call in a trace; None unless it has exactly one."""
    found = [_PROBE.search(line) for line in lines]
    if len(found) != 2 or found[0] is None or found[1] is None:
        return None
    begin, end = (int(match[1]) * 1_000_000 + int(match[2]) for match in found if match)
    in_order = (found[0][3], found[1][3]) == ("begin", "end")
    return end - begin if in_order and end >= begin else None


def _site(lines: Lines) -> Check:
    """Check that the pr_debug() site was enabled."""
    line = only(lines, SiteLine)
    text = line.text if line else ""
    flags = _FLAGS.search(text)
    on = flags is not None and "p" in flags[1]
    return Check("pr_debug", ok=on, detail=text or "no such site in dynamic_debug/control")


def _tracepoint(lines: Lines, *, traced: bool) -> Check:
    """Check that the tracepoint was enabled, or not."""
    line = only(lines, TracepointLine)
    state = (line and line.state) or "unknown"
    wanted = ("1",) if traced else ("absent", "0")
    return Check("page_ref_set", ok=state in wanted, detail=f"tracepoint {state}")


def _namespace(wanted: Namespace, lines: Lines) -> Check:
    name = f"{wanted.driver} namespace"
    ours = [line for line in of_type(lines, NamespaceLine) if line.driver == wanted.driver]
    if len(ours) != 1 or not ours[0].listed or len(ours[0].listed) != 1:
        return Check(name, ok=False, detail="not listed once by ndctl")
    asked = (wanted.mode, wanted.map, wanted.align_bytes)
    found = (ours[0].listed[0].mode, ours[0].listed[0].map, ours[0].listed[0].align)
    # sysfs as well: ndctl might print what it was asked for.
    same = found == asked and _sysfs(ours[0]) == (wanted.map, wanted.align_bytes)
    return Check(name, ok=same, detail=f"{_shown(found)} as {ours[0].device}")


def _sysfs(line: NamespaceLine) -> tuple[str, int]:
    where = {"pmem": "dev", "ram": "mem"}.get(line.sysfs_mode, line.sysfs_mode)
    return where, int(line.sysfs_align) if line.sysfs_align.isdecimal() else 0


def _shown(namespace: tuple[str, str, int]) -> str:
    return f"{namespace[0]} map={namespace[1] or 'none'} align={namespace[2]}"


def _pages(wanted: Namespace, steps: Steps) -> Check:
    printed = sorted({step.nr_pages for step in steps.of(wanted.driver)})
    return Check(
        f"{wanted.driver} pages",
        ok=printed == [wanted.nr_pages],
        detail=f"{_listed(printed)} printed, {wanted.nr_pages} expected",
    )


def _events(wanted: Namespace, bindings: int, lines: Lines) -> Check:
    """Check that the tracepoint counted each page of the namespace once per binding.

    Pages of the memmap itself are included, although another function initializes them.
    """
    ours = [line for line in of_type(lines, EventsLine) if line.driver == wanted.driver]
    seen = [line.count for line in ours]
    is_complete = [line.index for line in ours] == list(range(bindings))
    return Check(
        f"{wanted.driver} events",
        ok=is_complete and set(seen) == {wanted.counted_nr_pages},
        detail=f"{_listed(sorted(set(seen)))} seen in each of {len(seen)} bindings, "
        f"{wanted.counted_nr_pages} expected",
    )


def _early(wanted: tuple[int, ...], printed: tuple[int, ...]) -> Check:
    return Check(
        "pages before user space",
        ok=printed == wanted,
        detail=f"{_listed(printed)} printed, {_listed(wanted)} expected",
    )


def _reported_namespace(steps: Steps, line: NamespaceLine) -> Check:
    """Check the page counts of a namespace whose size and alignment only its machine knows."""
    name, size, align = f"{line.driver} namespace", line.sysfs_size or "0", line.sysfs_align or "0"
    if not (size.isdecimal() and align.isdecimal() and 0 < int(size) < 1 << 50):
        return Check(name, ok=False, detail="its size is not known")
    expected = expected_nr_pages(int(size), int(align), map_dev=line.sysfs_mode == "pmem")
    printed = sorted({step.nr_pages for step in steps.of(line.driver)})
    detail = f"{_listed(printed)} printed, {expected} expected"
    return Check(name, ok=printed == [expected], detail=detail)


def _listed(numbers: Sequence[int]) -> str:
    return " and ".join(map(str, numbers)) or "none"
