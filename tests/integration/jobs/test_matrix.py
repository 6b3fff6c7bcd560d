# SPDX-License-Identifier: GPL-2.0-only
"""Cells tried with real git, b4 and make, over stand-ins for a kernel, its guests and ndctl."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.guest.accelerator import BootChoice
from harness.host.processes import venv
from harness.jobs.local import Local
from harness.jobs.matrix import matrix
from harness.jobs.matrix.jobs import CellRequest
from harness.project.matrix_plan import CellResult
from tests.fakes.machine import FAKES, USE_FAKES, FakeMachine, add_bubblewrap
from tests.fakes.trees import edit, git
from tests.unit.jobs.test_matrix import NAMES, PLAN

PATH = os.environ["PATH"]
MATRIX = ("matrix", "quick", "test", "--accelerator", "tcg")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeMachine:
    made = FakeMachine(tmp_path)
    planned(made, PLAN)
    for name in ("PATH", "XDG_CACHE_HOME", "MEMMAP_HARNESS_ROOT"):
        monkeypatch.setenv(name, made.environment[name])
    beside = venv.installed
    stand_in = str(FAKES / "bin" / "virtme-run")
    monkeypatch.setattr(
        venv, "installed", lambda name: stand_in if name == "virtme-run" else beside(name)
    )
    return made


def planned(machine: FakeMachine, text: str) -> None:
    (machine.root / "configs/plans/matrix-quick.yaml").write_text(text)


def guests(machine: FakeMachine, monkeypatch: pytest.MonkeyPatch, **knobs: str) -> None:
    """Have the guests behave so; bubblewrap lets nothing else through to them."""
    with monkeypatch.context() as outside:
        outside.setenv("PATH", PATH)  # where the machine's own bubblewrap is found
        add_bubblewrap(machine.programs, **knobs)


def tried(machine: FakeMachine, *, fresh: bool = False) -> list[CellResult]:
    """Try the plan in this process."""
    wanted = CellRequest(
        "test", machine.project.matrix("quick"), choice=BootChoice("tcg"), fresh=fresh
    )
    engine = Local(machine.project, machine.cache)
    return list(matrix.run(engine, machine.project, machine.cache, wanted))


def outcomes(results: list[CellResult]) -> list[str]:
    return [result.outcome for result in results]


def cached(results: list[CellResult]) -> list[bool]:
    return [result.cached for result in results]


def test_a_matrix_from_the_command_line(machine: FakeMachine) -> None:
    listed = machine.harness(*MATRIX, "--kernel", "traced", "--list")
    assert listed.stdout.splitlines() == NAMES[2:]
    assert not machine.cache.root.exists()

    done = machine.harness(*MATRIX, "--json")
    assert done.returncode == 0, done.stderr
    made = {cell["name"]: cell for cell in json.loads(done.stdout)["cells"]}
    assert list(made) == NAMES
    assert [cell["outcome"] for cell in made.values()] == ["ok"] * 3
    message = {n: {c["name"]: c["detail"] for c in cell["checks"]} for n, cell in made.items()}
    assert list(message[NAMES[0]]) == [
        f"{build} {what}"
        for what in ("has no non-temporal store", "compiles")
        for build in ("base", "1", "2")
    ]
    assert message[NAMES[1]]["both struct pages"] == "31744 of nd_pmem and 31744 of dax_pmem, equal"
    assert message[NAMES[2]]["1 checks"] == "16 conditions hold"
    for name in NAMES[1:]:
        assert (machine.project.results / made[name]["run"] / "record.json").is_file()
    # Boots of a matrix are not judged by claims, so `harness report` does not show them.
    assert machine.harness("report").returncode == 65
    # base, the first patch alone and tip: cells share them.
    assert len(list(machine.cache.kernels.iterdir())) == 3

    again = machine.harness(*MATRIX)
    assert again.returncode == 0
    assert f"{NAMES[0]}: cached\n" in again.stderr
    assert "build" not in again.stderr
    text = " ".join(again.stdout.split())
    assert "test: matrix-quick, a little of everything" in text
    assert "3 cells: 3 ok; 3 cached" in text


def test_a_change_of_what_a_cell_depends_on_is_tried_again(machine: FakeMachine) -> None:
    assert cached(tried(machine)) == [False] * 3
    assert cached(tried(machine)) == [True] * 3
    assert cached(tried(machine, fresh=True)) == [False] * 3
    edit(machine.root / "guests/pmem-128m.yaml", "memory: 1G", "memory: 2G")
    assert cached(tried(machine)) == [True, False, False]
    shutil.rmtree(machine.project.results)
    assert cached(tried(machine)) == [True, False, False], "its boots are gone"
    edit(machine.root / "configs/kconfig/fake.config", "CONFIG_HZ=", "CONFIG_X=y\nCONFIG_HZ=")
    assert cached(tried(machine)) == [False] * 3


@pytest.mark.parametrize(
    ("flaw", "wrong", "message"),
    [
        ("warn", ["ok", "failed", "failed"], "1 quiet: the console shows warn"),
        ("events", ["ok", "ok", "failed"], "32765 and 32766 seen in each of 2 bindings"),
        ("untraced", ["ok", "ok", "failed"], "page_ref_set: tracepoint absent"),
        ("pages", ["ok", "failed", "failed"], "31743 and 31744 printed"),
    ],
)
def test_a_guest_that_misbehaves_fails_its_cells_and_is_tried_again(
    machine: FakeMachine, monkeypatch: pytest.MonkeyPatch, flaw: str, wrong: list[str], message: str
) -> None:
    guests(machine, monkeypatch, MEMMAP_HARNESS_FAKE_FLAW=flaw)
    made = tried(machine)
    assert outcomes(made) == wrong
    assert message in made[2].reason
    assert {result.exit_code for result in made if result.outcome == "failed"} == {1}
    guests(machine, monkeypatch)
    fixed = tried(machine)
    assert outcomes(fixed) == ["ok"] * 3
    assert cached(fixed) == [outcome == "ok" for outcome in wrong]


def test_a_panic_of_the_series_is_exit_1_and_one_of_base_69(
    machine: FakeMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    guests(machine, monkeypatch, MEMMAP_HARNESS_FAKE_FLAW="panic")
    made = tried(machine)
    assert [result.exit_code for result in made] == [0, 69, 1]
    assert made[1].reason.startswith("base itself is panicked: ")
    assert "panic" in made[2].reason


def test_struct_pages_that_differ_from_bases_fail_a_cell(machine: FakeMachine) -> None:
    (port,) = (machine.root / "series/test/ports/v7.2").glob("0001-*")
    edit(port, "30}", '30, \\"flaws\\": [\\"memmap\\"]}')
    made = tried(machine)
    assert outcomes(made) == ["ok", "failed", "ok"]
    assert made[1].reason.startswith("both struct pages: boot 1 of tip: ")
    assert made[1].exit_code == 1


def test_a_guest_that_is_lost_without_base_beside_it_says_nothing_of_the_series(
    machine: FakeMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    guests(machine, monkeypatch, MEMMAP_HARNESS_FAKE_FLAW="lost")
    made = tried(machine)
    assert [result.exit_code for result in made] == [0, 69, 69]


def test_a_patch_that_does_not_build_is_exit_3_with_the_compilers_words(
    machine: FakeMachine,
) -> None:
    (port,) = (machine.root / "series/test/ports/v7.2").glob("0002-*")
    edit(port, "1024", "nonesuch")
    made = tried(machine)
    # The object of the series still compiles; the first patch's kernel does too.
    assert outcomes(made) == ["ok", "failed", "ok"]
    assert made[1].reason.startswith("build v7.2 plain tip: the kernel does not build")
    assert "nonesuch" in made[1].detail
    shown = machine.harness(*MATRIX)
    assert shown.returncode == 3
    assert f"{NAMES[1]} | " in shown.stdout


def test_a_tree_that_the_series_does_not_apply_to_fails_its_own_cells(machine: FakeMachine) -> None:
    linux = machine.folder / "linux"
    with (machine.root / "configs/trees.yaml").open("a") as trees:
        trees.write(f"v7.3: {{provider: git, repository: {str(linux)!r}, ref: other}}\n")
    ports = machine.root / "series/test/ports"
    shutil.copytree(ports / "v7.2", ports / "v7.3")
    git(linux, "checkout", "-q", "-b", "other", "main")
    edit(linux / "mm/memremap.c", "512", "513")
    git(linux, "commit", "-qam", "other")
    planned(machine, PLAN.replace("[v7.2], kernels: [plain], prefixes", "[v7.3, v7.2], "
                                "kernels: [plain], prefixes"))  # fmt: skip
    made = tried(machine)
    assert outcomes(made) == ["failed", "ok", "ok", "ok"]
    assert made[0].exit_code == 3
    assert "does not apply" in made[0].reason


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "kconfig: [fake], shows",
            "kconfig: [fake], needs: [NONESUCH], shows",
            "v7.2 (7.2.99) has no CONFIG_NONESUCH",
        ),
        (
            "kconfig: [fake], shows",
            "kconfig: [fake], compiler: gcc-999, shows",
            "gcc-999 is not installed",
        ),
        ("prefixes: [each]", "prefixes: [9]", "no prefix 9: port v7.2 has 2 patches"),
        ("shows: [plain, compiles]", "shows: [absent]", ""),
    ],
)
def test_a_cell_that_cannot_be_tried_says_why_and_is_no_failure(
    machine: FakeMachine, old: str, new: str, message: str
) -> None:
    only = PLAN.partition("  - {trees: [v7.2], kernels: [plain], guests")[0]
    planned(machine, only.replace(old, new))
    (made,) = tried(machine)
    if not message:
        assert made.outcome == "failed", "the function is there, so the check fails"
        return
    assert (made.outcome, made.exit_code) == ("cannot", 0)
    assert message in made.reason
    # Tomorrow the machine may have it.
    assert cached(tried(machine)) == [False]


def test_an_impossible_guest_is_reported_and_one_in_ram_is_not_compared(
    machine: FakeMachine,
) -> None:
    small = (machine.root / "guests/pmem-128m.yaml").read_text()
    cxl = small.replace("128M", "256M") + "provider: cxl\n"
    (machine.root / "guests/cxl.yaml").write_text(cxl)
    legacy = small + "provider: e820\n"
    (machine.root / "guests/legacy.yaml").write_text(legacy)
    planned(
        machine,
        PLAN.partition("cells:")[0]
        + "cells: [{trees: [v7.2], kernels: [plain], guests: [cxl, legacy]}]\n",
    )
    (machine.programs / "qemu-system-x86_64").symlink_to(FAKES / "bin" / "qemu-system-x86_64")
    cxl_cell, legacy_cell = tried(machine)
    assert cxl_cell.outcome == "cannot"
    message = (
        "guest cxl: this qemu-system-x86_64 has no device cxl-type3; expected QEMU 7.1 or later"
    )
    assert cxl_cell.reason == message, "the stand-in has none"
    assert legacy_cell.outcome == "ok", legacy_cell.reason
    assert legacy_cell.note == "struct pages not compared: no backing file of this guest holds them"
    # A plan with the one that cannot be says so as well.
    edit(machine.root / "configs/plans/quick.yaml", "pmem-128m", "cxl")
    done = machine.harness("measure", "test", "--plan", "quick", "--accelerator", "tcg")
    assert done.returncode == 69
    assert message in done.stderr


def test_a_revision_of_a_clone_is_a_tree_of_the_matrix(machine: FakeMachine) -> None:
    linux = machine.folder / "linux"
    git(linux, "tag", "v7.2.99", "main")
    only = ("--base", f"{linux}@v7.2.99", "--kernel", "traced", "--json")
    done = machine.harness(*MATRIX, *only)
    assert done.returncode == 0, done.stderr
    assert {cell["tree"] for cell in json.loads(done.stdout)["cells"]} == {"linux@v7.2.99"}


def test_an_unknown_tree_is_named(machine: FakeMachine) -> None:
    done = machine.harness(*MATRIX, "--tree", "v9.9")
    assert done.returncode == 2
    assert "no tree 'v9.9'" in " ".join(done.stdout.split())


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_an_interrupted_matrix_continues_with_the_rest(machine: FakeMachine, jobs: str) -> None:
    code = f"{USE_FAKES}from harness.cli import main\nmain()"
    child = subprocess.Popen(
        [sys.executable, "-c", code, *MATRIX, "--jobs", jobs],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=machine.environment,
        text=True,
    )
    assert child.stderr is not None
    assert child.stdout is not None
    with child:
        for line in child.stderr:
            if "boot 2 of 2" in line:
                break
        child.send_signal(signal.SIGTERM)
        message = child.stderr.read()
        assert child.stdout.read() == ""
    assert child.returncode == 130
    assert message.endswith("interrupted; finished work is stored\n")
    made = tried(machine)
    assert outcomes(made) == ["ok"] * 3
    assert made[0].cached
    assert not made[2].cached


def every_event(machine: FakeMachine) -> list[Any]:
    """What a run tells, by job."""
    wanted = CellRequest("test", machine.project.matrix("quick"), choice=BootChoice("tcg"))
    events: list[Any] = []
    engine = Local(machine.project, machine.cache)
    matrix.run(engine, machine.project, machine.cache, wanted, lambda *event: events.append(event))
    return events


def test_kernels_that_cells_share_are_built_once_and_before_them(machine: FakeMachine) -> None:
    names = list(dict.fromkeys(name for name, _ in every_event(machine) if name))
    assert names == [
        "fetch v7.2",
        "apply v7.2",
        NAMES[0],
        "build v7.2 plain base",
        "build v7.2 plain tip",
        NAMES[1],
        "build v7.2 traced 1",
        NAMES[2],
    ]
