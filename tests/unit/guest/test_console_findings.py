# SPDX-License-Identifier: GPL-2.0-only
"""Findings from consoles. Those in tests/data/console are real: a 7.2 kernel made to misbehave in
its third memmap_init_zone_device()."""

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import workloads
from harness.guest.console.console import steps
from harness.guest.console.console_findings import MAX_FINDINGS, MAX_SPLAT_LINES, findings
from harness.workloads.workload import Expected

DATA = Path(__file__).parents[2] / "data" / "console"
EXPECTED = {"nd_pmem": Expected(3), "dax_pmem": Expected(3)}

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
    ("bad-page", [("bad page state", 9, 38)], 6),
    ("scheduling-while-atomic", [("bug", 9, 33), ("bug", 42, 32), ("bug", 74, 38)], 6),
    (
        "soft-lockup",
        [
            ("soft lockup", 9, 37),
            *(("soft lockup", n, lines) for n, lines in ((46, 38), (84, 38), (122, 39))),
        ],
        6,
    ),
    ("hung-task", [("hung task", 9, 32), ("hung task", 41, 33)], 6),
    ("hang", [], 2),
]


def console(name: str) -> str:
    return (DATA / f"{name}.log").read_text()


@pytest.mark.parametrize(("name", "expected", "whole"), GOLDEN, ids=[g[0] for g in GOLDEN])
def test_real_consoles(name: str, expected: list[tuple[str, int, int]], whole: int) -> None:
    text = console(name)
    shown = [(f.kind, f.line, f.splat.count("\n") + 1) for f in findings(text)]
    assert shown == expected
    read = steps(text, EXPECTED, workloads.find("zone_device").read)
    assert len(read.found) == whole
    assert bool(read.problems) == (whole < 6)


def test_every_console_is_in_the_table() -> None:
    assert {path.stem for path in DATA.iterdir()} == {golden[0] for golden in GOLDEN}


def test_a_splat_is_taken_from_cut_here_to_end_trace() -> None:
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
    "splat": ["------------[ cut here ]------------", "CPU: 0", "---[ end trace 0 ]---"],
    "out of memory": [
        "sh invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0",
        "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),task=sh,pid=61,uid=0",
        "Out of memory: Killed process 61 (sh) total-vm:100kB, anon-rss:1kB",
    ],
    "messages dropped": ["** 12 printk messages dropped **"],
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
        "printk: legacy bootconsole [earlyser0] enabled",
        "[    1.1] ** replaying previous printk message **",
        "[    1.1] OOM killer enabled.",
        "[    1.1] oom_reaper: reaped process 61 (sh), now anon-rss:0kB, file-rss:0kB",
        "[    1.1] tmpfs: out of memory option given",
        "[    1.1] net 1: 12 packets dropped",
        "[    1.1] WARNING: at 10 past, nothing happened",
        "[    1.1] WARNING: [deprecated] use another option",
        "[    1.1]  Possible unsafe locking scenario:",
        "[    1.1] Lock dependency validator: Copyright (c) 2006 Red Hat, Inc., Ingo Molnar",
        "[    1.1] ... MAX_LOCKDEP_ENTRIES:    32768",
        "[    1.1] scissors: [ cut here ]",
        "[    1.1] the end trace",
        "[    1.1] x: detected buffer of 12 bytes",
        "[    1.1] SOFTIRQ-safe -> SOFTIRQ-unsafe lock order is fine",
        "=" * 54,
    ],
)
def test_lines_of_healthy_boots_are_not_findings(line: str) -> None:
    assert findings(line) == ()


#: All that kernel/locking/lockdep.c of v7.2 prints at the head of a splat.
LOCKDEP = (
    "WARNING: possible circular locking dependency detected",
    "WARNING: HARDIRQ-safe -> HARDIRQ-unsafe lock order detected",
    "WARNING: SOFTIRQ-READ-safe -> SOFTIRQ-READ-unsafe lock order detected",
    "WARNING: possible recursive locking detected",
    "WARNING: chain_key collision",
    "WARNING: inconsistent lock state",
    "WARNING: possible irq lock inversion dependency detected",
    "[ BUG: Invalid wait context ]",
    "WARNING: Nested lock was not taken",
    "WARNING: bad unlock balance detected!",
    "WARNING: bad contention detected!",
    "WARNING: held lock freed!",
    "WARNING: sh/60 still has locks held!",
    "WARNING: kworker/u8:0-events/60 still has locks held!",
    "WARNING: lock held when returning to user space!",
    "WARNING: suspicious RCU usage",
    "BUG: looking up invalid subclass: 9",
    "BUG: key ffff888003a1c0b8 has not been registered!",
    "BUG: MAX_STACK_TRACE_ENTRIES too low!",
    "BUG: MAX_LOCKDEP_KEYS too low!",
    "BUG: MAX_LOCKDEP_ENTRIES too low!",
    "BUG: MAX_LOCKDEP_CHAINS too low!",
    "BUG: MAX_LOCKDEP_CHAIN_HLOCKS too low!",
    "BUG: MAX_LOCK_DEPTH too low!",
    "INFO: trying to register non-static key.",
    "CPU 0 left hardirqs enabled!",
)
END = "[   10.200000] memmap-harness: <end nd_pmem 1>"


@pytest.mark.parametrize("heading", LOCKDEP)
def test_every_heading_of_lockdep_is_known(heading: str) -> None:
    lines = ["=" * 54, heading, "7.2.13 #1 Not tainted", "-" * 54, "stack backtrace:"]
    stamped = [f"[   10.1][    C0] {line}" for line in lines]
    (found,) = findings("\n".join([*stamped, END]))
    assert (found.kind, found.line, found.splat) == ("lockdep", 2, "\n".join(stamped))


CUT, TRACE = "------------[ cut here ]------------", "---[ end trace 0000000000000000 ]---"


@pytest.mark.parametrize(
    "lines",
    [
        ["WARNING: [nr == 0] mm/a.c:12 at f+0x1f/0x130, CPU#0: sh/60"],
        ["WARNING: [a[0] == ']' && b] mm/a.c:12 at f+0x1f/0x130, CPU#0: sh/60"],
        ["WARNING: at f+0x1f/0x130, CPU#0: sh/60"],
        ["WARNING: at 0xffffffff81000000, CPU#0: sh/60"],
        ["WARNING: mm/a.c:12 at f+0x1f/0x130, CPU#0: sh/60", "the words of a WARN()"],
        ["the words of a WARN()", "WARNING: CPU: 0 PID: 60 at mm/a.c:12 f+0x1f/0x130"],
        ["WARNING: CPU: 0 PID: 60 at f+0x1f/0x130"],
        ["WARNING: CPU: 0 PID: 60 at [nr == 0] mm/a.c:12 f+0x1f/0x130"],
        ["DEBUG_LOCKS_WARN_ON(1)", "WARNING: kernel/locking/lockdep.c:238 at f+0x1/0x2"],
        [
            'memcpy: detected field-spanning write (size 80) of single field "x" (size 8)',
            "WARNING: CPU: 0 PID: 60 at mm/a.c:9 f+0x1f/0x130",
        ],
        ["WARNING: lib/string_helpers.c:1036 at f+0x1/0x2", "memcpy: detected buffer overflow: 9"],
        # What is left where printk lost the line with the place.
        ["strlen: detected buffer overflow: 9 byte read of buffer size 8"],
    ],
)
def test_every_form_of_a_warning_is_one_finding(lines: list[str]) -> None:
    stamped = [f"[   10.1][   T60] {line}" for line in [CUT, *lines, "CPU: 0", TRACE]]
    assert [(f.kind, f.splat) for f in findings("\n".join([*stamped, END]))] == [
        ("warn", "\n".join(stamped))
    ]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([CUT], [("splat", 1)]),
        ([TRACE], [("splat", 1)]),
        ([TRACE, "fine", TRACE], [("splat", 1), ("splat", 3)]),
        ([CUT, "CPU: 0", END, "x", TRACE], [("splat", 1), ("splat", 5)]),
        ([CUT, *"123456", "WARNING: mm/a.c:1 at f+0x1/0x2"], [("splat", 1), ("warn", 8)]),
        # Without the first one's end.
        (
            [CUT, "WARNING: mm/a.c:1 at f", CUT, "WARNING: mm/b.c:1 at g"],
            [("warn", 2), ("warn", 4)],
        ),
        # No scissors belong to a lockup, but a trace may end in its splat.
        (["BUG: soft lockup - CPU#0 stuck", TRACE, "x"], [("soft lockup", 1)]),
        (["WARNING: mm/a.c:1 at f", TRACE, TRACE], [("warn", 1), ("splat", 3)]),
    ],
)
def test_cut_here_alone_is_a_finding(lines: list[str], expected: list[tuple[str, int]]) -> None:
    assert [(f.kind, f.line) for f in findings("\n".join(lines))] == expected


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("Out of memory: Killed process 61 (sh) total-vm:100kB, anon-rss:1kB", "out of memory"),
        ("Memory cgroup out of memory: Killed process 61 (sh)", "out of memory"),
        ("Out of memory and no killable processes...", "out of memory"),
        ("sh invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0", "out of memory"),
        ("** 1 printk messages dropped **", "messages dropped"),
        ("** 8 printk messages dropped ** [    9.1] usb 1-1: new device", "messages dropped"),
        ("printk: dropped 5 messages", "messages dropped"),
    ],
)
def test_out_of_memory_and_lost_messages_are_findings(line: str, kind: str) -> None:
    found = findings(f"[    1.0] fine\n[   10.1] {line}\n{END}")
    assert [(f.kind, f.line) for f in found] == [(kind, 2)]


def test_a_panic_inside_a_splat_is_a_finding_of_its_own() -> None:
    text = "\n".join(
        ["WARNING: mm/x.c:1 at f+0x1/0x2", "CPU: 0", "Kernel panic - not syncing: panic_on_warn"]
    )
    assert [(f.kind, f.line) for f in findings(text)] == [("warn", 1), ("panic", 3)]


def test_a_splat_without_end_is_limited() -> None:
    text = "\n".join(["watchdog: BUG: soft lockup - CPU#0 stuck for 26s!"] + ["x"] * 1000)
    assert findings(text)[0].splat.count("\n") == MAX_SPLAT_LINES - 1


@given(st.text())
def test_any_text_is_read_without_an_error(text: str) -> None:
    assert all(found.line >= 1 and found.splat for found in findings(text))


@given(st.sampled_from([g[0] for g in GOLDEN]), st.integers(0, 400))
def test_earlier_lines_only_move_a_finding(name: str, count: int) -> None:
    moved = findings("noise\n" * count + console(name))
    expected = findings(console(name))
    assert [(f.kind, f.line - count, f.splat) for f in moved] == [
        (f.kind, f.line, f.splat) for f in expected
    ]


def test_a_flooded_console_is_searched_quickly() -> None:
    began = time.process_time()
    bug = "[    1.0] BUG: Bad page state in process a  pfn:1\n"
    found = findings("y\n" * 1_000_000 + bug + "\n" * 1_000_000)
    assert [(f.kind, f.line) for f in found] == [("bad page state", 1_000_001)]
    assert time.process_time() - began < 5


def test_the_number_of_findings_is_limited() -> None:
    assert len(findings("kernel BUG at mm/x.c:1!\n---[ end trace 0 ]---\n" * 1000)) == MAX_FINDINGS
