# SPDX-License-Identifier: GPL-2.0-only
"""Everything that the program shows a user, compared with files under tests/goldens/.

After an intended change run `pytest tests/unit/cli/test_goldens.py --update-goldens` and read the
diff. `help/` has the help of every command, `reports/` every report of each stored run, `errors/`
the errors of bad input. `faults/` has the errors that tests/faults provokes and takes the same
option. The tests start from files that the option leaves alone: `runs/` holds records of schema 4,
`series.yaml` the claims they are judged by. A page's styles and scripts are
stored as digests.
"""

import hashlib
import io
import json
import os
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from harness.cli import cli, main
from harness.cli.output_formats import FORMATS
from tests.conftest import GOLDENS
from tests.unit import reports

Golden = Callable[[str, str], None]
ROOT = Path(__file__).parents[2].parent
#: Runs of boots with another stored run as the replay beside them.
BESIDE = {"boot-kvm-replayed": ("boot-kvm", "replay"), "boot-tcg-replayed": ("boot-tcg", "replay")}
RUNS = sorted([*(path.stem for path in (GOLDENS / "runs").glob("*.json")), *BESIDE])
SERIES = "memcpy-streaming"
BASE_AGAIN = "null"
#: Base against itself is judged beside this run, so that a report says what it found.
WITH_NULL = "boot-kvm-noisy"
RULES = ("memmap.equal", "nd_pmem.rebind.ratio<0.6", "dax_pmem.rebind.ratio<0.3")


def leaves(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            below = command.get_command(click.Context(command), name)
            assert below is not None
            yield from leaves(below, (*path, name))


COMMANDS = list(leaves(cli))


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Use a project of our own as working folder, a fixed width and a user that git knows."""
    root = tmp_path / "project"
    (root / "series" / SERIES).mkdir(parents=True)
    shutil.copy(GOLDENS / "series.yaml", root / "series" / SERIES)
    for folder in ("configs", "guests"):
        (root / folder).symlink_to(ROOT / folder)
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text("[user]\nname = Réka Tester\nemail = tester@example.org\n")
    for name in ("XDG_CONFIG_HOME", "GITHUB_STEP_SUMMARY", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "HOME": str(home),
        "MEMMAP_HARNESS_ROOT": str(root),
        "NO_COLOR": "1",
        "TERM": "dumb",
        "TZ": "UTC",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(root)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield root
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def typed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], machine: Path
) -> Callable[..., str]:
    """Run the program and return a transcript: the command, its output, errors and exit code."""

    def run(*arguments: str, width: int = 80, stdin: str = "") -> str:
        monkeypatch.setenv("COLUMNS", str(width))
        monkeypatch.setattr("sys.argv", ["harness", *arguments])
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        with pytest.raises(SystemExit) as ended:
            main()
        shown = capsys.readouterr()
        words = " ".join(f"'{word}'" if "<" in word else word for word in arguments)
        text = f"$ harness {words}\n{shown.out}"
        if shown.err:
            text += f"--- stderr\n{shown.err}"
        return normalized(f"{text}--- exit code {ended.value.code}\n", machine)

    return run


def normalized(text: str, root: Path) -> str:
    """Replace what differs between two runs of the same program, and what is long."""
    text = text.replace(str(root), "ROOT").replace(os.environ["XDG_CACHE_HOME"], "CACHE")
    text = re.sub(r"^(Date: ).*$", r"\1DATE", text, flags=re.MULTILINE)
    text = re.sub(r"'sha256-[^']+'", "'sha256-DIGEST'", text)
    text = re.sub(r"(<style>|<script>)(.+?)(?=</)", _digest, text, flags=re.DOTALL)
    text = re.sub(r"\d+\.\d{10,}(e-?\d+)?", lambda match: f"{float(match[0]):.9g}", text)
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def _digest(match: re.Match[str]) -> str:
    return f"{match[1]}sha256 {hashlib.sha256(match[2].encode()).hexdigest()[:12]}"


def stored(name: str, root: Path) -> str:
    """Put a stored run into the project and return its id."""
    first, *beside = BESIDE.get(name, (name,))
    record = GOLDENS / "runs" / f"{first}.json"
    run_id: str = json.loads(record.read_text())["run_id"]
    folder = root / "results" / SERIES / run_id
    folder.mkdir(parents=True)
    shutil.copy(record, folder / "record.json")
    for replay in beside:
        shutil.copy(GOLDENS / "runs" / f"{replay}.json", folder / "replay.json")
    return run_id


@pytest.mark.parametrize("path", COMMANDS, ids="-".join)
def test_help(path: tuple[str, ...], golden: Golden, typed: Callable[..., str]) -> None:
    golden(f"help/{'-'.join(path) or 'harness'}.txt", typed(*path, "--help", width=100))


REPORTS: dict[str, tuple[str, ...]] = {
    **{form: ("report", "RUN", "--format", form, "--output", "-") for form in FORMATS},
    "terminal-120": ("report", "RUN"),
    "terminal-verbose": ("report", "RUN", "-v"),
    "json": ("report", "RUN", "--json"),
    "github": ("report", "RUN", "--github", "--output", "report.txt"),
    "judge": ("judge", "RUN"),
    "judge-json": ("judge", "RUN", "--json"),
    "judge-rules": ("judge", "RUN", *(word for rule in RULES for word in ("--gate", rule))),
    "verify": ("verify", "RUN"),
}


#: Long, and much the same for runs of one kind: stored for one or two runs of each.
LONG = ("html", "kcidb", "json", "judge-json", "terminal-120", "terminal-verbose")
SAMPLED = (
    "boot-kvm",
    "boot-kvm-failed",
    "boot-kvm-noisy",
    "boot-tcg",
    "boot-tcg-replayed",
    "boot-icount",
    "null",
    "per-patch-broken",
    "replay",
)
SHOWN = [(run, form) for run in RUNS for form in REPORTS if run in SAMPLED or form not in LONG]


@pytest.mark.parametrize(("name", "form"), SHOWN)
def test_report(
    name: str,
    form: str,
    golden: Golden,
    typed: Callable[..., str],
    machine: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if form == "github":
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(machine / "summary.md"))
    run = stored(name, machine)
    if name == WITH_NULL:
        stored(BASE_AGAIN, machine)
    words = (word.replace("RUN", run) for word in REPORTS[form])
    shown = typed(*words, width=120 if form == "terminal-120" else 80)
    golden(f"reports/{name}/{form}.txt", shown)


#: What is printed from a project's own files.
LISTINGS: dict[str, tuple[str, ...]] = {
    "audit": ("audit", SERIES),
    "series-list": ("series", "list"),
    "series-show": ("series", "show", SERIES),
    "tree-list": ("tree", "list"),
    "matrix-list": ("matrix", "quick", "--list"),
    "plan-github": ("plan", "--format", "github", "--tree", "v7.2"),
    "plan-gitlab": ("plan", "--format", "gitlab", "--tree", "v7.2"),
}
OTHER_REPORTS = (
    "index.txt",
    "index.html",
    "compare/terminal.txt",
    "compare/json.txt",
    "compare/refused.txt",
    "compare/series.txt",
    "b4-check.txt",
    "matrix/terminal.txt",
    "matrix/json.txt",
    *(f"{name}.txt" for name in LISTINGS),
)


def test_index(golden: Golden, typed: Callable[..., str], machine: Path) -> None:
    for name in ("boot-kvm", BASE_AGAIN):
        stored(name, machine)
    broken = machine / "results" / SERIES / "20260101T020000-abcdef"
    broken.mkdir()
    (broken / "record.json").write_text("{")
    golden("reports/index.txt", typed("report", "--index", "site"))
    golden("reports/index.html", normalized((machine / "site/index.html").read_text(), machine))


@pytest.mark.parametrize(
    ("form", "other", "options"),
    [
        ("terminal", "boot-kvm", ()),
        ("json", "boot-kvm", ("--json",)),
        ("refused", "boot-tcg", ()),
    ],
)
def test_compare(
    form: str,
    other: str,
    options: tuple[str, ...],
    golden: Golden,
    typed: Callable[..., str],
    machine: Path,
) -> None:
    runs = [stored(name, machine) for name in ("boot-kvm-later", other)]
    golden(f"reports/compare/{form}.txt", typed("compare", *runs, *options))


def test_compare_kinds(golden: Golden, typed: Callable[..., str], machine: Path) -> None:
    for name in ("boot-kvm-later", "replay", "reported"):
        stored(name, machine)
    golden("reports/compare/series.txt", typed("compare", "--series", SERIES))


@pytest.mark.parametrize("name", LISTINGS)
def test_listing(name: str, golden: Golden, typed: Callable[..., str], machine: Path) -> None:
    (machine / "series" / SERIES / "ports" / "v7.2").mkdir(parents=True)
    golden(f"reports/{name}.txt", typed(*LISTINGS[name]))


def test_a_mail_is_answered(golden: Golden, typed: Callable[..., str], machine: Path) -> None:
    stored("boot-kvm-port", machine)
    mail = "Subject: [PATCH v2 0/2] speed up\nMessage-ID: <cover-v2@example.org>\n\nhello\n"
    golden("reports/b4-check.txt", typed("b4-check", stdin=mail))


@pytest.mark.parametrize("form", ["terminal", "json"])
def test_matrix(form: str, golden: Golden) -> None:
    golden(f"reports/matrix/{form}.txt", reports.of_matrix(form))


#: Bad input that is refused before anything is run, by the name of its golden.
ERRORS: dict[str, tuple[str, ...]] = {
    "unknown-command": ("reproduc",),
    "unknown-option": ("report", "--jsn"),
    "unknown-format": ("report", "--format", "html5"),
    "unknown-plan": ("measure", "--plan", "nonesuch"),
    "unknown-series": ("measure", "nonesuch", "--plan", "quick"),
    "unknown-tree": ("build", "--tree", "nonesuch"),
    "unknown-accelerator": ("measure", "--accelerator", "hax"),
    "unknown-profile": ("build", "--profile", "huge"),
    "unknown-compiler": ("build", "--compiler", "tcc"),
    "unknown-compilers": ("replay", "--compiler", "gcc,tcc"),
    "compilers-to-check": ("replay", "check", "--compiler", "gcc,clang-19"),
    "compiler-missing": ("replay", "--compiler", "gcc,clang-99"),
    "unknown-matrix": ("matrix", "nonesuch"),
    "unknown-kernel": ("matrix", "quick", "--kernel", "nonesuch"),
    "unknown-version": ("apply", "--version", "9"),
    "unknown-run": ("report", "nonesuch"),
    "no-run": ("report",),
    "no-run-to-judge": ("judge",),
    "two-sources": ("build", "--version", "2", "--port", "v7.2"),
    "no-such-mbox": ("apply", "--mbox", "nonesuch.mbox"),
    "bad-rule": ("judge", "--gate", "nd_pmem"),
    "bad-origin": ("report", "--format", "kcidb", "--origin", "Our CI"),
    "json-and-format": ("report", "--json", "--format", "md"),
    "no-such-folder": ("report", "--format", "md", "--output", "nonesuch/report.md"),
    "no-github-job": ("report", "--github"),
    "index-of-one-run": ("report", "nonesuch", "--index"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_error(name: str, golden: Golden, typed: Callable[..., str], machine: Path) -> None:
    if name == "no-such-folder":
        stored("boot-kvm", machine)
    text = typed(*ERRORS[name])
    assert "--- stderr\nharness: " in text
    golden(f"errors/{name}.txt", text)


#: What is replaced in a good record, and by what.
DAMAGES = {
    "not-json": ('{"run_id"', '"run_id"'),
    "newer-schema": ('"schema":4', '"schema":999'),
    "unknown-field": ('"schema":4', '"schema":4,"nonesuch":1'),
    "negative-time": ('"ns":1350000000', '"ns":-1'),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_record(
    name: str, golden: Golden, typed: Callable[..., str], machine: Path
) -> None:
    old, new = DAMAGES[name]
    run = stored("boot-kvm", machine)
    (record,) = machine.glob("results/*/*/record.json")
    text = record.read_text()
    assert old in text
    record.write_text(text.replace(old, new, 1))
    golden(f"errors/record-{name}.txt", typed("report", run))


def test_every_golden_is_compared() -> None:
    """Remove the files that this names with `git rm`: no test compares them any more."""
    compared = {f"help/{'-'.join(path) or 'harness'}.txt" for path in COMMANDS}
    compared |= {f"reports/{run}/{form}.txt" for run, form in SHOWN}
    compared |= {f"reports/{name}" for name in OTHER_REPORTS}
    compared |= {f"errors/{name}.txt" for name in ERRORS}
    compared |= {f"errors/record-{name}.txt" for name in DAMAGES}
    stored = {
        str(path.relative_to(GOLDENS))
        for folder in ("help", "reports", "errors")
        for path in (GOLDENS / folder).rglob("*.*")
    }
    assert stored == compared
