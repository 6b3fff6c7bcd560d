# SPDX-License-Identifier: GPL-2.0-only
import io
import subprocess
import sys
from pathlib import Path

import click
import pytest

from harness import cli
from harness.cli import options
from harness.errors import Defect, HarnessError, InputError
from harness.project.project import Project

ROOT = Project.find().root


def harness(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    import os

    return subprocess.run(
        [sys.executable, "-c", "from harness.cli import main; main()", *arguments],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env=os.environ | env,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_a_command_has_its_name_and_one_line(name: str) -> None:
    command = cli.cli.get_command(click.Context(cli.cli), name)
    assert command is not None
    assert command.name == name
    line = cli.COMMANDS[name].short_help
    assert line.endswith(".") and "?" not in line and len(line) < 60
    assert command.short_help is None, "the list of commands has it"


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_a_row_in_docs_usage(name: str) -> None:
    assert f"./bootstrap {name}" in (ROOT / "docs/usage.md").read_text()


def leaves(command: click.Command, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if not isinstance(command, click.Group):
        return [path]
    context = click.Context(command)
    found = []
    for name in command.list_commands(context):
        sub = command.get_command(context, name)
        assert sub is not None
        found += leaves(sub, (*path, name))
    return found


@pytest.mark.parametrize("path", leaves(cli.cli), ids=" ".join)
def test_every_help_text_has_examples(path: tuple[str, ...]) -> None:
    command: click.Command = cli.cli
    for name in path:
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), name)
        assert found is not None
        command = found
    # click remembers a command's help option, which other tests look at.
    settings = cli.cli.context_settings
    text = command.get_help(
        click.Context(command, info_name=" ".join(("harness", *path)), **settings)
    )
    assert "Examples:" in text
    assert f"harness {' '.join(path)}" in text.split("Examples:")[1]


#: What a command requires.
REQUIRED = {
    ("bisect",): ("v7.2", "v7.3", "--tree", "mine", "--memmap"),
    ("compare",): ("one", "two"),
    ("plan",): ("--format", "github"),
    ("series", "fetch"): ("--version", "1"),
    ("series", "import"): (str(ROOT / "tests/data/mail/claims-v2.mbox"),),
    ("versions",): ("v1", "v2"),
}
#: Commands that work without a project, or need more than one option of several.
ALONE = {("cache", "prune"), ("rebase",)}


@pytest.mark.parametrize("path", sorted(set(leaves(cli.cli)) - ALONE), ids=" ".join)
def test_a_command_gets_the_options_that_it_declares(
    path: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise this is a TypeError."""
    monkeypatch.setenv("MEMMAP_HARNESS_ROOT", str(tmp_path))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO()))
    with pytest.raises(HarnessError) as refused:
        cli.cli.main([*path, *REQUIRED.get(path, ())], standalone_mode=False)
    assert refused.value.exit_code == InputError.exit_code


def test_help_imports_only_the_command_line() -> None:
    code = (
        "import sys\nfrom harness.cli import cli\n"
        "try: cli.main(['--help'], standalone_mode=False)\n"
        "finally: print('LOADED', [m for m in sys.modules if m.startswith(('numpy', 'scipy',"
        " 'yaml', 'rich', 'msgspec', 'harness.')) and m not in"
        " ('harness.cli', 'harness.errors', 'harness.report', 'harness.report.escaping')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines()[-1] == "LOADED []"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["reproduc"], "reproduc"),
        (["report", "--jsn"], "--jsn"),
        (["measure", "--plan", "nonesuch"], "no plan 'nonesuch'; expected one of"),
        (["measure", "nonesuch", "--plan", "quick"], "nonesuch"),
        (["measure", "--accelerator", "hax"], "hax"),
        (["build", "--version", "2", "--port", "v7.2"], "one of them"),
        (["build", "--profile", "huge"], "huge"),
    ],
)
def test_bad_input_is_one_clear_line_and_exit_2(arguments: list[str], message: str) -> None:
    done = harness(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("harness: ")
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_no_run_exits_with_65(tmp_path: Path) -> None:
    for folder in ("series", "configs", "results"):
        (tmp_path / folder).mkdir()
    done = harness("report", MEMMAP_HARNESS_ROOT=str(tmp_path))
    assert done.returncode == 65
    assert "run `harness reproduce`" in done.stderr.replace("Run", "run")


def test_a_defect_exits_with_70() -> None:
    code = (
        "from harness import cli\n"
        "def broken(*a, **k): raise ZeroDivisionError\n"
        "cli.cli.main = broken\ncli.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == Defect.exit_code
    assert "defect in the harness" in done.stderr


def test_control_characters_never_reach_the_terminal() -> None:
    assert cli.printable("a\x1b[2Jb\x07\x9bc\n\td") == "a\\x1b[2Jb\\x07\\x9bc\n\td"


@pytest.mark.parametrize("width", ["0%", "-1%", "51", "wide", "%", "nan"])
def test_a_width_that_is_none_is_refused(width: str) -> None:
    with pytest.raises(InputError, match=r"expected 0.1% to 50%, like 2%"):
        options._share(click.Context(click.Command("x")), click.Option(["--until"]), width)


def test_a_width_is_a_share() -> None:
    given = {
        width: options._share(click.Context(click.Command("x")), click.Option(["--until"]), width)
        for width in ("", "2%", "0.5", "50%")
    }
    assert given == {"": 0.0, "2%": 0.02, "0.5": 0.005, "50%": 0.5}
