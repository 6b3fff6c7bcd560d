# SPDX-License-Identifier: GPL-2.0-only
"""`harness report` and `harness bundle` on stored runs."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest

from harness import cli
from harness.cli.output_formats import FORMATS
from harness.errors import HarnessError, InputError, RecordError
from harness.project.project import ROOT_VARIABLE, Project
from harness.record import store as records
from harness.record.record import Log, RunRecord
from tests.unit import conclusions, markup
from tests.unit.builders import checkout, record
from tests.unit.report.test_plots import small

replace = msgspec.structs.replace
RUN = "20260101T000000-abcdef"
HERE = f"results/memcpy-streaming/{RUN}"


def harness(*arguments: str) -> int:
    code = cli.cli.main(list(arguments), standalone_mode=False)
    return code if isinstance(code, int) else 0


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A checkout with one run, which is the working folder."""
    made = checkout(tmp_path / "project")
    store(made, record())
    monkeypatch.setenv(ROOT_VARIABLE, str(made.root))
    monkeypatch.chdir(made.root)
    return made


def store(project: Project, made: RunRecord) -> None:
    folder = records.folder_of(project.results, made)
    (folder / "logs").mkdir(parents=True)
    boots = []
    for boot in made.boots:
        log = folder / "logs" / f"{boot.build}-{boot.number}.console.log"
        log.write_text(f"{boot.build} {boot.number}\n")
        boots.append(replace(boot, logs=(Log(f"logs/{log.name}", records.digest(log)),)))
    records.save(project.results, replace(made, boots=tuple(boots)))


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another machine: no checkout, no results."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.setenv(ROOT_VARIABLE, str(folder))
    return folder


def packed(capsys: pytest.CaptureFixture[str]) -> Path:
    harness("bundle", RUN)
    capsys.readouterr()
    return Path(f"memmap-harness-{RUN}.tar.gz").resolve()


# --- pages ---


def test_a_page_is_written_beside_its_record(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    harness("report", "--format", "html")
    path = Path(capsys.readouterr().out.strip())
    assert path == project.root / HERE / "report.html"
    page = markup.check(path.read_text())
    logs = [e.attributes["href"] for e in page.all("a") if "logs/" in e.attributes["href"]]
    assert len(logs) == 6
    assert all((path.parent / link).is_file() for link in logs)


def test_a_page_elsewhere_links_to_the_logs(project: Project) -> None:
    out = project.root / "a b" / "page.html"
    out.parent.mkdir()
    harness("report", RUN, "--format", "html", "-o", str(out))
    page = markup.check(out.read_text())
    assert f"../{HERE}/logs/base-0.console.log" in [e.attributes["href"] for e in page.all("a")]


def test_pictures_go_to_a_folder(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    store(project, replace(small(), run_id="small"))
    harness("report", "small", "--plots", "out/figures")
    message = capsys.readouterr().out.split()
    assert sorted(message) == sorted(str(p) for p in Path("out/figures").iterdir())
    assert len(message) == 2


def test_the_site_is_written_to_the_given_folder(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    harness("report", "--index")
    assert capsys.readouterr().out.strip() == str(project.results / "index.html")
    harness("report", "--index", "public")
    assert markup.check(Path("public/index.html").read_text())
    assert (Path("public") / "memcpy-streaming" / RUN / "report.html").is_file()


def test_an_index_is_of_all_runs(project: Project) -> None:
    with pytest.raises(InputError, match="shows all runs"):
        harness("report", RUN, "--index", "public")


# --- per-patch runs ---


@pytest.mark.parametrize("made", [conclusions.per_patch(), conclusions.per_patch_broken()])
def test_every_command_reads_a_per_patch_run(
    project: Project, capsys: pytest.CaptureFixture[str], made: RunRecord
) -> None:
    is_broken = bool(made.unbuilt)
    store(project, replace(made, run_id="per-patch"))
    for form in FORMATS:
        harness("report", "per-patch", "--format", form)
        assert capsys.readouterr().out
    harness("report", "per-patch", "--json")
    found = json.loads(capsys.readouterr().out)
    assert [prefix["builds"] for prefix in found["prefixes"]] == [True, not is_broken, True]
    assert found["bisectable"] is not is_broken
    assert harness("judge", "per-patch", "--json") == int(is_broken)
    assert [r["holds"] for r in json.loads(capsys.readouterr().out)["prefixes"]] == [
        prefix["holds"] for prefix in found["prefixes"]
    ]
    assert harness("judge", "per-patch", "--gate", "memmap.equal") == int(is_broken)
    capsys.readouterr()
    assert harness("verify", "per-patch") == 0
    assert "2 boot 2, dax_pmem" in capsys.readouterr().out
    harness("bundle", "per-patch")
    capsys.readouterr()
    harness("report", "memmap-harness-per-patch.tar.gz", "--json")
    packed = json.loads(capsys.readouterr().out)
    assert packed["prefixes"] == found["prefixes"]
    harness("report", "--index")
    assert "Patch 1 does not build" in (project.results / "index.html").read_text() or not is_broken


# --- bundles ---


def test_a_bundle_is_judged_without_a_checkout(
    project: Project,
    elsewhere: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(ROOT_VARIABLE, str(project.root))
    harness("report", "--json")
    here = json.loads(capsys.readouterr().out)
    bundle = packed(capsys)
    shutil.move(bundle, elsewhere)
    shutil.rmtree(project.root)
    monkeypatch.chdir(elsewhere)
    monkeypatch.setenv(ROOT_VARIABLE, str(elsewhere))
    harness("report", bundle.name, "--json")
    there = json.loads(capsys.readouterr().out)
    assert {**there, "record": ""} == {**here, "record": ""}
    harness("report", bundle.name, "--format", "html")
    page = markup.check(Path(capsys.readouterr().out.strip()).read_text())
    assert all(d["reason"] in page.text for d in here["metrics"].values())
    harness("report", bundle.name)
    assert "reproduced" in capsys.readouterr().out
    assert [p.name for p in (Path(os.environ["XDG_CACHE_HOME"])).rglob("record.json")] == []


def test_the_page_in_a_bundle_links_to_its_logs(
    project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project.root / HERE / "logs" / "tip-2.console.log").unlink()
    (tmp_path / "out").mkdir()
    subprocess.run(["tar", "-xzf", packed(capsys), "-C", tmp_path / "out"], check=True)
    path = tmp_path / "out" / f"memmap-harness-{RUN}" / HERE / "report.html"
    page = markup.check(path.read_text())
    links = [
        e.attributes["href"] for e in page.all("a") if not e.attributes["href"].startswith("#")
    ]
    assert len(links) == 6
    assert all((path.parent / link).is_file() for link in links)
    assert "logs/tip-2.console.log (missing)" in page.text


def test_a_null_run_that_limits_the_verdict_is_packed(
    project: Project,
    elsewhere: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(ROOT_VARIABLE, str(project.root))
    made = record(base_ms=(270, 271, 272), tip_ms=(300, 301, 302))
    base = made.builds[0]
    null = replace(made, run_id="20250101T000000-abcdef", builds=(base, replace(base, name="tip")))
    records.save(project.results, null)
    harness("report", RUN, "--json")
    here = json.loads(capsys.readouterr().out)["metrics"]
    assert {d["verdict"] for d in here.values()} == {"inconclusive"}
    bundle = packed(capsys)
    monkeypatch.setenv(ROOT_VARIABLE, str(elsewhere))
    harness("report", str(bundle), "--json")
    assert json.loads(capsys.readouterr().out)["metrics"] == here


def test_packing_twice_gives_the_same_bytes(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    first = packed(capsys).read_bytes()
    harness("bundle", "-o", "again.tar.gz")
    assert Path("again.tar.gz").read_bytes() == first


def test_checking_lists_the_contents(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = packed(capsys)
    harness("bundle", "--check", str(bundle), "--json")
    message = json.loads(capsys.readouterr().out)
    assert message["sha256"] == records.digest(bundle)
    assert message["manifest"]["run_id"] == RUN
    harness("bundle", "--check", str(bundle))
    output = capsys.readouterr().out
    assert f"run {RUN} of memcpy-streaming" in output
    assert "without base.config: it is no longer cached" in output


@pytest.mark.parametrize("command", [("report",), ("bundle", "--check")])
def test_a_changed_byte_is_one_clear_line(
    project: Project, command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = packed(capsys)
    data = bytearray(bundle.read_bytes())
    data[len(data) // 2] ^= 1
    bundle.write_bytes(data)
    with pytest.raises(RecordError, match="not a bundle of this program") as caught:
        harness(*command, str(bundle))
    assert caught.value.exit_code == 65
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        (("bundle", "--check", "x.tar.gz", RUN), InputError, "given together"),
        (("bundle", "--check", "x.tar.gz", "-o", "y"), InputError, "given together"),
        (("bundle", "--check", "none.tar.gz"), RecordError, "cannot be read"),
        (("bundle", "nonesuch"), RecordError, "nonesuch: cannot be read"),
        (("bundle", "-o", "."), InputError, "is a folder"),
        (("bundle", "-o", "no/such/folder/x"), HarnessError, "cannot be written"),
        (("report", "none.tar.gz"), RecordError, "none.tar.gz: cannot be read"),
        (("report", "nonesuch", "--format", "html"), RecordError, "nonesuch: cannot be read"),
        (("report", "--format", "html", "-o", "no/such/x"), HarnessError, "cannot be written"),
        (("report", "--plots", "series/memcpy-streaming/series.yaml"), HarnessError, "created"),
    ],
)
def test_bad_input_is_one_line(
    project: Project, arguments: tuple[str, ...], kind: type[HarnessError], message: str
) -> None:
    with pytest.raises(kind, match=message) as caught:
        harness(*arguments)
    assert "\n" not in str(caught.value)


def test_control_sequences_are_escaped(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    made = record()
    odd = replace(made, run_id="odd", outcome="failed", reason="\x1b[2J\x9b31m[red]gone[/]")
    store(project, replace(odd, machine=replace(made.machine, cpu="\x1b]0;owned\x07")))
    harness("bundle", "odd")
    harness("report", "memmap-harness-odd.tar.gz")
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\x9b" not in out
    assert "\x07" not in out
