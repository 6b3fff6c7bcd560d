# SPDX-License-Identifier: GPL-2.0-only
"""Parses what the agent (guests/agent/) writes to its port, and the procedure to its log. Pure.

A report is complete if its end marker counts its lines. An incomplete one is parsed as far as it
goes, to explain the failure.
"""

import functools
import operator
import struct
from typing import Any, TypeVar

import msgspec


class KernelLine(msgspec.Struct, frozen=True, tag_field="is", tag="kernel"):
    """The running kernel. `notes` is /sys/kernel/notes in hex."""

    release: str
    notes: str
    command_line: str


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


class LogLine(msgspec.Struct, frozen=True, tag_field="is", tag="log"):
    """A line of the kernel log."""

    text: str


class FailedLine(msgspec.Struct, frozen=True, tag_field="is", tag="failed"):
    """Why the agent gave up."""

    what: str


class EndLine(msgspec.Struct, frozen=True, tag_field="is", tag="end"):
    """The end marker: the number of lines before it."""

    lines: int


_LINE_TYPES: tuple[type[msgspec.Struct], ...] = (
    KernelLine,
    MachineLine,
    LogLine,
    FailedLine,
    EndLine,
)
L = TypeVar("L", bound=msgspec.Struct)


class AgentReport(msgspec.Struct, frozen=True):
    """The agent's report. `problems` is empty if it is complete and in order.

    `lines` are those that only the workload can read.
    """

    kernel: KernelLine | None
    kernel_log: str
    failed: str | None
    ended: bool
    problems: tuple[str, ...]
    machine: MachineLine | None = None
    lines: tuple[msgspec.Struct, ...] = ()

    @property
    def build_id(self) -> str:
        """Return the running kernel's build id in hex; empty if unknown."""
        return "" if self.kernel is None else build_id(self.kernel.notes)


def parse(raw: bytes, line_types: tuple[type[msgspec.Struct], ...]) -> AgentReport:
    """Return the agent's report. A line that cannot be parsed is a problem, not an error.

    `line_types` are the workload's own (Workload.line_types).
    """
    decoder = _decoder(line_types)
    lines = raw.split(b"\n")
    problems = [] if lines[-1] == b"" else ["the last line is cut"]
    read: list[msgspec.Struct] = []
    for number, line in enumerate(lines[:-1], 1):
        try:
            # A kernel log need not be UTF-8.
            read.append(decoder.decode(line.decode("utf-8", "replace")))
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
        kernel_log="\n".join(line.text for line in read if isinstance(line, LogLine)),
        failed=failed.what if (failed := _only(read, FailedLine, problems)) else None,
        ended=ended and not problems,
        problems=tuple(problems),
        machine=machine,
        lines=tuple(line for line in read if isinstance(line, line_types)),
    )


@functools.cache
def _decoder(
    line_types: tuple[type[msgspec.Struct], ...],
) -> msgspec.json.Decoder[msgspec.Struct]:
    kinds: Any = functools.reduce(operator.or_, (*_LINE_TYPES, *line_types))
    return msgspec.json.Decoder(kinds)


def _only(read: list[msgspec.Struct], kind: type[L], problems: list[str]) -> L | None:
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
