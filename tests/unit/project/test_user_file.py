# SPDX-License-Identifier: GPL-2.0-only
from pathlib import Path

import pytest

from harness.errors import InputError
from harness.project import user_file
from harness.project.project import Project


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "{}", "repositories: []\n"])
def test_a_file_may_say_nothing(tmp_path: Path, text: str) -> None:
    file = tmp_path / "memmap-harness.yaml"
    assert user_file.read(file).repositories == ()
    file.write_text(text)
    assert user_file.read(file).repositories == ()


def test_the_clones_of_the_command_come_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    file = tmp_path / "memmap-harness.yaml"
    file.write_text("repositories: [~/linux, /src/mm, ~/linux]\n")
    linux, other = tmp_path / "linux", tmp_path / "other"
    assert Project(tmp_path).repositories() == ()
    assert Project(tmp_path, user_file=file).repositories() == (linux, Path("/src/mm"))
    found = Project(tmp_path, user_file=file, repository=other).repositories()
    assert found == (other, linux, Path("/src/mm"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("repositories:\n  - ~/a\n  - linux\n", r":1: key 'repositories'.*'linux'; expected paths"),
        ("\nrepository: ~/linux\n", r":2: key 'repository': unknown key; expected one of repos"),
        ("repositories: ~/linux\n", r":1: key 'repositories': is text; expected a list"),
        ("repositories: [1]\n", r":1: key 'repositories\[0\]': is a whole number; expected text"),
        ("repositories: []\nrepositories: []\n", r":2: key 'repositories': given twice"),
        ("- a\n", r":1: is a list; expected a mapping"),
        ("repositories: [\n", r":2: not valid YAML"),
        ('repositories: ["/a\\nb"]\n', r":1: key 'repositories': '/a\\nb'; expected paths"),
    ],
)
def test_a_mistake_is_one_line_with_file_and_line(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "memmap-harness.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match=r"memmap-harness\.yaml" + said) as caught:
        user_file.read(file)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


def test_the_place_follows_xdg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/a")
    monkeypatch.setenv("XDG_CONFIG_HOME", "/etc/b")
    assert user_file.place() == Path("/etc/b/memmap-harness.yaml")
    for ignored in ("", "relative"):
        monkeypatch.setenv("XDG_CONFIG_HOME", ignored)
        assert user_file.place() == Path("/home/a/.config/memmap-harness.yaml")
