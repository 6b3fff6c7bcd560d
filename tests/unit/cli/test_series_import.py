# SPDX-License-Identifier: GPL-2.0-only
"""`harness series import` and `harness audit` from the command line."""

import json
import shutil
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from harness.cli import cli
from harness.cli.commands.series_import import _write
from harness.errors import HarnessError, InputError
from harness.project.project import Project
from tests.unit.claims.test_claims import DATA, PAGE, mail

ROOT = Project.find().root


class Ended:
    """The exit code, output and error line of a command."""

    def __init__(self, *arguments: str, stdin: str = "") -> None:
        done = CliRunner().invoke(cli, list(arguments), input=stdin)
        error = done.exception
        self.out = done.stdout
        self.err = done.stderr
        self.code = done.exit_code
        self.message = ""
        if isinstance(error, HarnessError | click.ClickException):
            self.code, self.message = error.exit_code, str(error)
        elif error is not None and not isinstance(error, SystemExit):
            raise error


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    root = tmp_path / "project"
    for folder in ("configs", "guests"):
        shutil.copytree(ROOT / folder, root / folder)
    there = Project.find().series_file("memcpy-streaming")
    (root / "series" / "memcpy-streaming").mkdir(parents=True)
    shutil.copy(there, root / "series" / "memcpy-streaming")
    monkeypatch.setenv("MEMMAP_HARNESS_ROOT", str(root))
    return Project(root)


@pytest.fixture
def page(tmp_path: Path) -> str:
    path = tmp_path / "page.txt"
    path.write_text(PAGE + "\nTold by memmap_init_zone_device().\n")
    return str(path)


def text_of(project: Project) -> str:
    return project.series_file("memcpy-streaming").read_text()


def shown(*arguments: str) -> dict[str, Any]:
    ended = Ended("series", "import", *arguments, "--json")
    assert ended.code == 0, ended.message
    document = json.loads(ended.out)
    assert isinstance(document, dict)
    return document


def test_all_figures_of_the_page_are_shown(project: Project, page: str) -> None:
    found = shown(page)
    assert (found["slug"], found["version"], found["base"]) == ("memcpy-streaming", 2, "v7.1-rc3")
    assert found["procedure"]["rebinds"] == 30
    assert found["procedure"]["guest"] == "pmem-100g"
    assert [n["mode"] for n in found["procedure"]["namespaces"]] == ["fsdax", "devdax"]
    claims = {c["metric"]: c for c in found["claims"]}
    assert {d: c["reduction_percent"] for d, c in claims.items()} == {
        "nd_pmem": 59.4,
        "dax_pmem": 64.8,
    }
    builds = [c[build] for c in claims.values() for build in ("base", "tip")]
    assert [s["mean_ms"] for s in builds] == [273.52, 111.08, 313.45, 110.24]
    assert [s["first_ms"] for s in builds] == [1486, 1389, 1515, 1294]
    assert not found["not_understood"]
    assert not found["kept"]


def test_audit_of_the_page_flags_one_mean_and_nothing_else(project: Project, page: str) -> None:
    for arguments in ((page,), ("--mbox", page)):
        ended = Ended("audit", *arguments, "--json")
        findings = json.loads(ended.out)["findings"]
        assert [f["figure"] for f in findings] == ["tip average 111.08 ms"]
        assert ended.code == 0
    assert Ended("audit", page, "--strict").code == 1
    assert "1 finding" in Ended("audit", page).out
    assert "consistent" in Ended("audit", page).out


def test_claims_are_written_and_other_lines_stay(project: Project, page: str) -> None:
    before = text_of(project)
    ended = Ended("series", "import", page, "--yes")
    assert ended.code == 0, ended.message
    assert "+    quotes:" in ended.out
    after = text_of(project)
    lines = iter(after.splitlines())
    assert all(line in lines for line in before.splitlines())
    assert len(after.splitlines()) == len(before.splitlines()) + 2 * 9
    quotes = [c.quotes for c in project.claims("memcpy-streaming") if c.quotes]
    assert len(quotes) == 2
    assert "Average of subsequent rebinds: 111.08 ms" in quotes[0]
    again = Ended("series", "import", page, "--yes")
    assert (again.code, text_of(project)) == (0, after)
    assert "has all of this already" in again.err
    project.series("memcpy-streaming")


@pytest.mark.parametrize("version", [1, 2, 3, 4, 5])
def test_every_posted_version_is_written_in_its_place(project: Project, version: int) -> None:
    known = [c for c in project.claims("memcpy-streaming") if c.version == version]
    ended = Ended("series", "import", str(DATA / f"claims-v{version}.mbox"), "--yes")
    assert ended.code == 0, ended.message
    now = [c for c in project.claims("memcpy-streaming") if c.version == version]
    assert [(c.metric, c.after_patch, c.base, c.tip) for c in now] == [
        (c.metric, c.after_patch, c.base, c.tip) for c in known
    ]
    assert all(c.quotes for c in now)


@pytest.mark.parametrize("arguments", [("--dry-run",), ("--json",), ()])
def test_nothing_is_written_without_confirmation(
    project: Project, page: str, arguments: tuple[str, ...]
) -> None:
    before = text_of(project)
    ended = Ended("series", "import", page, *arguments)
    assert text_of(project) == before
    assert "111.08" in ended.out
    if not arguments:
        assert ended.code == 2
        assert "not a terminal" in ended.message
    else:
        assert ended.code == 0


def test_a_new_series_is_created(project: Project, page: str) -> None:
    ended = Ended("series", "import", page, "--slug", "mine", "--version", "1", "--yes",
                  "--title", "a: title # of mine", "--object", "mm/mm_init.o")  # fmt: skip
    assert ended.code == 0, ended.message
    made = project.series("mine")
    assert (made.title, made.port_of, made.function) == (
        "a: title # of mine",
        1,
        "memmap_init_zone_device",
    )
    assert [(v.version, v.base, v.date) for v in made.versions] == [(1, "v7.1-rc3", None)]
    assert len(project.claims("mine")) == 2
    assert "1 finding" in Ended("audit", "mine").out
    assert "date unknown" in Ended("series", "show", "mine").out


def test_a_further_version_of_a_series_is_added(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "v6.mbox"
    path.write_text(
        mail("Base: v7.3-rc1\n\nThe average rebind of nd_pmem falls by 61%.\n", "PATCH v6 0/9")
    )
    ended = Ended("series", "import", str(path), "--slug", "memcpy-streaming", "--yes")
    assert ended.code == 0, ended.message
    added = project.series("memcpy-streaming").versions[-1]
    assert (added.version, added.base, added.patches, str(added.date)) == (
        6, "v7.3-rc1", 9, "2026-06-01",
    )  # fmt: skip
    assert project.claims("memcpy-streaming")[-1].reduction_percent == 61


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("111.08", "111.07", "tip mean_ms is 111.08, but {page} says 111.07"),
        ("1389 ms", "1390 ms", "tip first_ms is 1389, but {page} says 1390"),
        ("64.8%", "64.9%", "reduction_percent is 64.8, but {page} says 64.9"),
        ("v7.1-rc3", "v7.1-rc4", "base is v7.1-rc3, but {page} says v7.1-rc4"),
        ("30 times", "31 times", "rebinds is 30, but {page} says 31"),
    ],
)
def test_a_contradiction_is_refused_and_names_both(
    project: Project, page: str, old: str, new: str, message: str
) -> None:
    Path(page).write_text(PAGE.replace(old, new))
    before = text_of(project)
    arguments = (page, "--slug", "memcpy-streaming", "--version", "2", "--yes")
    ended = Ended("series", "import", *arguments)
    assert ended.code == 2
    assert message.format(page=page) in ended.message
    line = int(ended.message.split("series.yaml:")[1].split(":")[0])
    assert message.split(", but")[0].rpartition(" ")[2] in before.splitlines()[line - 1]
    assert text_of(project) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--slug", "../x", "--version", "1"), "is not a valid series name"),
        (("--slug", "mine"), "--version N"),
        (("--slug", "mine", "--version", "1"), "--object O"),
        (("--guest", "nonesuch"), "no guest 'nonesuch'"),
        (("--version", "2", "--slug", "memcpy-streaming", "--guest", "pmem-4g"), "guest is"),
    ],
)
def test_missing_or_wrong_input_is_named(
    project: Project, page: str, arguments: tuple[str, ...], message: str
) -> None:
    ended = Ended("series", "import", page, *arguments, "--yes")
    assert ended.code == 2
    assert message in ended.message
    assert project.slugs() == ["memcpy-streaming"]


def test_an_unknown_set_up_needs_a_named_guest(project: Project, page: str) -> None:
    Path(page).write_text(PAGE.replace("100 GB", "300 GB"))
    arguments = (page, "--slug", "memcpy-streaming", "--version", "6")
    assert shown(*arguments)["procedure"]["guest"] is None
    ended = Ended("series", "import", *arguments, "--yes")
    assert "--guest G" in ended.message
    assert Ended("series", "import", *arguments, "--guest", "pmem-4g", "--yes").code == 0


@pytest.mark.parametrize("command", [("series", "import"), ("audit", "--mbox")])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", ":1: contains no claim"),
        (b"\x00\xff" * 1000, ":1: contains no claim"),
        (PAGE.replace("1389 ms\n", "1389 ms\n  First binding for nd_pmem driver: 7 ms\n").encode(),
         ":13: says 7 ms for nd_pmem, but line 12 says 1389 ms"),
    ],
)  # fmt: skip
def test_mails_that_cannot_be_used_are_one_line_and_exit_2(
    project: Project, tmp_path: Path, command: tuple[str, ...], content: bytes, message: str
) -> None:
    path = tmp_path / "mail"
    path.write_bytes(content)
    ended = Ended(*command, str(path))
    assert ended.code == 2
    assert message in ended.message
    assert "\n" not in ended.message
    for name in ("nonesuch", "."):
        ended = Ended(*command, str(tmp_path / name))
        assert (ended.code, "cannot be read" in ended.message) == (2, True)


def test_a_mail_may_come_from_standard_input(project: Project) -> None:
    ended = Ended("audit", "-", "--json", stdin=PAGE)
    assert len(json.loads(ended.out)["findings"]) == 1
    ended = Ended("series", "import", "-", "--slug", "memcpy-streaming", "--yes", stdin=PAGE)
    assert ended.code == 0, ended.message


def test_control_sequences_of_a_mail_are_escaped(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "evil.mbox"
    evil = "\x1b]0;owned\x07\x1b[2J"
    path.write_text(
        mail(f"nd_pmem {evil} average 3 ms\n{PAGE}").replace("mm: something", f"mm: {evil}")
    )
    for command in ("series", "import"), ("audit", "--mbox"):
        ended = Ended(*command, str(path), *(("--dry-run",) if "import" in command else ()))
        assert "\x1b" not in ended.out + ended.err + ended.message
        assert "control characters" in ended.err
    refused = Ended("series", "import", str(path), "--json")
    assert refused.code == 2
    assert "date is 2026-05-21" in json.loads(refused.out)["refused"]


def test_a_file_that_changed_in_the_meantime_is_not_written(project: Project) -> None:
    path = project.series_file("memcpy-streaming")
    before = text_of(project)
    with pytest.raises(InputError, match="changed in the meantime"):
        _write(path, before + "#", "lost")
    assert text_of(project) == before


def test_claims_are_read_from_a_page_whose_patch_is_wrapped(project: Project, page: str) -> None:
    path = Path(page)
    path.write_text(f"{PAGE}\n{(DATA / 'archive-page.txt').read_text()}")
    found = shown(page)
    assert (found["slug"], found["version"], len(found["claims"])) == ("memcpy-streaming", 2, 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--version", "9"), "version 9 has no claims; expected one of 1, 2, 3, 4, 5"),
        (("nonesuch",), "no series 'nonesuch'"),
        (("--rebinds", "3"), "only for mails"),
    ],
)
def test_audit_of_unknown_versions_and_files(
    project: Project, arguments: tuple[str, ...], message: str
) -> None:
    ended = Ended("audit", *arguments)
    assert ended.code == 2
    assert message in ended.message


def test_audit_of_a_series(project: Project) -> None:
    ended = Ended("audit")
    assert ended.code == 0
    for figure in ("111.08", "119.04", "256.56", "229.12"):
        assert f"average {figure} ms: cannot be the mean" in ended.out
    assert "10 claims" in ended.out
    assert "4 findings" in ended.out
    one = json.loads(Ended("audit", "--version", "1", "--json").out)
    assert one["findings"] == []
    assert len(one["claims"]) == 2
    assert "can be the mean of 29" in Ended("audit", "--version", "1", "--all").out
    assert Ended("audit", "--version", "1", "--strict").code == 0


def test_a_range_of_lines_can_be_chosen(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "two.txt"
    other = PAGE.replace("273.52", "200.00")
    bare = other.replace("VM", "bare-metal machine")
    path.write_text(f"{PAGE}\nOn another machine:\n\n{bare}")
    read = json.loads(Ended("audit", str(path), "--json").out)
    assert [one["claim"]["base"]["mean_ms"] for one in read["claims"]] == [
        273.52,
        200,
        313.45,
        313.45,
    ]
    assert [one["claim"]["setup"] for one in read["claims"]] == ["vm", "physical"] * 2
    path.write_text(f"{PAGE}\nOn another machine:\n\n{other}")
    ended = Ended("audit", str(path))
    assert ended.code == 2
    assert "two averages of one build" in ended.message
    assert "--lines A-B" in ended.message
    count = len(PAGE.splitlines())
    assert "1 finding" in Ended("audit", str(path), "--lines", f"1-{count}").out
    later = json.loads(Ended("audit", str(path), "--lines", f"{count + 3}-999", "--json").out)
    assert later["claims"][0]["claim"]["base"]["mean_ms"] == 200
    for wrong in ("3", "9-3", "0-3", "a-b"):
        ended = Ended("audit", str(path), "--lines", wrong)
        assert (ended.code, "is not a range of lines" in ended.message) == (2, True)
