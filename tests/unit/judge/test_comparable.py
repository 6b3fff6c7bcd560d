# SPDX-License-Identifier: GPL-2.0-only
"""Builds and records are compared only if they differ in the series alone."""

import msgspec
import pytest

from harness.errors import NotComparable
from harness.guest.qemu.command_line import boot_command
from harness.judge.conditions.comparable import Identity, identity
from harness.judge.runs.null_runs import newest, read
from harness.judge.runs.run_diff import compare, differing
from harness.judge.tabulate import tabulate
from harness.record.record import Build, RunRecord, Symbol
from tests.unit.builders import record
from tests.unit.replays import replay

replace = msgspec.structs.replace

ARGV = (
    *("/opt/venv/bin/virtme-run", "--kimg", "/cache/kernels/aa/bzImage", "--memory", "2048M"),
    "--kopt=ignore_loglevel",
    "--kopt=dyndbg=func memmap_init_zone_device +p",
    "--qemu-opt=-object",
    "--qemu-opt=memory-backend-file,id=backing0,share=on,size=4,mem-path=/dev/shm/x-1/nd_pmem",
)


def with_argv(rec: RunRecord, tip: tuple[str, ...]) -> RunRecord:
    argv = {"base": ARGV, "tip": tip}
    return replace(rec, boots=tuple(replace(b, argv=argv[b.build]) for b in rec.boots))


def with_tip(rec: RunRecord, **changes: object) -> RunRecord:
    base, tip = rec.builds
    return replace(rec, builds=(base, replace(tip, **changes)))


def proof(rec: RunRecord) -> Identity:
    (found,) = identity(tabulate(rec))
    return found


def unequal(rec: RunRecord) -> list[str]:
    return [pin.name for pin in proof(rec).pins if not pin.equal]


def test_a_boots_command_is_parsed_and_paths_are_ignored() -> None:
    command = boot_command(ARGV)
    assert command.kernel == ("ignore_loglevel", "dyndbg=func memmap_init_zone_device +p")
    assert command.qemu[1].endswith("size=4,mem-path=PATH")
    assert command.others == ("PATH", "--kimg", "PATH", "--memory", "2048M")
    assert boot_command(()).others == ()


def test_builds_that_differ_in_the_series_alone_are_comparable() -> None:
    other_paths = tuple(a.replace("kernels/aa", "kernels/bb").replace("x-1", "x-2") for a in ARGV)
    rec = with_argv(record(), other_paths)
    found = proof(rec)
    assert found.ok
    assert {"compiler", "configuration", "kernel command line", "QEMU options", "guest"} <= {
        pin.name for pin in found.pins
    }
    assert (found.build, found.files, found.symbols) == ("tip", None, None)


@pytest.mark.parametrize(
    ("rec", "named"),
    [
        (with_tip(record(), compiler="clang 14"), "compiler"),
        (with_tip(record(), config_sha256="1" * 64), "configuration"),
        (with_tip(record(), release="7.2.13-dirty"), "release"),
        (with_argv(record(), (*ARGV, "--kopt=nokaslr")), "kernel command line"),
        (with_argv(record(), (*ARGV, "--qemu-opt=-snapshot")), "QEMU options"),
        (with_argv(record(), (*ARGV[:4], "4096M", *ARGV[5:])), "rest of the boot's command"),
        (with_argv(record(), ()), "kernel command line"),
    ],
)
def test_any_other_difference_is_named(rec: RunRecord, named: str) -> None:
    assert named in unequal(rec)
    assert not proof(rec).ok


def test_boots_of_one_build_that_differ_are_not_comparable() -> None:
    rec = with_argv(record(), ARGV)
    first, *rest = rec.boots
    rec = replace(rec, boots=(replace(first, argv=(*ARGV, "--kopt=quiet")), *rest))
    assert unequal(rec) == ["kernel command line"]


def test_another_clock_or_page_count_is_named() -> None:
    rec = record()
    for field in ("nr_pages", "resolution_ns"):
        boots = tuple(
            replace(b, samples=tuple(replace(s, **{field: 4}) for s in b.samples))
            if b.build == "tip"
            else b
            for b in rec.boots
        )
        assert unequal(replace(rec, boots=boots)) == [f"samples' {field}"]


def test_options_are_compared_and_comments_are_not() -> None:
    base, tip = record().builds
    builds = (
        replace(base, options_sha256="o"),
        replace(tip, options_sha256="o", config_sha256="other"),
    )
    assert proof(replace(record(), builds=builds)).ok


def configured(tip: Build, *diff: str, files: tuple[str, ...]) -> RunRecord:
    base = replace(record().builds[0], options_sha256="a")
    changed = replace(tip, options_sha256="b", config_diff=diff, files=files)
    return replace(record(), builds=(base, changed))


def test_a_series_may_add_options_but_not_change_any() -> None:
    tip = record().builds[1]
    kconfig = ("mm/Kconfig", "mm/mm_init.c")
    assert proof(configured(tip, "+CONFIG_NEW=y", files=kconfig)).ok
    for rec in (
        configured(tip, "+CONFIG_NEW=y", files=("mm/mm_init.c",)),
        configured(tip, "-CONFIG_OLD=y", "+CONFIG_OLD=m", files=kconfig),
        configured(tip, files=kconfig),
    ):
        assert unequal(rec) == ["configuration"]
    assert proof(configured(tip, "+CONFIG_NEW=y", files=kconfig)).config_diff == ("+CONFIG_NEW=y",)


def test_files_and_symbols_of_the_record_are_in_the_proof() -> None:
    symbols = (Symbol("memmap_init_zone_device", 400, 700), Symbol("gone", 8, None))
    found = proof(with_tip(record(), files=("mm/mm_init.c",), symbols=symbols))
    assert found.files == ("mm/mm_init.c",)
    assert found.symbols is not None
    assert [(s.name, s.base_bytes, s.tip_bytes) for s in found.symbols] == [
        ("memmap_init_zone_device", 400, 700),
        ("gone", 8, None),
    ]


def later(rec: RunRecord, **changes: object) -> RunRecord:
    return replace(rec, run_id="20260202T000000-bbbbbb", started="2026-02-02", **changes)


def test_a_record_is_comparable_with_itself_and_nothing_changed() -> None:
    rec = record()
    assert differing(rec, later(rec)) == ""
    for change in compare(rec, later(rec)):
        assert change.before == change.after
        assert change.ratio.value == change.base.value == 1


def test_each_tip_is_compared_with_its_own_base() -> None:
    rec = record(base_ms=[270, 272, 274], tip_ms=[108, 109, 110])
    slower = later(record(base_ms=[297, 299, 301], tip_ms=[150, 151, 152]))
    change = compare(rec, slower)[0]
    assert (change.kind, change.op) == ("nd_pmem", "rebind")
    assert change.before == pytest.approx(109 / 272, rel=1e-2)
    assert change.ratio.value == pytest.approx(change.after / change.before)
    assert change.base.value == pytest.approx(299 / 272, rel=1e-3)
    assert change.ratio.low is not None and change.ratio.low > 1


def of_machine(rec: RunRecord, **changes: object) -> RunRecord:
    return replace(rec, machine=replace(rec.machine, **changes))


def of_setup(rec: RunRecord, **changes: object) -> RunRecord:
    return replace(rec, setup=replace(rec.setup, **changes))


@pytest.mark.parametrize(
    ("other", "field"),
    [
        (of_machine(record(), cpu="Another"), "machine.cpu"),
        (of_machine(record(), cpus=4), "machine.cpus"),
        (of_machine(record(), kernel="6.2.0"), "machine.kernel"),
        (of_machine(record(), tools={"qemu": "9.0"}), "machine.tools.qemu"),
        (of_machine(record(), tools={}), "machine.tools.qemu"),
        (of_setup(record(), guest_sha256="1"), "setup.guest_sha256"),
        (of_setup(record(), rebinds=5), "setup.rebinds"),
        (of_setup(record(), nr_pages={"nd_pmem": 1}), "setup.nr_pages.nd_pmem"),
        (record("boot-tcg"), "evidence"),
    ],
)
def test_records_that_differ_in_a_pinned_field_are_not_compared(
    other: RunRecord, field: str
) -> None:
    assert differing(record(), other).startswith(f"{field} differs")
    with pytest.raises(NotComparable, match=field) as caught:
        compare(record(), later(other))
    assert caught.value.exit_code == 65


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (replace(record(), outcome="lost", reason="killed"), "killed"),
        (with_tip(record(), compiler="clang"), "compiler differs between base and tip"),
        (replace(record(), boots=()), "no times"),
    ],
)
def test_a_record_that_cannot_be_compared_is_named(other: RunRecord, said: str) -> None:
    with pytest.raises(NotComparable, match=said):
        compare(record(), later(other))


def null(name: str, again: float, started: str = "2026-01-02") -> RunRecord:
    rec = replay({"base": [4000.0] * 5, "again": [4000.0 * again] * 5})
    return replace(rec, run_id=name, started=started)


def test_a_null_run_has_equal_builds() -> None:
    assert null("n", 1).is_null
    assert not record().is_null
    assert not replace(record(), builds=record().builds[:1]).is_null


def test_the_newest_comparable_null_run_is_used() -> None:
    rec = replay({"base": [4000.0] * 5, "1": [2000.0] * 5})
    old, new = null("old", 1.1, "2026-01-02"), null("new", 1.0, "2026-01-03")
    seen = newest(rec, [old, new])
    assert seen is not None
    assert (seen.run_id, seen.finds, seen.kinds) == ("new", "", ())
    seen = newest(rec, [new, replace(old, started="2026-01-04")])
    assert seen is not None
    assert seen.kinds == ("order0", "order9")
    assert "order0: the ratio of base to itself is 1.100" in seen.finds


def test_null_runs_of_another_machine_base_or_outcome_are_not_used() -> None:
    rec = replay({"base": [4000.0] * 5, "1": [2000.0] * 5})
    good = null("n", 1.1)
    elsewhere = of_machine(good, cpu="Another")
    another = replace(good, builds=tuple(replace(s, build_id="x", commit="x") for s in good.builds))
    broken = replace(good, outcome="lost")
    short = null("short", 1.1)
    short = replace(short, passes=tuple(p for p in short.passes if p.round < 2))
    assert newest(rec, [elsewhere, another, broken, short, rec]) is None
    assert read(short) is None
