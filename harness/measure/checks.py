# SPDX-License-Identifier: GPL-2.0-only
"""Checks that boots of all workloads must pass for their samples to count. Pure.

They compare the agent's report and the kernel log with the kernel and the workload. What is unknown
fails.
"""

import re

from harness.guest.console.agent_log import AgentReport
from harness.project.kernel import Kernel
from harness.record.record import PR_DEBUG, Check, Sample
from harness.workloads.figures import Step, Steps
from harness.workloads.workload import Asked, Workload

_HZ = re.compile(r"^CONFIG_HZ=(\d+)$", re.MULTILINE)


def hz(config: str) -> int:
    """Return the tick rate of a .config; 0 if it has none."""
    match = _HZ.search(config)
    return int(match[1]) if match else 0


def samples(steps: Steps, ticks_per_s: int) -> tuple[Sample, ...]:
    """Return steps as samples, whose resolution is one tick."""
    tick_ns = 1_000_000_000 // ticks_per_s if ticks_per_s else 0
    return tuple(_sample(step, tick_ns) for step in steps.found)


def _sample(step: Step, tick_ns: int) -> Sample:
    return Sample(
        metric=step.metric,
        op="rebind" if step.index else "first",
        index=step.index,
        ns=step.ns,
        resolution_ns=step.step_ns or tick_ns,
        nr_pages=step.nr_pages,
        source=PR_DEBUG,
    )


def checks(
    workload: Workload, asked: Asked, kernel: Kernel, config: str, report: AgentReport, steps: Steps
) -> tuple[Check, ...]:
    """Return all checks, passed or not, with what was found."""
    return (
        _kernel(kernel, report),
        _clock(config),
        _whole_log(report),
        *workload.checks(asked, steps, report.lines),
        no_stray(steps),
        end(report),
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


def _whole_log(report: AgentReport) -> Check:
    whole = "Linux version" in report.kernel_log.partition("\n")[0]
    detail = "from its first line" if whole else "the beginning of the kernel log is missing"
    return Check("kernel log", ok=whole, detail=detail)


def no_stray(steps: Steps) -> Check:
    """Check that every figure belongs to a step: a stray one may be missing elsewhere."""
    stray = [problem for problem in steps.problems if not problem.metric]
    detail = f"{stray[0].kind} (line {stray[0].line})" if stray else "every report has its step"
    return Check("no stray report", ok=not stray, detail=detail)


def end(report: AgentReport) -> Check:
    """Check that the report has its end marker."""
    detail = "; ".join(report.problems) or ("present" if report.ended else "missing")
    return Check("end marker", ok=report.ended, detail=detail)
