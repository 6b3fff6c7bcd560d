# SPDX-License-Identifier: GPL-2.0-only
"""The scripts made of guests/agent/: complete, clean for shellcheck, and the same shared parts."""

import subprocess
from pathlib import Path

import pytest

from harness.guest import agent
from harness.project.project import Project

SHELLS = (["dash"], ["bash"], ["busybox", "sh"])


@pytest.fixture(scope="module")
def scripts() -> dict[str, str]:
    project = Project.find()
    plan = project.plan("reproduce")
    procedure = agent.procedure(project.agent_folder, plan, project.guest(plan.guest))
    return {"agent": agent.agent(project.agent_folder), "procedure": procedure}


@pytest.fixture
def procedure(scripts: dict[str, str], tmp_path: Path) -> Path:
    path = tmp_path / "rebind.sh"
    path.write_text(scripts["procedure"])
    return path


@pytest.mark.parametrize("name", ["agent", "procedure"])
def test_shellcheck_finds_nothing(scripts: dict[str, str], name: str) -> None:
    argv = ["shellcheck", "--shell=sh", "-"]
    done = subprocess.run(argv, input=scripts[name], capture_output=True, text=True, check=False)
    assert done.stdout == ""
    assert done.returncode == 0


def test_both_have_the_same_shared_parts(scripts: dict[str, str]) -> None:
    folder = Project.find().agent_folder
    for part in ("report", "bindings"):
        body = (folder / f"{part}.sh").read_text().partition("\n#\n")[2]
        assert all(body in script for script in scripts.values())
    assert "setup_cxl" not in scripts["procedure"], "nothing of the guest's own"


def test_the_plan_and_its_guest_are_in_it(scripts: dict[str, str]) -> None:
    assert "\nrebinds=30\n" in scripts["procedure"]
    assert "fsdax dev 2M 100G\ndevdax dev 2M 100G" in scripts["procedure"]


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--frobnicate"], "--frobnicate: unknown option"),
        (["--rebinds"], "--rebinds: expected a value"),
        (["--rebinds", "0", "namespace0.0"], "expected 1 to 1000"),
        (["--rebinds", "1001"], "expected 1 to 1000"),
        (["--rebinds", "3;id"], "expected 1 to 1000"),
        (["--rebinds", "99999999999999999999"], "expected 1 to 1000"),
        (["--destroy"], "--destroy: expected a value"),
        (["--log"], "--log: expected a value"),
    ],
)
def test_bad_options_are_refused(
    procedure: Path, shell: list[str], options: list[str], says: str
) -> None:
    argv = [*shell, str(procedure), *options]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=procedure.parent)
    assert done.returncode == 2
    assert says in done.stderr
    assert list(procedure.parent.iterdir()) == [procedure]


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_help_names_every_option(procedure: Path, shell: list[str]) -> None:
    argv = [*shell, str(procedure), "--help"]
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    for option in ("--rebinds", "--log", "--dry-run", "--destroy"):
        assert option in said
