# SPDX-License-Identifier: GPL-2.0-only
"""The boots in a kernel log of another machine, with their bindings. Pure: bytes in, values out.

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
from harness.project.series import FUNCTION
from harness.record.record import Finding

#: A kernel log of a day is under 1 MiB.
MAX_LOG_BYTES = 32 << 20
MAX_BOOTS = 100
#: Lines of two CPUs or loggers may be out of order by up to this.
_BACKWARDS_US = 1_000_000
#: Lines beside a binding that may say whose it is.
_NEAR = 20
DRIVERS = ("nd_pmem", "dax_pmem")

#: What dynamic debug's flags p, m, f, s, l and t add in front.
_DECORATION = r"(?:\[\d+\] |<intr> )?(?:[\w./-]+:)*(?:\d+:?)? ?"
_REPORT = re.compile(rf"{_DECORATION}{FUNCTION} initialised (\d{{1,12}}) pages in (\d{{1,9}})ms")
#: A part of a report. Other lines that name the function are traces and command lines.
_PART = re.compile(
    rf"{FUNCTION} +init|initialised \d+ pages in|\d pages in \d+ ?ms|^memmap_init_z\w*$"
)
_MARKER = re.compile(r"memmap-harness: <(?:begin|end) ([a-z0-9_]{1,32}) (\d{1,6})>$")
_HINTS = {
    "nd_pmem": re.compile(r"\bnd_pmem\b|\bpmem\d|\bpfn\d+\.\d|\bfsdax\b"),
    "dax_pmem": re.compile(r"\bdax_pmem\b|\bdevice_dax\b|\bdax\d+\.\d|\bdevdax\b"),
}


class ReportedBinding(console.Binding, frozen=True):
    """A binding in a log of another machine, and its time since boot if the log has one."""

    at_us: int | None = None


class ReportedBoot(msgspec.Struct, frozen=True):
    """A boot in a log: its bindings, what is wrong with them, and what the log does not say.

    `line` is its first line in the file. `report` is the procedure's, if it wrote the log.
    """

    name: str
    line: int
    kernel: ReportedKernel
    bindings: tuple[ReportedBinding, ...]
    problems: tuple[str, ...] = ()
    unvouched: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    report: AgentReport | None = None


def boots(name: str, raw: bytes, drivers: Sequence[str] = ()) -> tuple[ReportedBoot, ...]:
    """Return the boots with bindings in a log, in order.

    `drivers` are bound in turn, this one first, where the log itself does not say whose a binding
    is. Raises InputError for a log without bindings, or one whose drivers are not known.
    """
    if len(raw) > MAX_LOG_BYTES:
        limit = format_bytes(MAX_LOG_BYTES)
        raise InputError("is too large for a kernel log", where=name, expected=f"at most {limit}")
    if raw[:2] == b"\x1f\x8b" or raw[:4] in (b"\xfd7zX", b"\x28\xb5\x2f\xfd"):
        raise InputError("is compressed", where=name, hint="unpack it first")
    if raw[:7] == b'{"is":"':
        return (_of_procedure(name, raw),)
    found = []
    for part in _parts(messages(raw.decode("utf-8", "replace"))):
        if any(_REPORT.fullmatch(m.text) or _PART.search(m.text) for m in part):
            found.append(_of_messages(name, part, drivers))
        if len(found) > MAX_BOOTS:
            raise InputError(f"holds over {MAX_BOOTS} boots", where=name)
    if not found:
        raise InputError(
            f"has no line of {FUNCTION}()",
            where=name,
            expected=f"lines like `{FUNCTION} initialised 25804288 pages in 273ms`",
            hint=f"enable them: dyndbg='func {FUNCTION} +p' on the kernel's command line",
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


def _of_procedure(name: str, raw: bytes) -> ReportedBoot:
    """Return the boot in a log of `harness procedure` or of the guest's agent."""
    report = agent_log.parse(raw)
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
    bindings, problems = _marked(found)
    if not bindings and not problems:
        why = report.failed or "; ".join(report.problems) or "the run ended early"
        raise InputError(f"has no bindings: {why}", where=name)
    return ReportedBoot(
        name,
        1,
        said,
        bindings,
        problems,
        tuple(_unvouched(said, found, plain=False)),
        _findings(found),
        report,
    )


def _of_messages(name: str, part: Sequence[KernelMessage], drivers: Sequence[str]) -> ReportedBoot:
    said = kernel_of(part)
    unvouched = [*_unvouched(said, part, plain=True)]
    if any(_MARKER.fullmatch(m.text) for m in part):
        bindings, problems = _marked(part)
    else:
        bindings, problems = _unmarked(name, part, drivers)
        unvouched.append("how many bindings were made: lines may be missing")
        if not is_whole(part) or FUNCTION not in said.command_line:
            bindings = _without_first(bindings)
            unvouched.append(
                "whose first binding it shows: the pr_debug was not on from the start of the boot, "
                "so the first of each driver is left out"
            )
    return ReportedBoot(
        name, part[0].line, said, bindings, problems, tuple(unvouched), _findings(part)
    )


def _findings(part: Sequence[KernelMessage]) -> tuple[Finding, ...]:
    """Return the splats of a boot, with their lines in the file."""
    found = findings("\n".join(m.text for m in part))
    return tuple(msgspec.structs.replace(f, line=part[f.line - 1].line) for f in found)


def _marked(found: Sequence[KernelMessage]) -> tuple[tuple[ReportedBinding, ...], tuple[str, ...]]:
    """Return the bindings between our markers, and what is wrong."""
    indices: defaultdict[str, list[int]] = defaultdict(list)
    for message in found:
        if marker := _MARKER.fullmatch(message.text):
            indices[marker[1]].append(int(marker[2]))
    lowest = {driver: min(1, *seen) for driver, seen in indices.items()}
    asked = {driver: max(seen) + 1 - lowest[driver] for driver, seen in indices.items()}
    # A thousand rebinds are the most that a plan has.
    if any(number > 1001 for number in asked.values()):
        return (), ("a marker counts over 1000 rebinds",)
    read = console.bindings("\n".join(m.text for m in found), asked, lowest)
    bindings = tuple(
        ReportedBinding(b.driver, b.index, b.nr_pages, b.ms, at.line, at.at_us)
        for b in read.found
        for at in [found[b.line - 1]]
    )
    return bindings, tuple(
        f"line {found[min(p.line, len(found)) - 1].line}: {p.kind}"
        + (f", {p.driver} {p.index}" if p.driver else "")
        for p in read.problems
    )


def _unmarked(
    name: str, part: Sequence[KernelMessage], drivers: Sequence[str]
) -> tuple[tuple[ReportedBinding, ...], tuple[str, ...]]:
    """Return the bindings that the kernel's lines show, and the lines that are cut or mixed."""
    places, problems = [], []
    for at, message in enumerate(part):
        if found := _REPORT.fullmatch(message.text):
            places.append((at, int(found[1]), int(found[2])))
        elif _PART.search(message.text):
            problems.append(f"line {message.line}: cut, or mixed with another line")
    whose = _whose(part, [at for at, _, _ in places], drivers)
    if None in whose:
        line = part[places[whose.index(None)][0]].line
        raise InputError(
            f"line {line}: not known whose binding this is",
            where=name,
            expected="a line between bindings that names nd_pmem or dax_pmem, or --driver",
            hint="--driver nd_pmem, or --driver nd_pmem,dax_pmem if they were bound in turn",
        )
    counts: Counter[str] = Counter()
    bindings = []
    for (at, pages, ms), driver in zip(places, whose, strict=True):
        assert driver is not None  # noqa: S101 (refused above)
        here = part[at]
        bindings.append(ReportedBinding(driver, counts[driver], pages, ms, here.line, here.at_us))
        counts[driver] += 1
    return tuple(bindings), tuple(problems)


def _whose(
    part: Sequence[KernelMessage], ends: Sequence[int], drivers: Sequence[str]
) -> list[str | None]:
    """Return the driver of each binding; None where it is not known.

    The nearest line above a binding names it, or the nearest below: the same for all of a boot.
    """
    if drivers:
        return [drivers[n % len(drivers)] for n in range(len(ends))]
    if not ends:
        return []
    above = [
        _hint(reversed(part[max(before + 1, at - _NEAR) : at]))
        for before, at in zip([-1, *ends[:-1]], ends, strict=True)
    ]
    below = [
        _hint(part[at + 1 : min(after, at + 1 + _NEAR)])
        for at, after in zip(ends, [*ends[1:], len(part)], strict=True)
    ]
    whole = [way for way in (above, below) if None not in way]
    if len(whole) == 1 or (whole and whole[0] == whole[1]):
        return whole[0]
    return [None] * len(ends)


def _hint(near: Iterable[KernelMessage]) -> str | None:
    """Return the driver that the nearest line names; None if that line names both, or none does."""
    for message in near:
        named = [d for d, pattern in _HINTS.items() if pattern.search(message.text)]
        if named:
            return named[0] if len(named) == 1 else None
    return None


def _without_first(bindings: Sequence[ReportedBinding]) -> tuple[ReportedBinding, ...]:
    return tuple(b for b in bindings if b.index)


def _unvouched(
    said: ReportedKernel, found: Sequence[KernelMessage], *, plain: bool
) -> Iterator[str]:
    """Yield what a log does not say, and is taken on trust."""
    yield "which patches the kernel has" + ("" if said.build_id else ", and its build id")
    yield "the kernel's configuration"
    yield "the struct pages that were left"
    if plain:
        yield "whether the tracepoint page_ref_set was off"
    if not said.hz:
        yield "HZ: times are taken to be off by up to 10 ms"
    if not said.cpu:
        yield "the CPU"
    if not said.hypervisor:
        yield "whether it is a virtual machine"
    if plain and not is_whole(found):
        yield "what was printed before its first line"
