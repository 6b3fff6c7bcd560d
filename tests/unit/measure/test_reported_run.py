# SPDX-License-Identifier: GPL-2.0-only
"""Logs of another machine as a run: what counts, what is refused, and what may be concluded."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from harness.cli import cli
from harness.errors import InputError
from harness.host.cache import Cache
from harness.judge.conclude import Conclusion, conclude
from harness.measure.reported.run import record
from harness.project.bundle_contents import contents
from harness.record import store
from harness.record.record import BootRun
from harness.report.page import run_page
from tests.unit.builders import checkout, claims
from tests.unit.guest.test_agent_log import NOTES
from tests.unit.measure.test_kernel_logs import COMMAND, CPU0, DMI, JIFFIES, START, report

replace = msgspec.structs.replace
SLUG = "memcpy-streaming"
TIP = "Linux version 7.2.0-rc1-00008-gabcdef (me@host) (gcc (GCC) 14.2.1 20250110 (X 14), GNU ld 2)"
MACHINE = {
    "is": "machine", "cpu": "A Xeon", "cpu_id": "GenuineIntel 6 106", "cpus": 8,
    "memory_kib": 1 << 24, "hypervisor": "none", "hz": 1000, "hres": "1", "tainted": 0,
    "rebinds": 3,
}  # fmt: skip
NAMESPACE = {
    "is": "namespace", "driver": "nd_pmem", "device": "pfn0.0", "listed": None,
    "sysfs_mode": "pmem", "sysfs_align": "2097152", "sysfs_size": str(4 << 30),
}  # fmt: skip
PAGES = 1031680


def dmesg(ms: int, linux: str = START[0], *, extra: Sequence[str] = ()) -> str:
    """A whole log: the first binding of nd_pmem and three rebinds."""
    lines = [linux, *START[1:], *extra]
    lines += [report(one) for one in (ms + 30, ms, ms + 1, ms + 2)]
    return "".join(f"[{n:5}.{ms:06}] {line}\n" for n, line in enumerate(lines))


def procedure(ms: int, **changes: object) -> str:
    """A log of the procedure: three rebinds of nd_pmem."""
    notes = NOTES if ms > 200 else NOTES.replace("b25c", "c25c")
    log = ["memmap-harness: <started>"]
    for n in range(1, 4):
        log += [f"memmap-harness: <begin nd_pmem {n}>", report(ms + n, PAGES)]
        log += [f"memmap-harness: <end nd_pmem {n}>"]
    lines = [
        {"is": "kernel", "release": "7.2.0", "notes": notes, "command_line": "quiet"},
        {"is": "site", "text": "mm/mm_init.c:1147 [mm_init]memmap_init_zone_device =p %s"},
        {"is": "tracepoint", "state": "0"},
        MACHINE | changes,
        NAMESPACE,
        *({"is": "log", "text": f"[{ms:5}.{n:06}] {text}"} for n, text in enumerate(log)),
    ]
    lines.append({"is": "end", "lines": len(lines)})
    return "".join(json.dumps(line).replace('{"is": ', '{"is":') + "\n" for line in lines)


class Imported:
    """A checkout, into which logs are imported."""

    def __init__(self, root: Path) -> None:
        self.project = checkout(root / "checkout")
        self.folder = root

    def paths(self, build: str, logs: Sequence[str]) -> list[Path]:
        paths = [self.folder / f"{build}{n}.log" for n in range(len(logs))]
        for path, log in zip(paths, logs, strict=True):
            path.write_text(log)
        return paths

    def __call__(
        self, base: Sequence[str], tip: Sequence[str], drivers: Sequence[str] = ("nd_pmem",)
    ) -> BootRun:
        logs = {"base": self.paths("base", base), "tip": self.paths("tip", tip)}
        made = record(self.project, self.project.series(SLUG), 2, logs, drivers)
        stored = store.load(store.folder_of(self.project.results, made))
        assert stored == made
        assert store.is_null(store.folder_of(self.project.results, made)) is made.is_null is False
        return made


@pytest.fixture
def imported(tmp_path: Path) -> Imported:
    return Imported(tmp_path)


def both(base: int = 270, tip: int = 109, boots: int = 3) -> dict[str, list[str]]:
    return {
        "base": [dmesg(base + 2 * n) for n in range(boots)],
        "tip": [dmesg(tip + 2 * n, TIP) for n in range(boots)],
    }


def concluded(rec: BootRun, **changes: object) -> Conclusion:
    return conclude(rec, [replace(claims()[0], **changes)])


def test_samples_and_their_boots(imported: Imported) -> None:
    rec = imported(**both())
    assert (rec.evidence, rec.outcome, rec.setup.boots, rec.setup.rebinds) == (
        "reported", "complete", 3, 3,
    )  # fmt: skip
    assert [(b.build, b.number, b.counts) for b in rec.boots] == [
        (build, n, True) for build in ("base", "tip") for n in (1, 2, 3)
    ]
    assert [(s.op, s.ns // 10**6, s.resolution_ns) for s in rec.boots[0].samples] == [
        ("first", 300, 10**6), ("rebind", 270, 10**6), ("rebind", 271, 10**6),
        ("rebind", 272, 10**6),
    ]  # fmt: skip
    assert rec.machine.cpu_id == "GenuineIntel 6 106"
    assert [b.release for b in rec.builds] == ["7.2.0-rc1"] * 2
    log = store.folder_of(imported.project.results, rec) / rec.boots[0].logs[0].path
    assert log.read_text() == dmesg(270)


@pytest.mark.parametrize(
    ("percent", "word"), [(59.4, "supported"), (80.0, "doubted"), (64.6, "open")]
)
def test_logs_support_or_doubt_a_claim_and_never_decide_it(
    imported: Imported, percent: float, word: str
) -> None:
    (verdict,) = concluded(imported(**both()), reduction_percent=percent).verdicts
    assert verdict.verdict == word
    assert verdict.evidence == "reported"


def test_too_few_boots_leave_it_open(imported: Imported) -> None:
    (verdict,) = concluded(imported(**both(boots=1))).verdicts
    assert verdict.verdict == "open"


@pytest.mark.parametrize(
    ("setup", "line", "word"),
    [
        ("physical", DMI, "supported"),
        ("physical", "Hypervisor detected: KVM", "untested"),
        ("physical", "", "untested"),
        ("vm", DMI, "untested"),
        ("vm", "Hypervisor detected: KVM", "supported"),
        ("vm", "", "supported"),
        (None, DMI, "supported"),
    ],
)
def test_a_claim_about_a_set_up_needs_a_machine_of_that_kind(
    imported: Imported, setup: str | None, line: str, word: str
) -> None:
    logs = {build: [log.replace(DMI, line) for log in logs] for build, logs in both().items()}
    (verdict,) = concluded(imported(**logs), setup=setup).verdicts
    assert verdict.verdict == word
    assert (verdict.effect is not None) == (verdict.shown_percent is not None)


def test_logs_of_an_emulated_machine_decide_nothing(imported: Imported) -> None:
    emulated = "smpboot: CPU0: QEMU TCG CPU version 2.5+ (family: 0xf, model: 0x6b, stepping: 0x1)"
    logs = {build: [log.replace(CPU0, emulated) for log in of] for build, of in both().items()}
    (verdict,) = concluded(imported(**logs)).verdicts
    assert verdict.verdict == "untested"
    assert "emulated" in verdict.reason


def test_without_hz_the_coarsest_tick_is_assumed(imported: Imported) -> None:
    jiffies = JIFFIES.format(1911260446275000)
    logs = {build: [log.replace(jiffies, "") for log in of] for build, of in both().items()}
    rec = imported(**logs)
    assert {s.resolution_ns for boot in rec.boots for s in boot.samples} == {10**7}
    assert any("HZ" in text for text in rec.boots[0].unvouched)


def test_different_command_lines_spoil_the_run(imported: Imported) -> None:
    logs = both()
    logs["tip"] = [log.replace(COMMAND, f"{COMMAND} mitigations=off") for log in logs["tip"]]
    (verdict,) = concluded(imported(**logs)).verdicts
    assert verdict.verdict == "open"
    assert "kernel command line differs" in verdict.reason


def test_image_and_root_may_differ(imported: Imported) -> None:
    logs = both()
    logs["tip"] = [
        log.replace("/vmlinuz", "/vmlinuz-7.2-tip").replace("/dev/sda1", "UUID=1")
        for log in logs["tip"]
    ]
    (verdict,) = concluded(imported(**logs)).verdicts
    assert verdict.verdict == "supported"


def test_a_cut_line_spoils_the_run(imported: Imported) -> None:
    logs = both()
    logs["tip"][1] = logs["tip"][1].replace(report(111), report(111)[:-8])
    (verdict,) = concluded(imported(**logs)).verdicts
    assert verdict.verdict == "open"
    assert "boot 2 of tip" in verdict.reason


def test_a_splat_spoils_the_run(imported: Imported) -> None:
    logs = both()
    logs["base"][0] += "[  99.000000] BUG: unable to handle page fault for address: 0\n"
    (verdict,) = concluded(imported(**logs)).verdicts
    assert verdict.verdict == "open"
    assert "shows oops" in verdict.reason


def test_a_log_of_the_procedure_is_checked_like_a_boot(imported: Imported) -> None:
    rec = imported(
        [procedure(300 + n) for n in range(3)], [procedure(120 + n) for n in range(3)], ()
    )
    assert all(boot.counts for boot in rec.boots), rec.boots[0].checks
    names = {check.name for check in rec.boots[0].checks}
    assert {
        "end marker",
        "pr_debug",
        "page_ref_set",
        "nd_pmem namespace",
        "nd_pmem bindings",
    } <= names
    assert [s.op for s in rec.boots[0].samples] == ["rebind"] * 3
    assert rec.builds[0].build_id != rec.builds[1].build_id != ""
    assert rec.machine.cpus == 8
    (verdict,) = concluded(rec, setup="physical").verdicts
    assert verdict.verdict == "supported"


@pytest.mark.parametrize(
    ("old", "new", "fails"),
    [
        ('"rebinds": 3', '"rebinds": 4', "nd_pmem bindings"),
        ('"hres": "1"', '"hres": "0"', "high resolution timers"),
        (" =p ", " =_ ", "pr_debug"),
        ('"state": "0"', '"state": "1"', "page_ref_set"),
        ('{"is":"end"', '{"is":"other"', "end marker"),
        (str(4 << 30), str(2 << 30), "nd_pmem namespace"),
        (str(4 << 30), "x", "nd_pmem namespace"),
        ("<end nd_pmem 2>", "<end nd_pm", "no stray report"),
        (report(302, PAGES), report(302, PAGES - 1), "nd_pmem pages"),
    ],
)
def test_each_check_of_a_procedures_log(imported: Imported, old: str, new: str, fails: str) -> None:
    logs = [procedure(300 + n) for n in range(3)]
    assert old in logs[0]
    rec = imported([logs[0].replace(old, new), *logs[1:]], [procedure(120)], ())
    failed = [check.name for check in rec.boots[0].checks if not check.ok]
    assert fails in failed
    (verdict,) = concluded(rec).verdicts
    assert verdict.verdict == "open"


def test_a_run_of_the_procedure_that_failed_does_not_count(imported: Imported) -> None:
    failed = procedure(300).replace(
        '{"is":"end"', '{"is":"failed","what":"interrupted"}\n{"is":"end"'
    )
    rec = imported([failed, procedure(301)], [procedure(120)], ())
    assert (rec.boots[0].outcome, rec.boots[0].reason) == ("failed", "interrupted")
    assert concluded(rec).verdicts[0].verdict == "open"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda logs: logs["base"].append(logs["base"][0]), "the same log is given twice"),
        (lambda logs: logs["tip"].append(logs["base"][0]), "the same log is given twice"),
        (
            lambda logs: logs["base"].append(logs["base"][0] + "x"),
            r"base3.log: line \d+: the same binding as line \d+ of .*base0.log",
        ),
        (
            lambda logs: logs["base"].append(dmesg(280, TIP)),
            "base3.log: line 1: kernel .*expected one machine, and one kernel per build",
        ),
        (
            lambda logs: logs["tip"].append(dmesg(130, TIP).replace("8380", "8360Y")),
            "tip3.log: line 1: CPU .*8360Y.*; .*base0.log has .*8380",
        ),
        (lambda logs: logs["tip"].append("nothing"), "tip3.log: has no line of"),
    ],
)
def test_logs_that_do_not_belong_together_are_refused(
    imported: Imported, change: object, says: str
) -> None:
    logs = both()
    assert callable(change)
    change(logs)
    with pytest.raises(InputError, match=says) as refused:
        imported(**logs)
    assert "\n" not in str(refused.value)
    assert not imported.project.results.exists()


def test_base_and_tip_of_one_build_id_are_refused(imported: Imported) -> None:
    with pytest.raises(InputError, match="base and tip ran the same kernel"):
        imported([procedure(300)], [procedure(310)], ())


def run(imported: Imported, *words: str) -> tuple[int, str]:
    done = CliRunner(env={"MEMMAP_HARNESS_ROOT": str(imported.project.root)}).invoke(
        cli, ["import-logs", *words]
    )
    return done.exit_code, done.output + str(done.exception or "")


def test_the_command_takes_several_logs_per_option(imported: Imported) -> None:
    logs = both()
    base, tip = (map(str, imported.paths(build, of)) for build, of in logs.items())
    code, text = run(
        imported, "--base", *base, "--driver", "nd_pmem", "--tip", *tip, "--claim", "nd_pmem=50%"
    )
    assert code == 0, text
    assert re.search(r"^nd_pmem +50\.0 % .* supported$", text, re.MULTILINE), text
    assert "taken on trust: which patches the kernel has, and its build id" in " ".join(
        text.split()
    )
    (folder,) = store.runs(imported.project.results)
    assert (folder / "claims.yaml").exists()


def test_programs_pages_and_bundles_say_what_is_taken_on_trust(imported: Imported) -> None:
    rec = imported(**both())
    folder = store.folder_of(imported.project.results, rec)
    words = ["report", str(folder), "--json"]
    done = CliRunner(env={"MEMMAP_HARNESS_ROOT": str(imported.project.root)}).invoke(cli, words)
    assert "the kernel's configuration" in json.loads(done.output)["taken_on_trust"]
    page = run_page.page(concluded(rec), has=lambda _name: True)
    assert '<b class="doubt">taken on trust</b>: which patches the kernel has' in page
    files, absent = contents(imported.project, Cache(imported.folder / "cache"), folder, rec)
    assert absent == ()
    assert sum("/logs/" in name for name in files) == 6


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--base", "--tip", "x"], "--base: no log is given"),
        (["--base", "x"], "--tip: no log is given"),
        (["--base", "missing", "--tip", "x"], "missing: is not a file"),
        (["--base", "/dev/zero", "--tip", "x"], "/dev/zero: is not a file"),
        (["--base", "/", "--tip", "x"], "/: is not a file"),
        (["--series", "no", "--base", "x", "--tip", "x"], "no series 'no'"),
        (["--series", f"{SLUG}@v99", "--base", "x", "--tip", "x"], "no version 'v99'"),
        (["--driver", "ext4", "--base", "x", "--tip", "x"], "'ext4' is not a driver"),
        (["--driver", "nd_pmem,nd_pmem", "--base", "x", "--tip", "x"], "is not a driver"),
    ],
)
def test_bad_options(imported: Imported, words: Sequence[str], says: str) -> None:
    code, text = run(imported, *words)
    assert code != 0
    assert says in text
