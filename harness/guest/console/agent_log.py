# SPDX-License-Identifier: GPL-2.0-only
"""Parses what the agent (guests/agent/) writes to its port, and the procedure to its log. Pure.

A report is complete if its end marker counts its lines. An incomplete one is parsed as far as it
goes, to explain the failure.
"""

import struct
from typing import TypeVar

import msgspec


class KernelLine(msgspec.Struct, frozen=True, tag_field="is", tag="kernel"):
    """The running kernel. `notes` is /sys/kernel/notes in hex."""

    release: str
    notes: str
    command_line: str


class SiteLine(msgspec.Struct, frozen=True, tag_field="is", tag="site"):
    """The pr_debug() site's line in dynamic_debug/control; empty if there is none."""

    text: str


class TracepointLine(msgspec.Struct, frozen=True, tag_field="is", tag="tracepoint"):
    """The page_ref_set tracepoint: absent, 0 or 1."""

    state: str


class AgentNamespace(msgspec.Struct, frozen=True):
    """A namespace as `ndctl list` shows it; `map` is missing for a raw one."""

    dev: str
    mode: str
    size: int
    map: str = ""
    align: int = 0


class NamespaceLine(msgspec.Struct, frozen=True, tag_field="is", tag="namespace"):
    """A namespace that is rebound, as ndctl and sysfs show it; `sysfs_size` is its raw size."""

    driver: str
    device: str
    listed: tuple[AgentNamespace, ...] | None
    sysfs_mode: str
    sysfs_align: str
    sysfs_size: str = ""


class EventsLine(msgspec.Struct, frozen=True, tag_field="is", tag="events"):
    """The page_ref_set events of a binding that set a struct page's count to 1.

    `index` counts a driver's bindings from 0.
    """

    driver: str
    index: int
    count: int


class MachineLine(msgspec.Struct, frozen=True, tag_field="is", tag="machine"):
    """The machine of the procedure, and how often it rebinds. `hz` is 0 if it is not known.

    `hres` is 1 if high resolution timers are on, `tainted` the kernel's mask of that name.
    """

    cpu: str
    cpu_id: str
    cpus: int
    memory_kib: int
    hypervisor: str
    hz: int
    hres: str
    tainted: int
    rebinds: int


class ProbeLine(msgspec.Struct, frozen=True, tag_field="is", tag="probe"):
    """A line of the trace of a binding: a call of the function begins or ends."""

    driver: str
    index: int
    text: str


class LogLine(msgspec.Struct, frozen=True, tag_field="is", tag="log"):
    """A line of the kernel log."""

    text: str


class FailedLine(msgspec.Struct, frozen=True, tag_field="is", tag="failed"):
    """Why the agent gave up."""

    what: str


class EndLine(msgspec.Struct, frozen=True, tag_field="is", tag="end"):
    """The end marker: the number of lines before it."""

    lines: int


_Line = (
    KernelLine
    | SiteLine
    | TracepointLine
    | NamespaceLine
    | EventsLine
    | MachineLine
    | ProbeLine
    | LogLine
    | FailedLine
    | EndLine
)
L = TypeVar("L", bound=_Line)


class AgentReport(msgspec.Struct, frozen=True):
    """The agent's report. `problems` is empty if it is complete and in order."""

    kernel: KernelLine | None
    site: str | None
    tracepoint: str | None
    namespaces: tuple[NamespaceLine, ...]
    kernel_log: str
    failed: str | None
    ended: bool
    problems: tuple[str, ...]
    events: tuple[EventsLine, ...] = ()
    machine: MachineLine | None = None
    probes: tuple[ProbeLine, ...] = ()

    @property
    def build_id(self) -> str:
        """Return the running kernel's build id in hex; empty if unknown."""
        return "" if self.kernel is None else build_id(self.kernel.notes)


def parse(raw: bytes) -> AgentReport:
    """Return the agent's report. A line that cannot be parsed is a problem, not an error."""
    lines = raw.split(b"\n")
    problems = [] if lines[-1] == b"" else ["the last line is cut"]
    read: list[_Line] = []
    for number, line in enumerate(lines[:-1], 1):
        try:
            # A kernel log need not be UTF-8.
            read.append(msgspec.json.decode(line.decode("utf-8", "replace"), type=_Line))
        except (msgspec.MsgspecError, RecursionError) as error:
            problems.append(f"line {number}: {error}")
    ends = [i for i, line in enumerate(read) if isinstance(line, EndLine)]
    ended = len(ends) == 1 and ends[0] == len(read) - 1
    if len(ends) > 1 or (ends and not ended):
        problems.append("lines after the end marker")
    if ended and isinstance(end := read[-1], EndLine) and end.lines != len(lines) - 2:
        problems.append(f"{len(lines) - 2} lines, but the end marker counts {end.lines}")
    machine = _only(read, MachineLine, problems)
    return AgentReport(
        kernel=_only(read, KernelLine, problems),
        site=site.text if (site := _only(read, SiteLine, problems)) else None,
        tracepoint=point.state if (point := _only(read, TracepointLine, problems)) else None,
        namespaces=tuple(line for line in read if isinstance(line, NamespaceLine)),
        kernel_log="\n".join(line.text for line in read if isinstance(line, LogLine)),
        failed=failed.what if (failed := _only(read, FailedLine, problems)) else None,
        ended=ended and not problems,
        problems=tuple(problems),
        events=tuple(line for line in read if isinstance(line, EventsLine)),
        machine=machine,
        probes=tuple(line for line in read if isinstance(line, ProbeLine)),
    )


def _only(read: list[_Line], kind: type[L], problems: list[str]) -> L | None:
    found = [line for line in read if isinstance(line, kind)]
    if len(found) > 1:
        problems.append(f"{len(found)} lines of kind {kind.__name__}")
    return found[0] if len(found) == 1 else None


def build_id(notes_hex: str) -> str:
    """Return the GNU build id in ELF notes (elf(5), NT_GNU_BUILD_ID is 3); empty if none."""
    try:
        notes = bytes.fromhex(notes_hex)
    except ValueError:
        return ""
    at = 0
    while at + 12 <= len(notes):
        name_bytes, content_bytes, kind = struct.unpack_from("<III", notes, at)
        name_at = at + 12
        content_at = name_at + (name_bytes + 3) // 4 * 4
        at = content_at + (content_bytes + 3) // 4 * 4
        if at > len(notes):
            return ""
        if kind == 3 and notes[name_at : name_at + name_bytes] == b"GNU\0":
            return notes[content_at : content_at + content_bytes].hex()
    return ""
