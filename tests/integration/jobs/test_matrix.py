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

from harness.host import venv
from harness.jobs.local import Local
from harness.jobs.matrix import matrix
from harness.jobs.matrix.jobs import CellRequest
from harness.project.matrix_plan import CellResult
from tests.trees import edit, git
from tests.unit.jobs.test_matrix import NAMES, PLAN
from tests.whole import FAKES, STAND_INS, Whole, confining

PATH = os.environ["PATH"]
MATRIX = ("matrix", "quick", "test", "--accelerator", "tcg")


@pytest.fixture
def whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Whole:
    made = Whole(tmp_path)
    planned(made, PLAN)
    for name in ("PATH", "XDG_CACHE_HOME", "MEMMAP_HARNESS_ROOT"):
        monkeypatch.setenv(name, made.environment[name])
    beside = venv.installed
    stand_in = str(FAKES / "bin" / "virtme-run")
    monkeypatch.setattr(
        venv, "installed", lambda name: stand_in if name == "virtme-run" else beside(name)
    )
    return made


def planned(whole: Whole, text: str) -> None:
    (whole.root / "configs/plans/matrix-quick.yaml").write_text(text)


def guests(whole: Whole, monkeypatch: pytest.MonkeyPatch, **knobs: str) -> None:
    """Have the guests behave so; bubblewrap lets nothing else through to them."""
    with monkeypatch.context() as outside:
        outside.setenv("PATH", PATH)  # where the machine's own bubblewrap is found
        confining(whole.programs, **knobs)


def tried(whole: Whole, *, fresh: bool = False) -> list[CellResult]:
    """Try the plan in this process."""
    wanted = CellRequest("test", whole.project.matrix("quick"), accelerator="tcg", fresh=fresh)
    engine = Local(whole.project, whole.cache)
    return list(matrix.run(engine, whole.project, whole.cache, wanted))


def outcomes(results: list[CellResult]) -> list[str]:
    return [result.outcome for result in results]


def kept(results: list[CellResult]) -> list[bool]:
    return [result.kept for result in results]


def test_as_a_user_types_it(whole: Whole) -> None:
    listed = whole.harness(*MATRIX, "--kernel", "traced", "--list")
    assert listed.stdout.splitlines() == NAMES[2:]
    assert not whole.cache.root.exists()

    done = whole.harness(*MATRIX, "--json")
    assert done.returncode == 0, done.stderr
    made = {cell["name"]: cell for cell in json.loads(done.stdout)["cells"]}
    assert list(made) == NAMES
    assert [cell["outcome"] for cell in made.values()] == ["ok"] * 3
    said = {n: {c["name"]: c["detail"] for c in cell["checks"]} for n, cell in made.items()}
    assert list(said[NAMES[0]]) == [
        f"{build} {what}"
        for what in ("has no non-temporal store", "compiles")
        for build in ("base", "1", "2")
    ]
    assert said[NAMES[1]]["both struct pages"] == "31744 of nd_pmem and 31744 of dax_pmem, equal"
    assert said[NAMES[2]]["1 checks"] == "16 conditions hold"
    for name in NAMES[1:]:
        assert (whole.project.results / made[name]["run"] / "record.json").is_file()
    # Boots of a matrix answer to no claim: they are no runs that `harness report` would show.
    assert whole.harness("report").returncode == 65
    # base, the first patch alone and tip: cells share them.
    assert len(list(whole.cache.kernels.iterdir())) == 3

    again = whole.harness(*MATRIX)
    assert again.returncode == 0
    assert f"{NAMES[0]}: kept from an earlier run\n" in again.stderr
    assert "build" not in again.stderr
    text = " ".join(again.stdout.split())
    assert "test: matrix-quick, a little of everything" in text
    assert "3 cells: 3 ok; 3 kept" in text


def test_what_a_kept_cell_depends_on_makes_another_of_it(whole: Whole) -> None:
    assert kept(tried(whole)) == [False] * 3
    assert kept(tried(whole)) == [True] * 3
    assert kept(tried(whole, fresh=True)) == [False] * 3
    edit(whole.root / "guests/pmem-128m.yaml", "memory: 1G", "memory: 2G")
    assert kept(tried(whole)) == [True, False, False]
    shutil.rmtree(whole.project.results)
    assert kept(tried(whole)) == [True, False, False], "its boots are gone"
    edit(whole.root / "configs/kconfig/fake.config", "CONFIG_HZ=", "CONFIG_X=y\nCONFIG_HZ=")
    assert kept(tried(whole)) == [False] * 3


@pytest.mark.parametrize(
    ("flaw", "wrong", "said"),
    [
        ("warn", ["ok", "failed", "failed"], "1 quiet: the console shows warn"),
        ("events", ["ok", "ok", "failed"], "32765 and 32766 seen in each of 2 bindings"),
        ("untraced", ["ok", "ok", "failed"], "page_ref_set: tracepoint absent"),
        ("pages", ["ok", "failed", "failed"], "31743 and 31744 printed"),
    ],
)
def test_a_guest_that_misbehaves_fails_its_cells_and_is_tried_again(
    whole: Whole, monkeypatch: pytest.MonkeyPatch, flaw: str, wrong: list[str], said: str
) -> None:
    guests(whole, monkeypatch, MEMMAP_HARNESS_FAKE_FLAW=flaw)
    made = tried(whole)
    assert outcomes(made) == wrong
    assert said in made[2].reason
    assert {result.exit_code for result in made if result.outcome == "failed"} == {1}
    guests(whole, monkeypatch)
    mended = tried(whole)
    assert outcomes(mended) == ["ok"] * 3
    assert kept(mended) == [outcome == "ok" for outcome in wrong]


def test_a_series_whose_kernel_panics_is_1_and_base_that_does_is_69(
    whole: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    guests(whole, monkeypatch, MEMMAP_HARNESS_FAKE_FLAW="panic")
    made = tried(whole)
    assert [result.exit_code for result in made] == [0, 69, 1]
    assert made[1].reason.startswith("base itself is panicked: ")
    assert "panic" in made[2].reason


def test_struct_pages_that_are_not_as_bases_fail_a_cell(whole: Whole) -> None:
    (port,) = (whole.root / "series/test/ports/v7.2").glob("0001-*")
    edit(port, "30}", '30, \\"flaws\\": [\\"memmap\\"]}')
    made = tried(whole)
    assert outcomes(made) == ["ok", "failed", "ok"]
    assert made[1].reason.startswith("both struct pages: boot 1 of tip: ")
    assert made[1].exit_code == 1


def test_a_guest_that_is_lost_without_base_beside_it_is_nobodys_fault(
    whole: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    guests(whole, monkeypatch, MEMMAP_HARNESS_FAKE_FLAW="lost")
    made = tried(whole)
    assert [result.exit_code for result in made] == [0, 69, 69]


def test_a_patch_that_does_not_build_is_3_and_its_words_are_kept(whole: Whole) -> None:
    (port,) = (whole.root / "series/test/ports/v7.2").glob("0002-*")
    edit(port, "1024", "nonesuch")
    made = tried(whole)
    # The object of the series still compiles; the first patch's kernel does too.
    assert outcomes(made) == ["ok", "failed", "ok"]
    assert made[1].reason.startswith("build v7.2 plain tip: the kernel does not build")
    assert "nonesuch" in made[1].detail
    shown = whole.harness(*MATRIX)
    assert shown.returncode == 3
    assert f"{NAMES[1]} | " in shown.stdout


def test_a_tree_that_the_series_does_not_apply_to_costs_its_own_cells(whole: Whole) -> None:
    linux = whole.folder / "linux"
    with (whole.root / "configs/trees.yaml").open("a") as trees:
        trees.write(f"v7.3: {{provider: git, repository: {str(linux)!r}, ref: other}}\n")
    ports = whole.root / "series/test/ports"
    shutil.copytree(ports / "v7.2", ports / "v7.3")
    git(linux, "checkout", "-q", "-b", "other", "main")
    edit(linux / "mm/memremap.c", "512", "513")
    git(linux, "commit", "-qam", "other")
    planned(whole, PLAN.replace("[v7.2], kernels: [plain], prefixes", "[v7.3, v7.2], "
                                "kernels: [plain], prefixes"))  # fmt: skip
    made = tried(whole)
    assert outcomes(made) == ["failed", "ok", "ok", "ok"]
    assert made[0].exit_code == 3
    assert "does not apply" in made[0].reason


@pytest.mark.parametrize(
    ("old", "new", "said"),
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
        ("prefixes: [each]", "prefixes: [9]", "there is no prefix 9: port v7.2 has 2 patches"),
        ("shows: [plain, compiles]", "shows: [absent]", ""),
    ],
)
def test_a_cell_that_cannot_be_tried_says_why_and_is_no_failure(
    whole: Whole, old: str, new: str, said: str
) -> None:
    only = PLAN.partition("  - {trees: [v7.2], kernels: [plain], guests")[0]
    planned(whole, only.replace(old, new))
    (made,) = tried(whole)
    if not said:
        assert made.outcome == "failed", "it is in it, so this was shown not to hold"
        return
    assert (made.outcome, made.exit_code) == ("cannot", 0)
    assert said in made.reason
    # Tomorrow the machine may have it.
    assert kept(tried(whole)) == [False]


def test_a_guest_that_cannot_be_is_said_and_one_in_ram_is_not_compared(whole: Whole) -> None:
    small = (whole.root / "guests/pmem-128m.yaml").read_text()
    cxl = small.replace("128M", "256M") + "provider: cxl\n"
    (whole.root / "guests/cxl.yaml").write_text(cxl)
    legacy = small + "provider: e820\n"
    (whole.root / "guests/legacy.yaml").write_text(legacy)
    planned(
        whole,
        PLAN.partition("cells:")[0]
        + "cells: [{trees: [v7.2], kernels: [plain], guests: [cxl, legacy]}]\n",
    )
    (whole.programs / "qemu-system-x86_64").symlink_to(FAKES / "bin" / "qemu-system-x86_64")
    cxl_cell, legacy_cell = tried(whole)
    assert cxl_cell.outcome == "cannot"
    said = "guest cxl: this qemu-system-x86_64 has no device cxl-type3; expected QEMU 7.1 or later"
    assert cxl_cell.reason == said, "the stand-in has none"
    assert legacy_cell.outcome == "ok", legacy_cell.reason
    assert legacy_cell.note == "struct pages not compared: no file of ours holds them"
    # A plan with the one that cannot be says so as well.
    edit(whole.root / "configs/plans/quick.yaml", "pmem-128m", "cxl")
    done = whole.harness("measure", "test", "--plan", "quick", "--accelerator", "tcg")
    assert done.returncode == 69
    assert said in done.stderr


def test_what_is_not_there_is_named(whole: Whole) -> None:
    done = whole.harness(*MATRIX, "--tree", "v9.9")
    assert done.returncode == 2
    assert "no tree 'v9.9'" in " ".join(done.stdout.split())


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_matrix_that_was_interrupted_goes_on_with_the_rest(whole: Whole, jobs: str) -> None:
    code = f"{STAND_INS}from harness.cli import main\nmain()"
    child = subprocess.Popen(
        [sys.executable, "-c", code, *MATRIX, "--jobs", jobs],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=whole.environment,
        text=True,
    )
    assert child.stderr is not None
    assert child.stdout is not None
    with child:
        for line in child.stderr:
            if "boot 2 of 2" in line:
                break
        child.send_signal(signal.SIGTERM)
        said = child.stderr.read()
        assert child.stdout.read() == ""
    assert child.returncode == 130
    assert said.endswith("interrupted; what was finished is kept\n")
    made = tried(whole)
    assert outcomes(made) == ["ok"] * 3
    assert made[0].kept
    assert not made[2].kept


def every_event(whole: Whole) -> list[Any]:
    """What a run tells, by job."""
    wanted = CellRequest("test", whole.project.matrix("quick"), accelerator="tcg")
    heard: list[Any] = []
    engine = Local(whole.project, whole.cache)
    matrix.run(engine, whole.project, whole.cache, wanted, lambda *told: heard.append(told))
    return heard


def test_kernels_that_cells_share_are_built_once_and_before_them(whole: Whole) -> None:
    names = list(dict.fromkeys(name for name, _ in every_event(whole) if name))
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
