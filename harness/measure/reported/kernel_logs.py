# SPDX-License-Identifier: GPL-2.0-only
"""The boots in a kernel log of another machine, with their steps. Pure: bytes in, values out.

A log may hold several boots, or begin in the middle of one. What is not certain is a problem or an
`unvouched` fact; nothing is guessed.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from harness.errors import InputError
from harness.guest.console import agent_log, console
from harness.guest.console.agent_log import AgentReport
from harness.guest.console.console_findings import findings
from harness.host.units import format_bytes
from harness.measure.reported.log_kernel import ReportedKernel, is_whole, kernel_of, starts
from harness.measure.reported.log_lines import KernelMessage, messages
from harness.record.record import Finding
from harness.workloads.figures import Cut, Figure, Step
from harness.workloads.workload import Expected, OtherLogs, Workload, quoted

#: A kernel log of a day is under 1 MiB.
MAX_LOG_BYTES = 32 << 20
MAX_BOOTS = 100
#: Lines of two CPUs or loggers may be out of order by up to this.
_BACKWARDS_US = 1_000_000
#: Lines beside a figure that may say whose it is.
_NEAR = 20
_MARKER = re.compile(r"memmap-harness: <(?:begin|end) ([a-z0-9_]{1,32}) (\d{1,6})>$")


class ReportedStep(Step, frozen=True):
    """A step in a log of another machine, and its time since boot if the log has one."""

    at_us: int | None = None


class ReportedBoot(msgspec.Struct, frozen=True):
    """A boot in a log: its steps, what is wrong with them, and what the log does not say.

    `line` is its first line in the file. `report` is the procedure's, if it wrote the log.
    """

    name: str
    line: int
    kernel: ReportedKernel
    steps: tuple[ReportedStep, ...]
    problems: tuple[str, ...] = ()
    unvouched: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    report: AgentReport | None = None


def boots(
    workload: Workload, name: str, raw: bytes, metrics: Sequence[str] = ()
) -> tuple[ReportedBoot, ...]:
    """Return the boots with figures of the workload in a log, in order.

    If the log does not say which metric a figure belongs to, `metrics` take turns, in this order.
    Raises InputError for a log without figures, or one whose metrics are not known.
    """
    logs = workload.other_logs
    if logs is None:
        raise InputError(f"logs of workload {workload.name} cannot be read", where=name)
    if len(raw) > MAX_LOG_BYTES:
        limit = format_bytes(MAX_LOG_BYTES)
        raise InputError("is too large for a kernel log", where=name, expected=f"at most {limit}")
    if raw[:2] == b"\x1f\x8b" or raw[:4] in (b"\xfd7zX", b"\x28\xb5\x2f\xfd"):
        raise InputError("is compressed", where=name, hint="unpack it first")
    if raw[:7] == b'{"is":"':
        return (_of_procedure(workload, name, raw),)
    found = []
    for part in _parts(messages(raw.decode("utf-8", "replace"))):
        if any(logs.read(m.text) is not None for m in part):
            found.append(_of_messages(workload, logs, name, part, metrics))
        if len(found) > MAX_BOOTS:
            raise InputError(f"holds over {MAX_BOOTS} boots", where=name)
    if not found:
        options = " ".join(map(quoted, workload.kernel_options))
        raise InputError(
            f"has no line of {workload.function}()",
            where=name,
            expected=f"lines like `{logs.example}`",
            hint=f"enable them: {options} on the kernel's command line",
        )
    return tuple(found)


def _parts(found: Iterator[KernelMessage]) -> Iterator[list[KernelMessage]]:
    """Yield the messages of each boot: split where the kernel starts, or time goes back."""
    part: list[KernelMessage] = []
    latest = 0
    for message in found:
        is_new = starts(message)
        is_new |= bool(part) and message.boot != part[-1].boot
        if message.at_us is not None:
            is_new |= message.at_us < latest - _BACKWARDS_US
        if is_new and part:
            yield part
            part, latest = [], 0
        part.append(message)
        latest = max(latest, message.at_us or 0)
    if part:
        yield part


def _of_procedure(workload: Workload, name: str, raw: bytes) -> ReportedBoot:
    """Return the boot in a log of `harness procedure` or of the guest's agent."""
    report = agent_log.parse(raw, workload.line_types)
    found = [*messages(report.kernel_log)]
    said = kernel_of(found)
    if (machine := report.machine) is not None:
        said = msgspec.structs.replace(
            said,
            cpu=machine.cpu,
            cpu_id=machine.cpu_id,
            cpus=machine.cpus,
            memory_bytes=machine.memory_kib << 10,
            hypervisor=machine.hypervisor,
            hz=machine.hz,
        )
    if report.kernel is not None:
        said = msgspec.structs.replace(
            said,
            release=report.kernel.release,
            command_line=report.kernel.command_line,
            build_id=report.build_id,
        )
    steps, problems = _marked(workload, found)
    if not steps and not problems:
        why = report.failed or "; ".join(report.problems) or "the run ended early"
        raise InputError(f"has no bindings: {why}", where=name)
    return ReportedBoot(
        name,
        1,
        said,
        steps,
        problems,
        tuple(_unvouched(said, found, None)),
        _findings(found),
        report,
    )


def _of_messages(
    workload: Workload,
    logs: OtherLogs,
    name: str,
    part: Sequence[KernelMessage],
    metrics: Sequence[str],
) -> ReportedBoot:
    said = kernel_of(part)
    unvouched = [*_unvouched(said, part, logs)]
    if any(_MARKER.fullmatch(m.text) for m in part):
        steps, problems = _marked(workload, part)
    else:
        steps, problems = _unmarked(workload, logs, name, part, metrics)
        unvouched.append("how many bindings were made: lines may be missing")
        if not is_whole(part) or workload.function not in said.command_line:
            steps = tuple(step for step in steps if step.index)
            unvouched.append(
                "whose first binding it shows: the pr_debug was not on from the start of the boot, "
                "so the first of each driver is left out"
            )
    return ReportedBoot(
        name, part[0].line, said, steps, problems, tuple(unvouched), _findings(part)
    )


def _findings(part: Sequence[KernelMessage]) -> tuple[Finding, ...]:
    """Return the splats of a boot, with their lines in the file."""
    found = findings("\n".join(m.text for m in part))
    return tuple(msgspec.structs.replace(f, line=part[f.line - 1].line) for f in found)


def _marked(
    workload: Workload, found: Sequence[KernelMessage]
) -> tuple[tuple[ReportedStep, ...], tuple[str, ...]]:
    """Return the steps between our markers, and what is wrong."""
    indices: defaultdict[str, list[int]] = defaultdict(list)
    for message in found:
        if marker := _MARKER.fullmatch(message.text):
            indices[marker[1]].append(int(marker[2]))
    expected = {
        metric: Expected(max(indices[metric]) + 1 - lowest, lowest=lowest)
        for metric in workload.metrics
        if metric in indices
        for lowest in [min(1, *indices[metric])]
    }
    # A thousand rebinds are the most that a plan has.
    if any(of_metric.count > 1001 for of_metric in expected.values()):
        return (), ("a marker counts over 1000 rebinds",)
    text = "\n".join(m.text for m in found)
    read = console.steps(text, expected, workload.read)
    steps = tuple(
        ReportedStep(s.metric, s.index, s.nr_pages, s.ns, at.line, at_us=at.at_us)
        for s in read.found
        for at in [found[s.line - 1]]
    )
    return steps, tuple(
        f"line {found[min(p.line, len(found)) - 1].line}: {p.kind}"
        + (f", {p.metric} {p.index}" if p.metric else "")
        for p in read.problems
    )


def _unmarked(
    workload: Workload,
    logs: OtherLogs,
    name: str,
    part: Sequence[KernelMessage],
    metrics: Sequence[str],
) -> tuple[tuple[ReportedStep, ...], tuple[str, ...]]:
    """Return the steps that the kernel's lines show, and the lines that are cut or mixed."""
    places: list[tuple[int, Figure]] = []
    problems = []
    for at, message in enumerate(part):
        match logs.read(message.text):
            case Figure() as figure:
                places.append((at, figure))
            case Cut():
                problems.append(f"line {message.line}: cut, or mixed with another line")
            case _:
                pass
    whose = _whose(logs, part, [at for at, _ in places], metrics)
    if None in whose:
        line = part[places[whose.index(None)][0]].line
        one, every = workload.metrics[0], ",".join(workload.metrics)
        raise InputError(
            f"line {line}: not known whose binding this is",
            where=name,
            expected=f"a line between bindings that names {' or '.join(workload.metrics)}, "
            "or --driver",
            hint=f"--driver {one}, or --driver {every} if they were bound in turn",
        )
    counts: Counter[str] = Counter()
    steps = []
    for (at, figure), metric in zip(places, whose, strict=True):
        assert metric is not None  # noqa: S101 (refused above)
        here, index = part[at], counts[metric]
        about = (metric, index, figure.nr_pages, figure.ns, here.line)
        steps.append(ReportedStep(*about, at_us=here.at_us))
        counts[metric] += 1
    return tuple(steps), tuple(problems)


def _whose(
    logs: OtherLogs, part: Sequence[KernelMessage], ends: Sequence[int], metrics: Sequence[str]
) -> list[str | None]:
    """Return the metric of each figure; None where it is not known.

    The nearest line above a figure names it, or the nearest below: the same for all of a boot.
    """
    if metrics:
        return [metrics[n % len(metrics)] for n in range(len(ends))]
    if not ends:
        return []
    above = [
        _hint(logs, reversed(part[max(before + 1, at - _NEAR) : at]))
        for before, at in zip([-1, *ends[:-1]], ends, strict=True)
    ]
    below = [
        _hint(logs, part[at + 1 : min(after, at + 1 + _NEAR)])
        for at, after in zip(ends, [*ends[1:], len(part)], strict=True)
    ]
    whole = [way for way in (above, below) if None not in way]
    if len(whole) == 1 or (whole and whole[0] == whole[1]):
        return whole[0]
    return [None] * len(ends)


def _hint(logs: OtherLogs, near: Iterable[KernelMessage]) -> str | None:
    """Return the metric that the nearest line names; None if that names several, or none does."""
    for message in near:
        if named := logs.named(message.text):
            return named[0] if len(named) == 1 else None
    return None


def _unvouched(
    said: ReportedKernel, found: Sequence[KernelMessage], plain: OtherLogs | None
) -> Iterator[str]:
    """Yield what a log does not say, and is taken on trust.

    `plain` describes logs that the kernel alone wrote; None for one of the agent's.
    """
    yield "which patches the kernel has" + ("" if said.build_id else ", and its build id")
    yield "the kernel's configuration"
    yield "the struct pages that were left"
    if plain is not None:
        yield from plain.unvouched
    if not said.hz:
        yield "HZ: times are taken to be off by up to 10 ms"
    if not said.cpu:
        yield "the CPU"
    if not said.hypervisor:
        yield "whether it is a virtual machine"
    if plain is not None and not is_whole(found):
        yield "what was printed before its first line"
