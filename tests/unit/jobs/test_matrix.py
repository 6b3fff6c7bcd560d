# SPDX-License-Identifier: GPL-2.0-only
"""Plans of a matrix: their cells, what is wrong with them, and the exit code of what came out."""

from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from harness.errors import InputError
from harness.host.digest import value_digest
from harness.jobs.matrix.jobs import CellRequest
from harness.jobs.matrix.matrix import _depends_on, _setups, require_cells
from harness.project.matrix_plan import Cell, CellResult, Matrix, Outcome, worst
from harness.project.project import Project
from harness.project.series import Series, Version
from harness.record.applied import Applied
from harness.record.record import Check
from harness.report.terminal import matrix as report
from tests.fakes.machine import GUEST

PLAN = """\
description: a little of everything
boot_s: 60
kernels:
  plain: {why: nothing special, kconfig: [fake], shows: [plain, compiles]}
  traced: {why: an event a page, kconfig: [fake], page_ref: true}
  unused: {why: none, kconfig: [fake]}
cells:
  - {trees: [v7.2], kernels: [plain], prefixes: [each]}
  - {trees: [v7.2], kernels: [plain], guests: [pmem-128m]}
  - {trees: [v7.2], kernels: [traced], guests: [pmem-128m], base: false, prefixes: [1]}
"""
NAMES = ["v7.2 plain object each", "v7.2 plain pmem-128m tip", "v7.2 traced pmem-128m 1 alone"]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    for name, text in {
        "series/x": "",
        "guests/pmem-128m.yaml": GUEST,
        "configs/kconfig/fake.config": "",
        "configs/trees.yaml": "v7.2: {provider: git, repository: x, ref: y}\n",
        "configs/plans/matrix-quick.yaml": PLAN,
        "configs/plans/quick.yaml": "",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return Project(tmp_path)


def test_cells_in_order_with_names_of_their_own(project: Project) -> None:
    made = project.matrix("quick")
    assert made == project.matrix("matrix-quick")
    assert [cell.name for cell in made.expanded()] == NAMES


@pytest.mark.parametrize("name", ["matrix", "quick"])
def test_the_plans_of_this_checkout_are_valid(name: str) -> None:
    made = Project.find().matrix(name)
    kinds = {cell.kernel for cell in made.expanded()}
    assert {"kasan", "tracepoint", "debug-vm"} <= kinds
    assert {cell.tree for cell in made.expanded()} == {"v7.2", "v7.3"}
    assert kinds == set(made.kernels), "a kernel that no cell has"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("boot_s: 60", "boot_s: 60\nboots: 3", "key 'boots': unknown key"),
        ("boot_s: 60", "boot_s: 0", "key 'boot_s': 0; expected 1 or more"),
        ("base: false", "bass: false", "bass': unknown key"),
        (
            "kconfig: [fake], page_ref",
            "kconfig: [nonesuch], page_ref",
            "key 'kernels.traced.kconfig': no Kconfig fragment 'nonesuch'; expected one of fake",
        ),
        (
            "guests: [pmem-128m]}",
            "guests: [nonesuch]}",
            "key 'cells[1].guests': no guest 'nonesuch'; expected one of pmem-128m",
        ),
        (
            "trees: [v7.2], kernels: [plain], guests",
            "trees: [v9.9], kernels: [plain], guests",
            "key 'cells[1].trees': no tree 'v9.9'; expected one of v7.2",
        ),
        ("kernels: [traced]", "kernels: [none]", "no kernel 'none'; expected one of plain, traced"),
        ("shows: [plain, compiles]", "shows: [fast]", "shows[0]"),
        ("shows: [plain, compiles]", "shows: []", "empty; expected one entry or more"),
        ("prefixes: [each]", "prefixes: [0]", "a number below 1"),
        ("prefixes: [each]", "prefixes: [all]", "prefixes[0]"),
        ("prefixes: [1]", "prefixes: [each]", "each is for cells without guest"),
        ("prefixes: [each]", "prefixes: []", "empty; expected one entry or more"),
        ("kernels: [traced]", "kernels: [plain, plain]", "given twice"),
        ("prefixes: [each]}", ("prefixes: [each]}\n  - {trees: [v7.2], kernels: [plain], "
         "prefixes: [each]}"), "v7.2 plain object each given twice"),
        ("kconfig: [fake], page_ref", "kconfig: [fake], arch: sparc, page_ref", "arch': sparc; e"),
        ("kconfig: [fake], page_ref", "kconfig: [fake], compiler: tcc, page_ref",
         "compiler': tcc; expected gcc"),
        ("kconfig: [fake], shows", "kconfig: [fake], arch: arm64, shows", "plain needs arch"),
        (PLAN[PLAN.index("cells:") :], "cells: []\n", "key 'cells': empty; expected one entry"),
        (PLAN[PLAN.index("cells:") :], "", "key 'cells': missing"),
        (PLAN, "", "is nothing; expected a mapping"),
    ],
)  # fmt: skip
def test_a_wrong_plan_is_one_clear_line(project: Project, old: str, new: str, message: str) -> None:
    assert old in PLAN
    (project.configs / "plans/matrix-quick.yaml").write_text(PLAN.replace(old, new))
    with pytest.raises(InputError) as caught:
        project.matrix("quick")
    assert message in str(caught.value)
    assert "matrix-quick.yaml:" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_error_in_a_guests_file_names_that_file(project: Project) -> None:
    (project.guests_folder / "pmem-128m.yaml").write_text(GUEST + "cpus: none\n")
    with pytest.raises(InputError, match=r"pmem-128m\.yaml:\d+: key 'cpus'"):
        project.matrix("quick")


def test_a_plan_is_not_a_matrix_nor_a_matrix_a_plan(project: Project) -> None:
    with pytest.raises(InputError, match="no matrix 'nonesuch'; expected one of quick"):
        project.matrix("nonesuch")
    with pytest.raises(InputError, match="no plan 'matrix-quick'; expected one of quick"):
        project.plan("matrix-quick")


def test_other_trees_replace_those_of_each_block(project: Project) -> None:
    made = project.matrix("quick").expanded(("v7.4", "v7.5"))
    assert [cell.tree for cell in made] == ["v7.4", "v7.5"] * 3


def test_some_kernels_of_a_plan(project: Project) -> None:
    made = project.matrix("quick")
    assert [c.name for c in require_cells(made, ["traced"]).expanded()] == NAMES[2:]
    assert require_cells(made, []) == made
    with pytest.raises(InputError, match="--kernel: no kernel 'none' in matrix-quick"):
        require_cells(made, ["none"])
    with pytest.raises(InputError, match="--kernel: no cell of matrix-quick uses it"):
        require_cells(made, ["unused"])


def result(outcome: Outcome, code: int, reason: str = "") -> CellResult:
    cell = Cell(tree="v7.2", kernel="k", guest="", prefix="tip", base=True)
    return CellResult(cell, outcome, reason, exit_code=code)


@pytest.mark.parametrize(
    ("results", "code"),
    [
        ([], 0),
        ([result("ok", 0), result("cannot", 0)], 0),
        ([result("failed", 69), result("failed", 1)], 1),
        ([result("failed", 1), result("failed", 3), result("failed", 69)], 3),
        ([result("failed", 2), result("failed", 3)], 2),
        ([result("failed", 70), result("failed", 2)], 70),
        ([result("failed", 69), result("ok", 0)], 69),
    ],
)
def test_the_exit_code_is_the_worst_of_all_cells(results: list[CellResult], code: int) -> None:
    assert worst(results) == code


def test_the_table_shows_every_cell_and_escapes_markup(project: Project) -> None:
    made: Matrix = project.matrix("quick")
    cells = made.expanded()
    checks = tuple(
        Check(f"{build} same", ok=True, detail="as base in 9 calls") for build in ("1", "2")
    )
    results = (
        CellResult(cells[0], "ok", "", checks, cached=True),
        CellResult(cells[1], "failed", "tip quiet: [red]BUG[/red]", exit_code=1),
        CellResult(cells[2], "cannot", "clang-19 is not installed"),
    )
    console = Console(width=160, no_color=True, highlight=False)
    with console.capture() as captured:
        console.print(report.table(made, "s", results))
    text = " ".join(captured.get().split())
    assert "1, 2 same: as base in 9 calls" in text
    assert "failed tip quiet: [red]BUG[/red]" in text
    assert "cannot clang-19 is not installed" in text
    assert "3 cells: 1 ok, 1 failed, 1 cannot; 1 cached" in text
    document = report.document(made, "s", results)
    assert document["exit_code"] == 1
    assert document["outcomes"] == {"ok": 1, "failed": 1, "cannot": 1}
    assert [cell["name"] for cell in document["cells"]] == NAMES


def test_an_object_cell_is_cached_by_the_object_and_what_its_tree_must_have(
    project: Project,
) -> None:
    series = Series("t", "f", "mm/mm_init.o", (Version(1, "v7.2"),), port_of=1)
    applied = Applied("x", "port v7.2", "v7.2", "7.2", "c" * 40, (), "x")

    def key(series: Series) -> str:
        wanted = CellRequest("x", project.matrix("quick"))
        return value_digest(_depends_on(wanted, _setups(project, wanted)[0], series, applied))

    first = key(series)
    assert key(msgspec.structs.replace(series, title="another")) == first
    assert key(msgspec.structs.replace(series, object="mm/memremap.o")) != first
    plan = project.root / "configs/plans/matrix-quick.yaml"
    plan.write_text(PLAN.replace("[plain, compiles]", "[plain, compiles], needs: [ZONE_DEVICE]"))
    assert key(series) != first
