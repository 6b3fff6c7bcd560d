# SPDX-License-Identifier: GPL-2.0-only
"""Kernel logs of other machines: read right, or refused in one line."""

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import workloads
from harness.errors import InputError
from harness.measure.reported import kernel_logs
from harness.measure.reported.kernel_logs import ReportedBoot
from harness.measure.reported.log_lines import messages

DATA = Path(__file__).parents[2] / "data" / "console"
WORKLOAD = workloads.find("zone_device")
FUNCTION = WORKLOAD.function
LINUX = "Linux version 7.2.0-rc1 (me@host) (gcc (GCC) 14.2.1 20250110 (X 14), GNU ld 2.43) #1 SMP"
COMMAND = f'Command line: BOOT_IMAGE=/vmlinuz root=/dev/sda1 "dyndbg=func {FUNCTION} +p"'
JIFFIES = "clocksource: jiffies: mask: 0xffffffff max_cycles: 0xffffffff, max_idle_ns: {} ns"
DMI = "DMI: Dell Inc. PowerEdge R750/0PJ80M, BIOS 1.5.4 12/17/2021"
CPU0 = (
    "smpboot: CPU0: Intel(R) Xeon(R) Platinum 8380 CPU @ 2.30GHz (family: 0x6, model: 0x6a, "
    "stepping: 0x6)"
)
START = (LINUX, COMMAND, DMI, JIFFIES.format(1911260446275000), CPU0)


def report(ms: int, pages: int = 25804288) -> str:
    return f"{FUNCTION} initialised {pages} pages in {ms}ms"


def boots(name: str, raw: bytes, metrics: tuple[str, ...] = ()) -> tuple[ReportedBoot, ...]:
    return kernel_logs.boots(WORKLOAD, name, raw, metrics)


def one(*lines: str, drivers: tuple[str, ...] = ("nd_pmem",)) -> ReportedBoot:
    (boot,) = boots("a.log", "\n".join(lines).encode(), drivers)
    return boot


def ms(boot: ReportedBoot) -> list[int]:
    return [s.ns // 1_000_000 for s in boot.steps]


PREFIXES = {
    "none": "",
    "printk time": "[   12.345678] ",
    "raw": "<7>[   12.345678] ",
    "caller": "[   12.345678][   T42] ",
    "caller with a space": "<7>[   12.345678] [    C0] ",
    "decoded": "kern  :debug : [   12.345678] ",
    "ctime": "[Mon Nov 30 18:03:10 2026] ",
    "iso": "2026-11-30T18:03:10,123456+00:00 ",
    "reltime": "[  +0.000123] ",
    "reltime, the first": "[Nov30 18:03] ",
    "delta": "[   12.345678 <    0.000001>] ",
    "journal short": "Nov 30 18:03:10 host kernel: ",
    "journal short-precise": "Nov  3 18:03:10.123456 host-1.example kernel: ",
    "journal short-full": "Mon 2026-11-30 18:03:10 UTC host kernel: ",
    "journal short-iso": "2026-11-30T18:03:10+0000 host kernel: ",
    "journal short-iso-precise": "2026-11-30T18:03:10.123456+00:00 host kernel: ",
    "journal short-monotonic": "[   12.345678] host kernel: ",
    "journal short-unix": "1796061790.123456 host kernel: ",
    "syslog": "Nov 30 18:03:10 host kernel: [   12.345678] ",
    "rfc 5424": "<7>1 2026-11-30T18:03:10.123456+00:00 host kernel - - - [   12.345678] ",
    "kmsg": "7,1234,12345678,-;",
    "kmsg with caller": "7,1234,12345678,-,caller=T42;",
    "serial, stamped": "[2026-11-30 18:03:10.123] [   12.345678] ",
    "terminal clock": "18:03:10.123 [   12.345678] ",
    "quoted in a mail": "> > [   12.345678] ",
    "coloured": "\x1b[32m[   12.345678] \x1b[0m\x1b[33m",
    "dynamic debug +pmflt": "[   12.345678] [999] mm_init:memmap_init_zone_device:1147: ",
    "dynamic debug +pf": "[   12.345678] memmap_init_zone_device: ",
}


@pytest.mark.parametrize("ending", ["", "\r", " \x1b[0m"])
@pytest.mark.parametrize("name", PREFIXES)
def test_a_line_is_read_with_any_prefix(name: str, ending: str) -> None:
    lines = [f"{PREFIXES[name]}{report(n)}{ending}" for n in (7, 273, 274)]
    boot = one(*lines)
    assert ms(boot) == [273, 274], "the first may not be the first binding"
    assert {b.nr_pages for b in boot.steps} == {25804288}
    assert boot.problems == ()
    if "12.345678" in PREFIXES[name] or "12345678" in PREFIXES[name]:
        assert boot.steps[0].at_us == 12345678


def test_there_are_at_least_fourteen_forms() -> None:
    assert len(PREFIXES) >= 14


def journal(text: str | list[int], **fields: object) -> str:
    entry = {"_TRANSPORT": "kernel", "_BOOT_ID": "a" * 32, "__MONOTONIC_TIMESTAMP": "12345678"}
    return json.dumps(entry | {"MESSAGE": text} | fields)


def test_a_journal_in_json() -> None:
    lines = [journal(text) for text in (*START, report(300), report(273))]
    lines.insert(6, journal(report(1), _TRANSPORT="stdout"))
    lines.append(journal(list(report(274).encode())))
    lines.append(journal(report(275), _SOURCE_MONOTONIC_TIMESTAMP="12400000"))
    boot = one(*lines)
    assert ms(boot) == [300, 273, 274, 275]
    assert boot.steps[1].at_us == 12345678
    assert boot.steps[3].at_us == 12400000


def test_a_journal_in_export_format() -> None:
    entries = [
        f"_BOOT_ID={boot * 32}\n__MONOTONIC_TIMESTAMP={at}\n_TRANSPORT=kernel\nMESSAGE={text}\n"
        for boot, at, text in (
            ("a", 1, LINUX), ("a", 5, report(9)), ("a", 7, report(10)),
            ("b", 1, LINUX), ("b", 5, report(11)), ("b", 7, report(12)),
        )
    ]  # fmt: skip
    found = boots("a.export", "\n".join(entries).encode(), ("nd_pmem",))
    assert [ms(boot) for boot in found] == [[10], [12]]
    assert [boot.steps[0].at_us for boot in found] == [7, 7]


def test_dmesg_in_json() -> None:
    text = ",\n".join(
        f'{{\n "pri": 7,\n "time": {at},\n "msg": {json.dumps(said)}\n}}'
        for at, said in ((0.0, LINUX), (1.5, report(9)), (12.345678, report(10)))
    )
    (boot,) = boots("a.json", f'{{\n"dmesg": [\n{text}\n]\n}}'.encode(), ("nd_pmem",))
    assert [(b.ns, b.at_us) for b in boot.steps] == [(10_000_000, 12345678)]


def test_a_kmsg_dump_has_continuation_lines() -> None:
    lines = [f"7,{n},{n}00,-;{report(n)}\n SUBSYSTEM=nd\n DEVICE=+nd:pfn0.0" for n in (1, 2, 3)]
    assert ms(one(*lines)) == [2, 3]


def test_what_a_whole_log_says() -> None:
    boot = one(*START, report(300), report(273), report(274))
    kernel = boot.kernel
    assert kernel.release == "7.2.0-rc1"
    assert kernel.compiler == "gcc (GCC) 14.2.1 20250110 (X 14)"
    assert (kernel.cpu_id, kernel.hypervisor, kernel.hz) == ("GenuineIntel 6 106", "none", 1000)
    assert kernel.cpu == "Intel(R) Xeon(R) Platinum 8380 CPU @ 2.30GHz"
    assert [(b.index, b.ns // 1_000_000) for b in boot.steps] == [(0, 300), (1, 273), (2, 274)]
    assert not any("CPU" in text or "HZ" in text for text in boot.unvouched)


@pytest.mark.parametrize(
    ("idle", "hz"),
    [(19112604462750000, 100), (7645041785100000, 250), (6370867519511994, 300),
     (1911260446275000, 1000), (1234, 0)],
)  # fmt: skip
def test_hz_is_read_from_the_clock_of_jiffies(idle: int, hz: int) -> None:
    boot = one(LINUX, JIFFIES.format(idle), report(1), report(2))
    assert boot.kernel.hz == hz
    assert any("HZ" in text for text in boot.unvouched) == (hz == 0)


@pytest.mark.parametrize(
    ("line", "hypervisor"),
    [("Hypervisor detected: KVM", "kvm"),
     ("DMI: QEMU Standard PC (Q35 + ICH9, 2009), BIOS 1.16", "unknown"),
     ("ACPI: RSDP 0x00000000000F5220 000014 (v00 BOCHS )", "unknown"),
     ("DMI: Amazon EC2 m5.metal/, BIOS 1.0", "none"),
     ("DMI: Amazon EC2 m5.large/, BIOS 1.0", "unknown"),
     ("smpboot: CPU0: QEMU TCG CPU version 2.5+ (family: 0xf, model: 0x6b, stepping: 0x1)", "tcg"),
     (DMI, "none"), ("nothing", "")],
)  # fmt: skip
def test_what_the_machine_runs_on(line: str, hypervisor: str) -> None:
    assert one(LINUX, line, report(1), report(2)).kernel.hypervisor == hypervisor


def test_a_wrapped_buffer_does_not_show_the_first_binding() -> None:
    cut = report(300)[20:]
    boot = one(f"  {cut[25:]}", "[ 5.000000] x", report(273), report(274), report(275))
    assert ms(boot) == [274, 275]
    assert any("left out" in text for text in boot.unvouched)
    assert any("before its first line" in text for text in boot.unvouched)
    assert any("HZ" in text for text in boot.unvouched)


def test_without_dyndbg_from_the_start_the_first_line_may_be_any_binding() -> None:
    boot = one(LINUX, "Command line: quiet", DMI, report(300), report(273))
    assert ms(boot) == [273]


@pytest.mark.parametrize(
    "line",
    [
        f"[    1.0] {FUNCTION} initialised 2580[    1.0] usb 1-1: new device",
        f"[    1.0] {report(273)}[    1.0] usb 1-1: new device",
        f"[    1.0] usb 1-1: new {report(273)}",
        "[    1.0] initialised 25804288 pages in 273ms",
        "ised 25804288 pages in 273ms",
        f"[    1.0] {FUNCTION} initialised 25804288 pages in 273",
        f"[    1.0] {FUNCTION} initialised 25804288 pages in -273ms",
        f"Nov 30 18:03:10 host sshd[1]: {report(273)}",
        f"[    1.0] user said: {report(273)}",
    ],
)
def test_an_interleaved_or_foreign_line_is_a_problem_and_no_binding(line: str) -> None:
    boot = one(report(270), report(271), line, report(272))
    assert ms(boot) == [271, 272]
    assert len(boot.problems) == 1
    assert boot.problems[0].startswith("line 3: cut, or mixed")


@pytest.mark.parametrize(
    "line",
    [
        f" ? {FUNCTION}+0x1/0x2",
        COMMAND,
        f'dyndbg: query 0: "func {FUNCTION} +p" mod:*',
        "pages in use",
        "",
    ],
)
def test_other_lines_that_name_the_function_are_no_problem(line: str) -> None:
    assert one(report(270), report(271), line, report(272)).problems == ()


def test_two_boots_in_one_file() -> None:
    first = [*START, report(300), report(273)]
    second = [*START, report(301), report(274), report(275)]
    found = boots("a.log", "\n".join([*first, *second]).encode(), ("nd_pmem",))
    assert [ms(boot) for boot in found] == [[300, 273], [301, 274, 275]]
    assert [boot.line for boot in found] == [1, 8]


@pytest.mark.parametrize("rule", ["-- Boot 0123456789abcdef0123456789abcdef --", "-- Reboot --"])
def test_a_rule_of_the_journal_separates_boots(rule: str) -> None:
    lines = [report(1), report(2), rule, report(3), report(4)]
    found = boots("a.log", "\n".join(lines).encode(), ("nd_pmem",))
    assert [ms(boot) for boot in found] == [[2], [4]]


def test_a_time_that_goes_back_begins_another_boot() -> None:
    times = (100.0, 100.2, 100.1, 5.0, 6.0)
    lines = [f"[{at:12.6f}] {report(n)}" for n, at in enumerate(times)]
    found = boots("a.log", "\n".join(lines).encode(), ("nd_pmem",))
    assert [ms(boot) for boot in found] == [[1, 2], [4]]


def drivers(boot: ReportedBoot) -> list[str]:
    return [b.metric for b in boot.steps]


def test_drivers_from_lines_above() -> None:
    lines = [*START]
    for n, name in enumerate(("pfn0.0", "dax1.0", "pfn0.0", "dax1.0")):
        lines += [f"rebind: {name}", report(100 + n)]
    boot = one(*lines, drivers=())
    assert drivers(boot) == ["nd_pmem", "dax_pmem"] * 2
    assert [b.index for b in boot.steps] == [0, 0, 1, 1]


def test_drivers_from_lines_below() -> None:
    lines = [LINUX, COMMAND]
    for n, name in enumerate(("pmem0: detected capacity change", "dax_pmem dax1.0: bound")):
        lines += [report(100 + n), name]
    assert drivers(one(*lines, drivers=())) == ["nd_pmem", "dax_pmem"]


@pytest.mark.parametrize(
    "between",
    [
        ("", "pmem0: x", "", ""),
        ("dax0.0", "", "pmem0", ""),
        ("pmem0 dax0.0", "dax0.0", "pmem0", ""),
        # Each line is below one binding and above the next.
        ("pmem0", "dax0.0", "pmem0", "dax0.0"),
    ],
)
def test_lines_that_may_be_about_either_binding_say_nothing(between: tuple[str, ...]) -> None:
    lines = [LINUX, COMMAND]
    for text, n in zip(between, range(3), strict=False):
        lines += [text, report(100 + n)]
    with pytest.raises(InputError, match="line 4: not known whose binding this is"):
        one(*lines, between[-1], drivers=())


def test_drivers_that_were_bound_in_turn() -> None:
    boot = one(*START, *map(report, range(1, 5)), drivers=("dax_pmem", "nd_pmem"))
    assert drivers(boot) == ["dax_pmem", "nd_pmem"] * 2
    assert [b.index for b in boot.steps] == [0, 0, 1, 1]


def test_a_driver_that_is_not_known_is_refused_with_the_line() -> None:
    with pytest.raises(InputError, match=r"a.log: line 6: not known whose.*--driver"):
        one(*START, report(1), report(2), drivers=())


def test_a_console_of_our_guest_has_markers() -> None:
    raw = (DATA / "healthy.log").read_bytes()
    (boot,) = boots("healthy.log", raw)
    assert boot.problems == ()
    assert [(b.metric, b.index) for b in boot.steps] == [
        (driver, index) for driver in WORKLOAD.metrics for index in range(3)
    ]
    cut = raw.replace(b"<end nd_pmem 1>", b"<end nd_pm")
    (boot,) = boots("healthy.log", cut)
    assert any("nd_pmem 1" in problem for problem in boot.problems)
    assert (("nd_pmem", 1)) not in [(b.metric, b.index) for b in boot.steps]


def test_a_splat_is_found_with_its_line_in_the_file() -> None:
    splat = "BUG: unable to handle page fault for address: 0"
    boot = one(LINUX, report(1), report(2), f"Nov 30 18:03:10 host kernel: {splat}")
    assert [(f.kind, f.line) for f in boot.findings] == [("oops", 4)]


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "has no line of memmap_init_zone_device"),
        (b"\0" * 1000, "has no line of"),
        (b"\xff\xfe" * 1000, "has no line of"),
        (b"\x1f\x8b\x08rest", "is compressed. Unpack it first"),
        (b"\xfd7zXZ\0", "is compressed"),
        (b"{" * 100_000, "has no line of"),
        (b"[" * 100_000, "has no line of"),
        (b'{"MESSAGE":' * 10_000, "has no line of"),
        (b"x" * (kernel_logs.MAX_LOG_BYTES + 1), "too large for a kernel log"),
        (b'{"is":"kernel","release":"1"}\n', "has no bindings"),
        (b'{"is":"failed","what":"no \\n\\u001b[31m"}\n', "has no bindings"),
        ((f"{LINUX}\n{report(1)}\n" * 200).encode(), "holds over 100 boots"),
    ],
)
def test_files_that_are_not_kernel_logs_are_refused(raw: bytes, says: str) -> None:
    with pytest.raises(InputError, match=says):
        boots("a.log", raw, ("nd_pmem",))


def test_a_line_without_end_is_cut() -> None:
    text = f"{report(1)}\n{report(2)}{'x' * 1_000_000}\n{report(3)}\n"
    (boot,) = boots("a.log", text.encode(), ("nd_pmem",))
    assert ms(boot) == [3]
    assert len(boot.problems) == 1


def test_markers_that_count_to_a_million_are_refused() -> None:
    text = "memmap-harness: <begin nd_pmem 999999>\n" + report(1)
    (boot,) = boots("a.log", text.encode())
    assert boot.steps == ()
    assert boot.problems == ("a marker counts over 1000 rebinds",)


def test_markers_of_something_else_are_a_problem() -> None:
    text = f"memmap-harness: <begin e1000 0>\n{report(1)}\nmemmap-harness: <end e1000 0>\n"
    (boot,) = boots("a.log", text.encode())
    assert boot.steps == ()
    assert boot.problems == ("line 1: not asked for, e1000 0",)


PIECES = st.sampled_from(
    [*PREFIXES.values(), *START, report(1), report(99), FUNCTION, "initialised 1 pages in ",
     "memmap-harness: <begin nd_pmem 1>", "memmap-harness: <end nd_pmem 1>", "\n", "\r\n", '{"',
     '"is":"', "MESSAGE=", "-- Reboot --", "pmem0", "dax0.0", "\0", "\x1b[", "7,1,2,-;", "99999999"]
)  # fmt: skip


@given(st.one_of(st.binary(), st.lists(PIECES, max_size=60).map(lambda p: "".join(p).encode())))
def test_any_bytes_are_read_or_refused_in_one_line(raw: bytes) -> None:
    for whose in ((), ("nd_pmem",), ("nd_pmem", "dax_pmem")):
        try:
            found = boots("a.log", raw, whose)
        except InputError as error:
            assert "\n" not in str(error)
            continue
        for boot in found:
            msgspec.json.encode(boot)
            assert all(b.metric in whose or not whose for b in boot.steps) or b"<begin" in raw
            assert len({(b.metric, b.index) for b in boot.steps}) == len(boot.steps)


@given(st.text(st.characters(codec="utf-8")))
def test_a_message_is_never_longer_than_its_line(text: str) -> None:
    lines = text.split("\n")
    for message in messages(text):
        assert len(message.text) <= len(lines[message.line - 1])
