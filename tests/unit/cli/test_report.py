# SPDX-License-Identifier: GPL-2.0-only
"""`harness report` and `harness b4-check` on stored records."""

import email
import io
import json
import shutil
from pathlib import Path

import click
import msgspec
import pytest

from harness.cli import cli, runs
from harness.cli.output_formats import FORMATS
from harness.errors import InputError, RecordError
from harness.git import git
from harness.project.project import Project
from harness.record import store
from harness.record.record import ReplayRun, RunRecord
from harness.report.formats.markdown import MAX_BYTES
from tests.unit.builders import build, record
from tests.unit.conclusions import memmaps, posted
from tests.unit.replays import replay

replace = msgspec.structs.replace
COVER = "20260521040124.10608-1-lizhe.67@bytedance.com"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Our data files with an empty results/, and a git identity."""
    root = tmp_path / "project"
    root.mkdir()
    for folder in ("series", "configs", "guests"):
        (root / folder).symlink_to(Project.find().root / folder)
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text("[user]\nname = Réka Tester\nemail = tester@example.org\n")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("MEMMAP_HARNESS_ROOT", str(root))
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    monkeypatch.chdir(tmp_path)
    return Project(root)


def borne_out() -> RunRecord:
    """A run that reproduces version 2's claims for both drivers."""
    return posted(memmaps(record(tip_ms=(90, 91, 92))))


@pytest.fixture
def run(project: Project) -> RunRecord:
    made = borne_out()
    store.save(project.results, made)
    return made


def typed(*arguments: str) -> None:
    cli.main(list(arguments), standalone_mode=False)


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_is_written_to_a_file_or_standard_output(
    form: str, run: RunRecord, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    file = tmp_path / "report"
    typed("report", "--format", form, "--output", str(file))
    assert capfdbinary.readouterr().out == b""
    typed("report", run.run_id, "--format", form, "--output", "-")
    shown = capfdbinary.readouterr().out
    if form != "mail":  # which is dated
        assert shown == file.read_bytes()
    assert b"memcpy" in shown
    assert b"\x1b" not in shown
    assert file.stat().st_mode & 0o777 == 0o644


def test_the_default_is_the_terminal_format(
    run: RunRecord, capsys: pytest.CaptureFixture[str]
) -> None:
    typed("report")
    assert f"{run.run_id}/record.json" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--json", "--format", "md"), "--json alone"),
        (("--json", "--output", "x"), "--json alone"),
        (("--output", "nowhere/x"), "folder nowhere does not exist"),
        (("--format", "kcidb", "--origin", "Our CI"), "'Our CI' is not valid"),
        (("--gate", "nd_pmem"), "nd_pmem"),
        (("--github",), "GITHUB_STEP_SUMMARY is not set"),
    ],
)
def test_bad_input_is_named_and_nothing_shown(
    arguments: tuple[str, ...], message: str, run: RunRecord, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputError, match=message):
        typed("report", *arguments)
    assert capsys.readouterr().out == ""


def test_an_unknown_format_lists_the_known_ones(run: RunRecord) -> None:
    with pytest.raises(click.BadParameter, match="'ktap'"):
        typed("report", "--format", "html5")


def test_an_unknown_run_is_a_record_error(project: Project) -> None:
    with pytest.raises(RecordError):
        typed("report", "nonesuch", "--format", "ktap")


def test_rules_are_reported_on(run: RunRecord, capsys: pytest.CaptureFixture[str]) -> None:
    typed("report", "--format", "ktap", "--gate", "memmap.equal", "--gate", "nd_pmem.ratio<0.1")
    shown = capsys.readouterr().out
    assert "ok 1 gate-1" in shown
    assert "not ok 2 gate-2" in shown


def test_a_reply_names_the_user_and_answers_the_patches_own_mail(
    run: RunRecord, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    typed("report", "--format", "mail", "--output", "reply.eml")
    mail = email.message_from_bytes((tmp_path / "reply.eml").read_bytes())
    assert mail["In-Reply-To"] == "<cover@example.org>"
    assert mail["Subject"].startswith("Re: [PATCH v2 0/7] speed up ZONE_DEVICE")
    assert mail["To"] is None
    payload = mail.get_payload(decode=True)
    assert isinstance(payload, bytes)
    assert "Tested-by: Réka Tester <tester@example.org>" in payload.decode()
    output = capsys.readouterr().err
    assert "set To and Cc yourself; nothing is sent" in output
    assert "no Tested-by" not in output


def test_a_ports_reply_answers_the_version_that_it_implements(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    store.save(project.results, record())
    typed("report", "--format", "mail")
    shown = capsys.readouterr()
    assert f"In-Reply-To: <{COVER}>" in shown.out
    assert "no Tested-by: port v7.2 is not the posted series" in shown.err


def test_an_mbox_without_message_ids_answers_nothing(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    rec = record()
    store.save(project.results, replace(rec, subject=replace(rec.subject, source="mbox x")))
    typed("report", "--format", "mail")
    assert "In-Reply-To" not in capsys.readouterr().out


def test_without_a_git_identity_there_is_no_sender(
    run: RunRecord, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(git, "configured", lambda key, **_: "" if key == "user.email" else "N")
    typed("report", "--format", "mail")
    shown = capsys.readouterr()
    assert "From:" not in shown.out
    assert "Tested-by" not in shown.out
    assert "git config has no user.name or no user.email" in shown.err


def test_an_invalid_address_is_bad_input(run: RunRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git, "configured", lambda key, **_: "nobody")
    with pytest.raises(InputError, match="'nobody' is not a mail address"):
        typed("report", "--format", "mail")


def test_a_github_job_gets_summary_and_annotations(
    project: Project,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    store.save(project.results, record("boot-tcg"))
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    typed("report", "--github", "--format", "junit", "--output", "junit.xml")
    assert summary.read_text().startswith("before\n## memcpy-streaming")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("::warning ") for line in lines)


@pytest.mark.parametrize("left", [0, 10, 100, 3000])
def test_a_summary_stays_within_its_size_limit(
    left: int, run: RunRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = tmp_path / "summary.md"
    summary.write_bytes(b"x" * (MAX_BYTES - left))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    typed("report", "--github", "--format", "b4", "--output", "b4.json")
    assert summary.stat().st_size <= MAX_BYTES


# --- b4-check ---


def answered(
    mail: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> list[dict[str, str]]:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(mail.encode())))
    typed("b4-check")
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found, list)
    return found


def cover(message_id: str, version: int = 2) -> str:
    return f"Subject: [PATCH v{version} 0/7] mm: anything\nMessage-ID: <{message_id}>\n\nhello\n"


def test_b4_gets_the_newest_run_of_the_mails_series(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    older, newer = borne_out(), record("boot-tcg")
    other = replace(newer, subject=replace(newer.subject, version=3))
    null = replace(newer, builds=(build("base", 0), build("again", 0)))
    for second, made in enumerate((older, newer, other, null)):
        store.save(project.results, replace(made, run_id=f"20260101T00000{second}-abcdef"))
    (entry,) = answered(cover(COVER), monkeypatch, capsys)
    assert (entry["tool"], entry["status"]) == ("memmap-harness", "warn")
    assert "20260101T000001-abcdef" in entry["details"]
    (entry,) = answered(cover("cover@example.org", 7), monkeypatch, capsys)
    assert entry["status"] == "pass"
    assert "20260101T000000-abcdef" in entry["details"]


@pytest.mark.parametrize(
    "mail", ["", "no mail\n", cover("unknown@example.org"), cover(COVER, 5), f"Re: {cover(COVER)}"]
)
def test_b4_gets_an_empty_list_without_a_matching_run(
    mail: str,
    run: RunRecord,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert answered(mail, monkeypatch, capsys) == []


def test_a_patch_is_matched_by_its_diff(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ports = Project.find().series_folder / "memcpy-streaming/ports/v7.2"
    text = sorted(ports.glob("*.patch"))[0].read_text()
    rec = record()
    patch_id = "0" * 40
    subject = replace(rec.subject, source="mbox mine", patch_ids=(patch_id, "b"))
    store.save(project.results, replace(rec, subject=subject))
    assert answered(text, monkeypatch, capsys) == []
    monkeypatch.setattr(git, "mailed_patch_id", lambda *_a, **_k: patch_id)
    assert len(answered(text, monkeypatch, capsys)) == 1


def test_damaged_and_foreign_records_are_skipped_for_b4(
    project: Project,
    run: RunRecord,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, text in (("20270101T000000-bad", "{"), ("20270101T000001-bad", '{"subject": 1}')):
        folder = project.results / "memcpy-streaming" / name
        folder.mkdir()
        (folder / store.FILE).write_text(text)
    foreign = replace(run, subject=replace(run.subject, slug="other"), run_id="20270101T000002-x")
    store.save(project.results, foreign)
    (entry,) = answered(cover("cover@example.org"), monkeypatch, capsys)
    assert run.run_id in entry["details"]


def test_without_a_run_the_reference_run_is_shown(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    """A note on stderr says so, lest a program that reads stdout take it for a new run."""
    folder = project.results / "reference" / "memcpy-streaming" / "reproduce"
    shutil.copytree(store.save(project.root / "elsewhere", borne_out()).parent, folder)
    typed("report")
    shown = capsys.readouterr()
    assert "no run here yet" in shown.err
    assert "results/reference/memcpy-streaming/reproduce" in shown.err
    assert "results/reference/memcpy-streaming/reproduce/record.json" in shown.out
    assert store.runs(project.results) == []

    ours = store.save(project.results, borne_out())
    typed("report")
    shown = capsys.readouterr()
    assert shown.err == ""
    assert str(ours) in shown.out


def together(project: Project) -> tuple[ReplayRun, ReplayRun]:
    """Two stored replays in the same rounds: patch 1 is faster with gcc only."""
    ids = ("20260101T000000-aaaaaa", "20260101T000000-bbbbbb")
    found = []
    for run_id, other, compiler, tip in zip(
        ids, ids[::-1], ("gcc", "clang-19"), (3e6, 4e6), strict=True
    ):
        costs = {"base": [4e6, 4.01e6, 3.99e6, 4e6], "1": [tip, tip * 1.001, tip, tip * 0.999]}
        made = replay(costs, kinds=("order0",))
        setup = replace(made.setup, compiler=compiler)
        made = replace(made, run_id=run_id, setup=setup, same_rounds=(other,))
        store.save(project.results, made)
        found.append(made)
    return found[0], found[1]


def test_a_report_compares_the_compilers_of_the_same_rounds(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    gcc, clang = together(project)
    for run in (gcc, clang):
        typed("report", run.run_id)
        shown = " ".join(capsys.readouterr().out.split())
        assert "1, order0: faster than base with gcc (0.750" in shown
        assert "only; with clang-19" in shown


@pytest.mark.parametrize("damage", ["missing", "not JSON", "without rounds", "elsewhere"])
def test_a_report_needs_no_other_run(
    damage: str, project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    gcc, clang = together(project)
    file = store.folder_of(project.results, clang) / store.FILE
    if damage == "missing":
        shutil.rmtree(file.parent)
    elif damage == "not JSON":
        file.write_text("{")
    elif damage == "without rounds":
        store.save(project.results, replace(clang, passes=(), outcome="failed", reason="stopped"))
    else:
        store.save(project.results, replace(gcc, same_rounds=("../../../etc", "")))
    typed("report", gcc.run_id)
    shown = capsys.readouterr().out
    assert "record: " in shown
    assert "faster than base with" not in shown


def test_several_compilers_are_one_document(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    both = [(runs.concluded(project, one), {"1": "a patch"}) for one in together(project)]
    runs.show_replays(project, both, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert [one["evidence"] for one in found["replays"]] == ["replay", "replay"]
    assert [one["build"] for one in found["compilers"]] == ["base", "1"]
    assert found["compilers"][1]["ratios"]["gcc"]["value"] == pytest.approx(0.75, rel=0.01)
    runs.show_replays(project, both, as_json=False)
    shown = capsys.readouterr().out
    assert shown.count("record: ") == shown.count("objects compiled by ") == 2
    assert "clang-19" in shown
