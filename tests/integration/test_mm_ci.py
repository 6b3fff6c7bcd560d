# SPDX-License-Identifier: GPL-2.0-only
"""configs/ci/mm-ci: the exit code and the last line, whatever the harness answers."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "configs/ci/mm-ci/run-memmap-tests.sh"
#: Answers of a harness, by subcommand: the text and the exit code.
GOOD = {
    "check": ("replay check: good", 0),
    "count": ("record: /results/x/1/record.json", 0),
    "judge": ("rule order0.instructions_ratio<=1.02: ok", 0),
}


class Machine:
    """A kernel repository with one commit on a base, and a harness that gives known answers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.linux = folder / "linux"
        self.harness = folder / "harness"
        self.answer({})
        (self.linux / "mm").mkdir(parents=True)
        (self.linux / "mm" / "mm_init.c").touch()
        self.git("init", "-q")
        self.git("add", ".")
        for name in ("base", "tip"):
            self.git("commit", "-q", "--allow-empty", "-m", name)
            self.git("tag", name)

    def git(self, *words: str) -> None:
        own = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
        subprocess.run(["git", "-C", self.linux, *own, *words], check=True)

    def answer(self, answers: dict[str, tuple[str, int]]) -> None:
        lines = ["#!/bin/sh", f'echo "$@" >>{self.folder}/calls', 'case "$*" in']
        for name, (text, code) in (GOOD | answers).items():
            lines.append(f"*{name}*) echo '{text}'; exit {code};;")
        self.harness.write_text("\n".join([*lines, "esac", ""]))
        self.harness.chmod(0o755)

    def calls(self) -> list[str]:
        file = self.folder / "calls"
        return file.read_text().splitlines() if file.exists() else []

    def run(self, **changes: str) -> tuple[int, list[str]]:
        """Return the exit code and the lines of output."""
        env = os.environ | {"LINUX_DIR": str(self.linux), "HARNESS": str(self.harness), **changes}
        done = subprocess.run(
            [SCRIPT], env=env, check=False, capture_output=True, text=True, timeout=60
        )
        assert done.stderr == ""
        return done.returncode, done.stdout.splitlines()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_all_is_well_in_one_line(machine: Machine) -> None:
    code, lines = machine.run(BASE="base", RULES="a<1 b<2")
    assert code == 0
    (line,) = lines
    assert line.startswith("✓ memmap tests passed: ")
    repo = f"--repo {machine.linux}"
    assert machine.calls() == [
        f"replay check base..HEAD {repo}",
        f"replay count base..HEAD {repo}",
        "judge /results/x/1 --gate a<1 --gate b<2",
    ]


def test_without_a_base_the_harness_finds_it(machine: Machine) -> None:
    assert machine.run()[0] == 0
    assert machine.calls()[0] == f"replay check HEAD --repo {machine.linux}"


@pytest.mark.parametrize(
    ("answers", "line"),
    [
        ({"check": ("1 build differs", 1)}, "leaves other struct pages than base"),
        ({"check": ("harness: tip: does not build", 3)}, "tip: does not build"),
        ({"check": ("harness: a defect", 70)}, "a defect"),
        ({"check": ("harness: gcc failed", 69)}, "gcc failed"),
        ({"count": ("harness: no such build", 2)}, "no such build"),
        ({"judge": ("rule a<1: FAILED: a is 2", 1)}, "a rule fails: a is 2"),
        ({"judge": ("harness: --gate: a<x is not a rule", 2)}, "--gate: a<x is not a rule"),
    ],
)
def test_a_failure_shows_the_log_and_then_one_line(
    machine: Machine, answers: dict[str, tuple[str, int]], line: str
) -> None:
    machine.answer(answers)
    code, lines = machine.run(BASE="base")
    assert code == 1
    assert lines[-1].startswith("✗ memmap tests: ")
    assert line in lines[-1]
    ((text, _),) = answers.values()
    assert text in lines[:-1]
    assert lines[0].startswith("$ harness replay check")


def test_what_does_not_end_fails(machine: Machine) -> None:
    machine.harness.write_text("#!/bin/sh\nexec sleep 60\n")
    code, lines = machine.run(TIMEOUT="1")
    assert (code, lines[-1]) == (1, "✗ memmap tests: stopped after 1 s")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"HARNESS": "/nonesuch/harness"}, "is not set up: no /nonesuch/harness"),
        ({"LINUX_DIR": "/nonesuch"}, "/nonesuch is not a git repository"),
        ({"BASE": "v9.9"}, "the clone lacks the history between v9.9 and HEAD"),
        ({"BASE": "tip"}, "no commits between tip and HEAD"),
    ],
)
def test_something_missing_is_a_skip_with_a_reason(
    machine: Machine, changes: dict[str, str], why: str
) -> None:
    code, lines = machine.run(**changes)
    assert code == 4
    (line,) = lines
    assert line.startswith("- memmap tests skipped: ")
    assert why in line
    assert machine.calls() == []


def test_another_repository_is_a_skip(machine: Machine) -> None:
    (machine.linux / "mm" / "mm_init.c").unlink()
    assert machine.run() == (4, [f"- memmap tests skipped: {machine.linux} has no mm/mm_init.c"])


def test_a_missing_compiler_is_a_skip(machine: Machine) -> None:
    bin_folder = machine.folder / "bin"
    bin_folder.mkdir()
    for tool in ("sh", "git", "make", "readlink", "mktemp", "rm", "cat"):
        found = shutil.which(tool)
        assert found is not None
        (bin_folder / tool).symlink_to(found)
    assert machine.run(PATH=str(bin_folder)) == (
        4,
        ["- memmap tests skipped: gcc is not installed"],
    )


def test_equal_struct_pages_that_cannot_be_counted_are_a_skip(machine: Machine) -> None:
    machine.answer({"count": ("harness: no counter, and valgrind is not installed", 69)})
    code, lines = machine.run()
    assert code == 4
    assert "struct pages are equal" in lines[-1]
    assert "valgrind is not installed" in lines[-1]


def test_the_log_is_kept_where_it_is_asked_for(machine: Machine) -> None:
    log = machine.folder / "log"
    assert machine.run(LOG=str(log))[0] == 0
    assert "replay check: good" in log.read_text()
