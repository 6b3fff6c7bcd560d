# SPDX-License-Identifier: GPL-2.0-only
import pytest

from harness.doctor.packages import DISTRIBUTIONS, distribution, needs
from harness.project.project import Project

LINE = "command:git  run  git  git-core  git  -  kernel trees, series as commits\n"


def test_a_line_of_the_table() -> None:
    (need,) = needs(f"# head\n\n{LINE}")
    assert (need.kind, need.name, need.scope) == ("command", "git", "run")
    assert need.packages == {"debian": "git", "fedora": "git-core", "arch": "git", "opensuse": "-"}
    assert need.purpose == "kernel trees, series as commits"


@pytest.mark.parametrize(
    "line", ["git run git git git git x", "command:git run git git git git", "command:git"]
)
def test_an_invalid_line_is_named(line: str) -> None:
    with pytest.raises(ValueError, match="line 2"):
        needs(f"{LINE}{line}\n")


def test_our_own_table_is_valid() -> None:
    table = needs((Project.find().configs / "packages.txt").read_text())
    assert {need.scope for need in table} <= {"run", "test", "boot", "extra", "metal"}
    assert {need.kind for need in table} <= {"command", "static", "header", "python"}
    assert all(set(need.packages) == set(DISTRIBUTIONS) for need in table)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('PRETTY_NAME="Debian"\nID=debian\n', "debian"),
        ("ID=ubuntu\nID_LIKE=debian\n", "debian"),
        ('ID=linuxmint\nID_LIKE="ubuntu debian"\n', "debian"),
        ("ID=fedora\n", "fedora"),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', "fedora"),
        ("ID=arch\n", "arch"),
        ('ID="opensuse-tumbleweed"\nID_LIKE="opensuse suse"\n', "opensuse"),
        ("ID=gentoo\n", ""),
        ("VARIANT_ID=debian\n", ""),
        ("", ""),
    ],
)
def test_distributions(text: str, expected: str) -> None:
    assert distribution(text) == expected
