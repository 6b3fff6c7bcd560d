# SPDX-License-Identifier: GPL-2.0-only
"""The interface is described as it stands, and every workload has it."""

import re
from pathlib import Path

import pytest

import harness
from harness import workloads
from harness.workloads.workload import Workload

PAGE = Path(harness.__file__).parents[1] / "docs/architecture.md"
MEMBERS = {name for name in vars(Workload) if not name.startswith("_")}


def test_each_member_has_its_row_in_the_page_on_architecture() -> None:
    section = PAGE.read_text().partition("\n## Workloads\n")[2].partition("\n## ")[0]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    rows = re.findall(r"`(\w+)(?:\([^)]*\))?`", " ".join(cells))
    assert sorted(rows) == sorted(MEMBERS)


@pytest.mark.parametrize("name", workloads.NAMES)
def test_a_workload_has_each_member_and_no_other(name: str) -> None:
    found = {one for one in dir(workloads.find(name)) if not one.startswith("_")}
    assert found == MEMBERS
