# SPDX-License-Identifier: GPL-2.0-only
"""Checks that a boot must pass for its samples to count. Pure.

They compare the agent's report and the kernel log with the kernel, guest and plan. What is unknown
fails.
"""

import re
from collections.abc import Sequence

from harness.guest.console.agent_log import AgentReport, NamespaceLine
from harness.guest.console.console import Binding, Bindings, LogProblem
from harness.project.guest import Guest, Namespace
from harness.project.kernel import Kernel
from harness.project.plan import Plan
from harness.project.series import FUNCTION
from harness.record.record import PR_DEBUG, PROBES, Check, Sample

_HZ = re.compile(r"^CONFIG_HZ=(\d+)$", re.MULTILINE)
_FLAGS = re.compile(r" =([a-z]+|_) ")
#: `  agent-1  [000] .....  12.345678: begin: (memmap_init_zone_device+0x0/0x3e0)`
_PROBE = re.compile(rf" (\d{{1,9}})\.(\d{{6}}): (begin|end): \(.*\b{FUNCTION}\b")


def hz(config: str) -> int:
    """Return the tick rate of a .config; 0 if it has none."""
    match = _HZ.search(config)
    return int(match[1]) if match else 0


def samples(bindings: Bindings, ticks_per_s: int) -> tuple[Sample, ...]:
    """Return bindings as samples, whose resolution is one tick."""
    tick_ns = 1_000_000_000 // ticks_per_s if ticks_per_s else 0
    return tuple(_sample(b, b.ms * 1_000_000, tick_ns, PR_DEBUG) for b in bindings.found)


def probed(bindings: Bindings, report: AgentReport) -> tuple[Sample, ...]:
    """Return the bindings whose calls the probes timed, as samples of their clock."""
    lines: dict[tuple[str, int], list[str]] = {}
    for line in report.probes:
        lines.setdefault((line.driver, line.index), []).append(line.text)
    timed = ((b, _call_us(lines.get((b.driver, b.index), []))) for b in bindings.found)
    return tuple(_sample(b, us * 1000, 1000, PROBES) for b, us in timed if us is not None)


def _sample(binding: Binding, ns: int, resolution_ns: int, source: str) -> Sample:
    return Sample(
        metric=binding.driver,
        op="rebind" if binding.index else "first",
        index=binding.index,
        ns=ns,
        resolution_ns=resolution_ns,
        nr_pages=binding.nr_pages,
        source=source,
    )


def _call_us(lines: Sequence[str]) -> int | None:
    """Return the duration of the one call in a trace; None unless it has exactly one."""
    found = [_PROBE.search(line) for line in lines]
    if len(found) != 2 or found[0] is None or found[1] is None:
        return None
    begin, end = (int(match[1]) * 1_000_000 + int(match[2]) for match in found if match)
    in_order = (found[0][3], found[1][3]) == ("begin", "end")
    return end - begin if in_order and end >= begin else None


def checks(
    kernel: Kernel,
    config: str,
    guest: Guest,
    plan: Plan,
    report: AgentReport,
    bindings: Bindings,
    *,
    carved: bool = False,
) -> tuple[Check, ...]:
    """Return all checks, passed or not, with what was found.

    `carved`: the namespaces are on ranges of RAM, wherever the guest has them.
    """
    booted = guest.raw_nr_pages if carved else guest.booted_nr_pages
    traced = plan.page_ref is True
    made = [_kernel(kernel, report), _clock(config), site(report)]
    made += [tracepoint(report, traced=traced), _whole_log(report)]
    for namespace in guest.namespaces:
        made += [
            _namespace(namespace, report),
            _count(namespace.driver, plan.rebinds + 1, bindings),
            _pages(namespace, bindings),
        ]
        if traced:
            made.append(_events(namespace, plan.rebinds + 1, report))
    if booted:
        made.append(_booted(booted, bindings))
    made += [_nothing_else(booted, bindings), end(report)]
    return tuple(made)


def probes(guest: Guest, plan: Plan, samples: Sequence[Sample]) -> tuple[Check, ...]:
    """Return the checks that the probes timed each binding of a boot that compares clocks."""
    wanted = plan.rebinds + 1
    found = [
        (ns.driver, sum(s.source == PROBES and s.metric == ns.driver for s in samples))
        for ns in guest.namespaces
    ]
    return tuple(
        Check(f"{driver} probes", ok=count == wanted, detail=f"{count} of {wanted} bindings timed")
        for driver, count in found
    )


def whole_console(*, is_cut: bool) -> Check:
    """Return a check that fails for a console that was cut: the rest may have had a splat."""
    detail = "the guest printed too much: the rest is lost" if is_cut else "complete"
    return Check("console", ok=not is_cut, detail=detail)


def _kernel(kernel: Kernel, report: AgentReport) -> Check:
    if report.kernel is None:
        return Check("kernel", ok=False, detail="the agent did not report the kernel")
    built = (kernel.release, kernel.build_id)
    runs = (report.kernel.release, report.build_id)
    return Check(
        "kernel", ok=runs == built, detail=f"{_shown_kernel(runs)}, built {_shown_kernel(built)}"
    )


def _shown_kernel(kernel: tuple[str, str]) -> str:
    return f"{kernel[0]} build id {kernel[1][:12] or 'none'}"


def _clock(config: str) -> Check:
    """Check the clock by the .config, which is the running kernel's if the build id is.

    Without high resolution timers, jiffies count tick interrupts, of which a busy host loses some:
    a third of the real time was seen.
    """
    catches_up = "\nCONFIG_HIGH_RES_TIMERS=y\n" in f"\n{config}"
    detail = f"HZ={hz(config)}, high resolution timers {'on' if catches_up else 'off'}"
    return Check("clock", ok=hz(config) == 1000 and catches_up, detail=detail)


def site(report: AgentReport) -> Check:
    """Check that the pr_debug() site was enabled."""
    flags = _FLAGS.search(report.site or "")
    on = flags is not None and "p" in flags[1]
    return Check("pr_debug", ok=on, detail=report.site or "no such site in dynamic_debug/control")


def tracepoint(report: AgentReport, *, traced: bool) -> Check:
    """Check that the tracepoint was enabled, or not."""
    state = report.tracepoint or "unknown"
    wanted = ("1",) if traced else ("absent", "0")
    return Check("page_ref_set", ok=state in wanted, detail=f"tracepoint {state}")


def _events(wanted: Namespace, bindings: int, report: AgentReport) -> Check:
    """Check that the tracepoint counted each page of the namespace once per binding.

    Pages of the memmap itself are included, although another function initializes them.
    """
    lines = [line for line in report.events if line.driver == wanted.driver]
    seen = [line.count for line in lines]
    is_complete = [line.index for line in lines] == list(range(bindings))
    shown = " and ".join(map(str, sorted(set(seen)))) or "none"
    return Check(
        f"{wanted.driver} events",
        ok=is_complete and set(seen) == {wanted.counted_nr_pages},
        detail=f"{shown} seen in each of {len(seen)} bindings, {wanted.counted_nr_pages} expected",
    )


def _whole_log(report: AgentReport) -> Check:
    whole = "Linux version" in report.kernel_log.partition("\n")[0]
    detail = "from its first line" if whole else "the beginning of the kernel log is missing"
    return Check("kernel log", ok=whole, detail=detail)


def _namespace(wanted: Namespace, report: AgentReport) -> Check:
    name = f"{wanted.driver} namespace"
    lines = [line for line in report.namespaces if line.driver == wanted.driver]
    if len(lines) != 1 or not lines[0].listed or len(lines[0].listed) != 1:
        return Check(name, ok=False, detail="not listed once by ndctl")
    asked = (wanted.mode, wanted.map, wanted.align_bytes)
    found = (lines[0].listed[0].mode, lines[0].listed[0].map, lines[0].listed[0].align)
    # sysfs as well: ndctl might print what it was asked for.
    same = found == asked and _sysfs(lines[0]) == (wanted.map, wanted.align_bytes)
    return Check(name, ok=same, detail=f"{_shown(found)} as {lines[0].device}")


def _sysfs(line: NamespaceLine) -> tuple[str, int]:
    where = {"pmem": "dev", "ram": "mem"}.get(line.sysfs_mode, line.sysfs_mode)
    return where, int(line.sysfs_align) if line.sysfs_align.isdecimal() else 0


def _shown(namespace: tuple[str, str, int]) -> str:
    return f"{namespace[0]} map={namespace[1] or 'none'} align={namespace[2]}"


def _count(driver: str, wanted: int, bindings: Bindings) -> Check:
    found = len(bindings.of(driver))
    wrong = [p for p in bindings.problems if p.driver == driver]
    detail = f"{found} of {wanted}"
    if wrong:
        detail += f"; binding {wrong[0].index}: {wrong[0].kind} (line {wrong[0].line})"
    return Check(f"{driver} bindings", ok=found == wanted and not wrong, detail=detail)


def _pages(wanted: Namespace, bindings: Bindings) -> Check:
    printed = sorted({b.nr_pages for b in bindings.of(wanted.driver)})
    shown = " and ".join(map(str, printed)) or "none"
    return Check(
        f"{wanted.driver} pages",
        ok=printed == [wanted.nr_pages],
        detail=f"{shown} printed, {wanted.nr_pages} expected",
    )


def _booted(wanted: tuple[int, ...], bindings: Bindings) -> Check:
    printed = " and ".join(map(str, bindings.booted)) or "none"
    expected = " and ".join(map(str, wanted))
    return Check(
        "pages before user space",
        ok=bindings.booted == wanted,
        detail=f"{printed} printed, {expected} expected",
    )


def _nothing_else(booted: tuple[int, ...], bindings: Bindings) -> Check:
    """Check that every report belongs to a binding: a stray one may be missing elsewhere."""
    stray = [p for p in bindings.problems if not p.driver]
    if bindings.booted and not booted:
        stray.append(LogProblem("report before the agent began", "", -1, 0))
    detail = f"{stray[0].kind} (line {stray[0].line})" if stray else "every report has its binding"
    return Check("no stray report", ok=not stray, detail=detail)


def end(report: AgentReport) -> Check:
    """Check that the report has its end marker."""
    detail = "; ".join(report.problems) or ("present" if report.ended else "missing")
    return Check("end marker", ok=report.ended, detail=detail)
