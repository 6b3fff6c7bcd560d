# SPDX-License-Identifier: GPL-2.0-only
"""The agent's report, complete and incomplete."""

import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.guest.console import agent_log
from harness.guest.console.agent_log import AgentReport, build_id
from harness.workloads.zone_device.agent_lines import (
    LINE_TYPES,
    NamespaceLine,
    ProbeLine,
    SiteLine,
    TracepointLine,
    of_type,
    only,
)

BUILD_ID = "b25c3b9fc2029e45dd168dce5511f617f3a6aea6"


def note(name: bytes, kind: int, content: bytes) -> bytes:
    padded = [part + b"\0" * (-len(part) % 4) for part in (name, content)]
    return struct.pack("<III", len(name), len(content), kind) + b"".join(padded)


NOTES = (note(b"Linux\0", 6, b"\1") + note(b"GNU\0", 3, bytes.fromhex(BUILD_ID))).hex()

BODY: list[dict[str, object]] = [
    {"is": "kernel", "release": "7.2.13", "notes": NOTES, "command_line": 'a "b c"'},
    {"is": "site", "text": "mm/mm_init.c:1147 [mm_init]memmap_init_zone_device =p"},
    {"is": "tracepoint", "state": "absent"},
    {
        "is": "namespace",
        "driver": "nd_pmem",
        "device": "pfn0.0",
        "listed": [
            {"dev": "namespace0.0", "mode": "fsdax", "map": "dev", "size": 4, "align": 2097152,
             "uuid": "0d57e076", "blockdev": "pmem0"}
        ],
        "sysfs_mode": "pmem",
        "sysfs_align": "2097152",
    },
    {"is": "log", "text": "[    0.000000] Linux version 7.2.13"},
    {"is": "log", "text": "[    0.000000] a \\ and a \t"},
]  # fmt: skip


def raw(*lines: dict[str, object], end: int | None = None) -> bytes:
    marker = {"is": "end", "lines": len(lines) if end is None else end}
    return b"".join(json.dumps(line).encode() + b"\n" for line in (*lines, marker))


def parse(data: bytes) -> AgentReport:
    return agent_log.parse(data, LINE_TYPES)


def test_a_complete_report() -> None:
    report = parse(raw(*BODY))
    assert report.ended
    assert report.problems == ()
    assert report.failed is None
    assert report.kernel is not None
    assert report.kernel.command_line == 'a "b c"'
    assert report.build_id == BUILD_ID
    assert only(report.lines, TracepointLine) == TracepointLine("absent")
    (namespace,) = of_type(report.lines, NamespaceLine)
    assert namespace.listed is not None
    assert namespace.listed[0].map == "dev"
    assert report.kernel_log == "[    0.000000] Linux version 7.2.13\n[    0.000000] a \\ and a \t"


def test_invalid_utf8_is_replaced() -> None:
    report = parse(raw(*BODY).replace(b"Linux version", b"Linux \xff\xfe version"))
    assert report.ended
    assert "Linux \ufffd\ufffd version" in report.kernel_log


def test_a_report_of_a_failure_is_complete() -> None:
    report = parse(raw(*BODY[:2], {"is": "failed", "what": "ndctl: no such namespace"}))
    assert report.ended
    assert report.failed == "ndctl: no such namespace"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", ""),
        (b"\n", "line 1"),
        (raw(*BODY)[:-1], "the last line is cut"),
        (raw(*BODY)[: raw(*BODY).rfind(b"{")], ""),
        (raw(*BODY, end=5), "6 lines, but the end marker counts 5"),
        (raw(*BODY) + raw(*BODY), "lines after the end marker"),
        (raw(*BODY) + b'{"is":"log","text":"late"}\n', "lines after the end marker"),
        (raw(*BODY, BODY[0]), "2 lines of kind KernelLine"),
        (raw(*BODY).replace(b'"is": "log"', b'"is": "lag"'), "lag"),
        (raw(*BODY).replace(b'"4"', b"").replace(b'"size": 4', b'"size": '), "line 4"),
        (raw(*BODY).replace(b'"lines": 6', b'"lines": "6"'), "lines"),
        (b"[" * 100_000 + b"\n", "line 1"),
        (b"\x00\xff" * 40 + b"\n", "line 1"),
    ],
)
def test_an_incomplete_report_has_not_ended(text: bytes, says: str) -> None:
    report = parse(text)
    assert not report.ended
    assert says in "; ".join(report.problems)


def ended(report: AgentReport) -> bool:
    return report.ended


@given(st.integers(0, len(raw(*BODY)) - 1))
def test_a_prefix_of_a_report_is_incomplete(size: int) -> None:
    assert not parse(raw(*BODY)[:size]).ended


@given(st.integers(0, len(BODY) - 1))
def test_a_report_without_one_of_its_lines_is_incomplete(index: int) -> None:
    lost = [line for n, line in enumerate(BODY) if n != index]
    assert not parse(raw(*lost, end=len(BODY))).ended


@given(st.binary())
def test_any_bytes_are_read_without_an_error(data: bytes) -> None:
    assert not parse(data).ended


@pytest.mark.parametrize(
    "notes",
    ["", "zz", "0400", NOTES[:-2], NOTES[: NOTES.index("474e55")], note(b"GNU\0", 1, b"x").hex()],
)
def test_notes_without_a_build_id(notes: str) -> None:
    assert build_id(notes) == ""


@given(st.binary(max_size=200))
def test_any_notes_are_read_without_an_error(notes: bytes) -> None:
    assert isinstance(build_id(notes.hex()), str)


def test_lines_of_the_trace_belong_to_a_binding() -> None:
    text = "  agent-1 [000] ..... 1.000250: begin: (memmap_init_zone_device+0x0/0x3e0)"
    line = {"is": "probe", "driver": "nd_pmem", "index": 3, "text": text}
    (probe,) = of_type(parse(raw(*BODY, line)).lines, ProbeLine)
    assert (probe.driver, probe.index, probe.text) == ("nd_pmem", 3, text)
    assert of_type(parse(raw(*BODY)).lines, ProbeLine) == ()


def test_a_line_of_another_workload_is_a_problem() -> None:
    report = agent_log.parse(raw(*BODY), ())
    assert not report.ended
    assert "line 2" in report.problems[0]
    general = agent_log.parse(raw(BODY[0], *BODY[4:]), ())
    assert (general.ended, general.lines) == (True, ())


def test_a_line_that_is_there_twice_is_none() -> None:
    assert only(parse(raw(*BODY)).lines, SiteLine) is not None
    assert only(parse(raw(*BODY, BODY[1])).lines, SiteLine) is None
