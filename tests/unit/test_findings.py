# SPDX-License-Identifier: GPL-2.0-only
"""Findings from consoles. Those in tests/data/console are real: a 7.2 kernel made to misbehave in
its third memmap_init_zone_device()."""

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.parse.console import bindings
from harness.parse.findings import MAX_FINDINGS, MAX_SPLAT_LINES, findings

DATA = Path(__file__).parent.parent / "data" / "console"
ASKED = {"nd_pmem": 3, "dax_pmem": 3}

#: File, what it shows as (kind, line, lines of the splat), how many of six bindings are whole.
GOLDEN: list[tuple[str, list[tuple[str, int, int]], int]] = [
    ("healthy", [], 6),
    ("warn", [("warn", 10, 39)], 6),
    ("warn-text", [("warn", 11, 40)], 6),
    ("oops", [("oops", 9, 43), ("panic", 63, 3)], 2),
    ("oops-hang", [("oops", 9, 43)], 2),
    ("general-protection", [("oops", 9, 38)], 2),
    ("bug", [("bug", 10, 40), ("panic", 60, 3)], 2),
    ("panic", [("panic", 9, 31)], 2),
    ("no-root", [("panic", 25, 17)], 0),
    ("bad-page", [("bad page state", 9, 37)], 6),
    ("scheduling-while-atomic", [("bug", 9, 33), ("bug", 42, 31), ("bug", 74, 38)], 6),
    ("soft-lockup", [("soft lockup", 9, 37), *(("soft lockup", n, 38) for n in (46, 84, 122))], 6),
    ("hung-task", [("hung task", 9, 32), ("hung task", 41, 32)], 6),
    ("hang", [], 2),
]


def console(name: str) -> str:
    return (DATA / f"{name}.log").read_text()


@pytest.mark.parametrize(("name", "expected", "whole"), GOLDEN, ids=[g[0] for g in GOLDEN])
def test_real_consoles(name: str, expected: list[tuple[str, int, int]], whole: int) -> None:
    text = console(name)
    shown = [(f.kind, f.line, f.splat.count("\n") + 1) for f in findings(text)]
    assert shown == expected
    read = bindings(text, ASKED)
    assert len(read.found) == whole
    assert bool(read.problems) == (whole < 6)


def test_every_console_is_in_the_table() -> None:
    assert {path.stem for path in DATA.iterdir()} == {golden[0] for golden in GOLDEN}


def test_a_splat_is_kept_from_scissors_to_end() -> None:
    splat = findings(console("warn"))[0].splat.split("\n")
    assert "cut here" in splat[0]
    assert "end trace" in splat[-1]
    assert any("memmap_init_zone_device+" in line for line in splat)


RULER = "=" * 66
WRITTEN = {
    "kasan": [RULER, "BUG: KASAN: use-after-free in memmap_init+0x1/0x2", "Write of size 8", RULER],
    "kmsan": [RULER, "BUG: KMSAN: uninit-value in memmap_init+0x1/0x2", "CPU: 0", RULER],
    "kfence": [RULER, "BUG: KFENCE: out-of-bounds write in f+0x1/0x2", "CPU: 0", RULER],
    "kcsan": [RULER, "BUG: KCSAN: data-race in f / g", "CPU: 0", RULER],
    "ubsan": [
        "------------[ cut here ]------------",
        "UBSAN: shift-out-of-bounds in mm/mm_init.c:1105:7",
        "shift exponent 64 is too large",
        "---[ end trace ]---",
    ],
    "lockdep": [
        "=" * 54,
        "WARNING: possible circular locking dependency detected",
        "7.2.13 #1 Not tainted",
        " </TASK>",
    ],
    "rcu stall": [
        "rcu: INFO: rcu_preempt self-detected stall on CPU",
        "rcu: \t0-....: (21000 ticks this GP) idle=4b1c/1/0x4000000000000000",
        " </TASK>",
    ],
    "hard lockup": ["watchdog: CPU0: Watchdog detected hard LOCKUP on cpu 0", "CPU: 0 PID: 1"],
    "warn": ["WARNING: CPU: 0 PID: 41 at mm/mm_init.c:1105 f+0x1/0x2", "---[ end trace 0 ]---"],
    "oops": ["general protection fault, probably for non-canonical address 0x1: 0000 [#1] SMP"],
    "bug": ["BUG: workqueue lockup - pool cpus=0 stuck for 31s!", "Showing busy workqueues"],
    "bad page state": ["BUG: Bad page map in process sh  pte:1 pmd:2"],
}


@pytest.mark.parametrize("kind", WRITTEN)
def test_every_kind_as_kernels_print_it(kind: str) -> None:
    stamped = [f"[   10.12345{n}][    C0] {line}\r" for n, line in enumerate(WRITTEN[kind])]
    after = "[   11.000000] memmap-harness: <end nd_pmem 1>"
    found = findings("\n".join(["[    9.0] usb 1-1: new device", *stamped, after]))
    assert [f.kind for f in found] == [kind]
    assert found[0].splat == "\n".join(stamped).replace("\r", "")


@pytest.mark.parametrize(
    "line",
    [
        "",
        "qemu-system-x86_64: warning: TCG doesn't support requested feature: CPUID.01H:ECX.pcid",
        "[    0.0] Kernel command line: panic=-1 oops=panic softlockup_panic=1",
        "[    0.1] Spectre V2 : WARNING: Unprivileged eBPF is enabled",
        "[    0.1] rcu: Hierarchical RCU implementation.",
        "[    0.1] rcu: \tRCU calculated value of scheduler-enlistment delay is 100 jiffies.",
        "[    1.1] traps: ndctl[60] general protection fault ip:1 sp:2 error:0",
        "WARNING: stdin/stdout/stderr not accessible via /proc/self/fd, falling back",
        "[    1.1] debug: a bug in BUGS: none",
        "[    1.1] x86/mm: Checked W+X mappings: passed, no W+X pages found.",
    ],
)
def test_what_healthy_boots_print_is_no_finding(line: str) -> None:
    assert findings(line) == ()


def test_a_panic_inside_a_splat_is_a_finding_of_its_own() -> None:
    text = "\n".join(
        ["WARNING: mm/x.c:1 at f+0x1/0x2", "CPU: 0", "Kernel panic - not syncing: panic_on_warn"]
    )
    assert [(f.kind, f.line) for f in findings(text)] == [("warn", 1), ("panic", 3)]


def test_a_splat_without_end_is_kept_only_so_far() -> None:
    text = "\n".join(["watchdog: BUG: soft lockup - CPU#0 stuck for 26s!"] + ["x"] * 1000)
    assert findings(text)[0].splat.count("\n") == MAX_SPLAT_LINES - 1


@given(st.text())
def test_any_text_is_read_without_an_error(text: str) -> None:
    assert all(found.line >= 1 and found.splat for found in findings(text))


@given(st.sampled_from([g[0] for g in GOLDEN]), st.integers(0, 400))
def test_lines_in_front_only_move_a_finding(name: str, count: int) -> None:
    moved = findings("noise\n" * count + console(name))
    expected = findings(console(name))
    assert [(f.kind, f.line - count, f.splat) for f in moved] == [
        (f.kind, f.line, f.splat) for f in expected
    ]


def test_a_flood_costs_no_time_and_what_is_in_it_is_found() -> None:
    began = time.process_time()
    bug = "[    1.0] BUG: Bad page state in process a  pfn:1\n"
    found = findings("y\n" * 1_000_000 + bug + "\n" * 1_000_000)
    assert [(f.kind, f.line) for f in found] == [("bad page state", 1_000_001)]
    assert time.process_time() - began < 5


def test_findings_without_end_are_cut_off() -> None:
    assert len(findings("kernel BUG at mm/x.c:1!\n---[ end trace 0 ]---\n" * 1000)) == MAX_FINDINGS
