# SPDX-License-Identifier: GPL-2.0-only
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.errors import MachineError
from harness.events import silent
from harness.jobs import site
from harness.jobs.site import write_site
from harness.judge.conclude import Conclusion, conclude
from harness.judge.runs.history import release_key, seen, trends
from harness.project.project import Project
from harness.record import store
from harness.record.record import Log, RunRecord
from harness.report.page import run_page
from harness.report.page.index_page import Broken, page, run_of
from harness.report.page.trend import draw_trend
from tests.unit import markup
from tests.unit.builders import checkout, claims, record
from tests.unit.conclusions import lost, replay

replace = msgspec.structs.replace
RELEASES = ["7.1", "7.2-rc1", "7.2-rc2", "7.2-rc10", "7.2", "7.2.1", "7.2.13", "7.10", "8.0-rc1"]


def run(run_id: str, release: str = "7.2.13", **changes: object) -> RunRecord:
    made = record()
    subject = replace(made.subject, release=release)
    return replace(made, run_id=run_id, subject=subject, started=f"2026-01-{run_id}", **changes)


def runs_of(*made: RunRecord) -> list[object]:
    return [run_of(conclude(m, claims()), f"x/{m.run_id}/report.html") for m in made]


def test_releases_sort_by_version() -> None:
    shuffled = random.Random(1).sample(RELEASES, len(RELEASES))
    assert sorted(shuffled, key=release_key) == RELEASES
    assert release_key("7.3~rc7") < release_key("7.3")
    others = ["", "next-20260101", "7.2", "7.2.13", "7.2.13-dirty", "7.3-rc1-00012-gabc", "7.3"]
    assert sorted(random.Random(1).sample(others, len(others)), key=release_key) == others


def test_a_trend_goes_through_the_tags_in_order() -> None:
    made = [run(f"{n:02}", r) for n, r in enumerate(reversed(RELEASES))]
    found = trends(seen(conclude(m, claims())) for m in made)
    assert [(t.kind, t.releases) for t in found] == [
        ("dax_pmem", tuple(RELEASES)),
        ("nd_pmem", tuple(RELEASES)),
    ]


@pytest.mark.parametrize(
    "other",
    [
        lambda m: replace(m, machine=replace(m.machine, cpu="Another Xeon")),
        lambda m: replace(m, setup=replace(m.setup, guest="pmem-4g")),
        lambda m: replace(m, subject=replace(m.subject, version=5)),
        lambda m: replace(m, subject=replace(m.subject, source="mbox mine.mbox")),
        lambda m: replace(m, evidence="boot-icount"),
    ],
)
def test_runs_that_are_not_comparable_are_not_in_one_trend(
    other: Callable[[RunRecord], RunRecord],
) -> None:
    made = [run("01", "7.2"), other(run("02", "7.3"))]
    found = trends(seen(conclude(m, claims())) for m in made)
    assert len(found) == 4
    assert all(len(t.points) == 1 for t in found)


def test_ports_of_one_version_are_one_series() -> None:
    first, second = run("01", "7.2"), run("02", "7.3")
    second = replace(second, subject=replace(second.subject, source="port v7.3"))
    assert len(trends(seen(conclude(m, claims())) for m in (first, second))) == 2


def test_emulated_time_makes_no_trend() -> None:
    made = conclude(record("boot-tcg"), claims(), replay=replay())
    found = trends(map(seen, made.parts))
    assert [t.kind for t in found] == ["order0", "order9"]


def test_only_complete_runs_of_the_whole_series_make_a_trend() -> None:
    base, tip = record().builds
    made = [
        run("01", outcome="failed"),
        lost(),
        run("02", builds=(base, replace(tip, prefix=1))),
    ]
    assert trends(seen(conclude(m, claims())) for m in made) == ()
    (order0, order9) = trends([seen(conclude(replay(), claims()))])
    assert order0.points[0].cost.ratio == pytest.approx(0.45, abs=0.01)
    assert order9.kind == "order9"


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 9])
def test_a_trend_is_drawn_within_its_picture(count: int) -> None:
    made = [run(f"{n:02}", r) for n, r in enumerate(RELEASES[:count])]
    drawn = draw_trend(trends(seen(conclude(m, claims())) for m in made)[0])
    assert len(drawn.marks) == count
    assert len(drawn.line) == count - 1
    assert all(0 <= m.x <= 100 and 0 <= m.y <= drawn.height for m in drawn.marks)
    named = [t.label for t in drawn.releases if t.label]
    assert named[0] == RELEASES[0]
    assert named[-1] == RELEASES[count - 1]
    assert len(named) <= 4


def test_the_line_goes_through_the_newest_run_of_a_tag() -> None:
    made = [run("03"), run("01"), run("02", "7.3")]
    drawn = draw_trend(trends(seen(conclude(m, claims())) for m in made)[0])
    assert [m.newest for m in drawn.marks] == [False, True, True]


# --- the page ---


def test_the_index_has_everything() -> None:
    made = [run("01", "7.2"), run("02", "7.3"), lost()]
    text = page(runs_of(*made), [Broken("s/20260101", "is damaged: <b>")])
    found = markup.check(text)
    for what in ("3 runs: 2 complete, 1 lost", "1 more cannot be read", "is damaged: <b>"):
        assert what in found.text
    for name in ("Series", "Version", "Machine", "Evidence", "Tag", "Answer"):
        assert name in [label.text.split()[0] for label in found.all("label")]
    rows = [e for e in found.all("tr") if "data-0" in e.attributes]
    assert len(rows) == 6  # three tags, three runs
    for choice in range(6):
        at = {
            e.attributes[f"data-{choice}"]
            for e in found.elements
            if f"data-{choice}" in e.attributes
        }
        chosen = f"#choose-{choice} option[value='"
        assert all(f"{chosen}{value}']:checked" in found.all("style")[1].text for value in at)


def test_the_index_counts_the_verdicts_of_each_tag() -> None:
    slow = record(tip_ms=(200, 202, 204))
    again = replace(run("03", "7.2"), boots=slow.boots)
    alone = conclude(record(), (), replay=replay())
    null = run("04", "7.4", builds=(record().builds[0], replace(record().builds[1], prefix=0)))
    made = [*runs_of(run("01", "7.2"), run("02", "7.3-rc1"), again, null), run_of(alone, "x")]
    found = markup.check(page(made, ()).replace("<t", " <t"))
    table = next(e for e in found.all("table") if "Of all runs of a tag" in e.text)
    lines = [" ".join(line.split()) for line in table.text.split("\n") if "memcpy" in line]
    assert lines == [
        "v7.3-rc1 memcpy-streaming v2 nd_pmem reproduced; dax_pmem reproduced",
        (
            "v7.2 memcpy-streaming v2 nd_pmem 1 contradicted, 1 reproduced; "
            "dax_pmem 1 contradicted, 1 reproduced"
        ),
    ]
    assert "Verdicts per tag" not in page(runs_of(null), ())


def test_an_empty_index_names_the_command_to_start_with() -> None:
    found = markup.check(page([], []))
    assert "0 runs." in found.text
    assert "harness reproduce" in found.text


def test_hostile_names_stay_text() -> None:
    odd = "</option></select><script>alert(1)</script>'\"\x1b"
    made = run("01", odd, machine=replace(record().machine, cpu=odd))
    found = markup.check(page(runs_of(made), [Broken(odd, odd)]))
    assert "\x1b" not in found.source
    assert found.text.count("<script>") > 3


# --- the site ---


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return checkout(tmp_path / "project")


def links(path: Path) -> dict[str, Path]:
    """Return the links of a page to files, with their targets."""
    found = markup.check(path.read_text())
    hrefs = [e.attributes["href"] for e in found.all("a")]
    return {h: (path.parent / h).resolve() for h in hrefs if not h.startswith("#")}


def stored(project: Project, *made: RunRecord) -> None:
    for one in made:
        first, *rest = one.boots
        log = Log("logs/base-0.console.log", "0" * 64)
        path = store.save(project.results, replace(one, boots=(replace(first, logs=(log,)), *rest)))
        (path.parent / "logs").mkdir()
        (path.parent / log.path).write_text("booting\n")


@pytest.mark.parametrize("where", ["results", "public/site"])
def test_every_link_of_a_site_leads_to_a_file(project: Project, where: str) -> None:
    stored(project, run("01"), run("02", "7.3"))
    index = write_site(project, project.root / where, silent)
    pages = [p for p in links(index).values() if p.name == "report.html"]
    assert len(pages) == 2
    for path in (index, *pages):
        assert all(target.is_file() for target in links(path).values())
    assert (
        project.results / "memcpy-streaming/01/logs/base-0.console.log"
        in links(next(p for p in pages if p.parent.name == "01")).values()
    )
    assert index in links(pages[0]).values()


def broken(project: Project) -> dict[str, str]:
    """Make folders with invalid records; return the expected problem of each."""
    results = project.results
    odd = {
        "cut": b'{"schema": 1',
        "newer": b'{"schema": 99}',
        "empty": b"",
        "partial": b'{"schema": 1}',
        "binary": b"\x00\xff",
    }
    for name, content in odd.items():
        (results / "memcpy-streaming" / name).mkdir(parents=True)
        (results / "memcpy-streaming" / name / "record.json").write_bytes(content)
    (results / "memcpy-streaming" / "nothing").mkdir()
    (results / "memcpy-streaming" / "folder" / "record.json").mkdir(parents=True)
    store.save(results, run("one-side", builds=record().builds[:1]))
    return {
        "memcpy-streaming/cut": "is not a run record",
        "memcpy-streaming/newer": "newer harness",
        "memcpy-streaming/empty": "is not a run record",
        "memcpy-streaming/partial": "is damaged",
        "memcpy-streaming/binary": "is not a run record",
        "memcpy-streaming/nothing": "cannot be read",
        "memcpy-streaming/folder": "cannot be read",
        "memcpy-streaming/one-side": "its builds are base",
    }


def test_broken_records_are_listed_and_hide_nothing(project: Project) -> None:
    stored(project, run("01"))
    expected = broken(project)
    found = markup.check(write_site(project, project.results, silent).read_text())
    for path, said in expected.items():
        row = next(e.text for e in found.all("tr") if path in e.text)
        assert said in row
    assert "01" in [e.text for e in found.all("a")]


def test_boots_of_a_matrix_are_not_on_the_site(project: Project) -> None:
    stored(project, run("01"))
    store.save(project.results / store.MATRIX, run("02"))
    text = markup.check(write_site(project, project.results, silent).read_text()).text
    assert "1 run: 1 complete" in text
    assert store.MATRIX not in text
    # A series may have that name as well. It need not be kept in series/.
    made = run("03")
    store.save(project.results, replace(made, subject=replace(made.subject, slug="matrix")))
    found = markup.check(write_site(project, project.results, silent).read_text())
    assert "matrix/03/report.html" in [e.attributes.get("href") for e in found.all("a")]


def test_writing_a_site_twice_changes_no_file(project: Project) -> None:
    stored(project, run("01"), run("02"))
    index = write_site(project, project.results, silent)
    files = sorted(project.results.rglob("*.html"))
    before = [(f, f.stat().st_mtime_ns, f.read_bytes()) for f in files]
    write_site(project, project.results, silent)
    assert [(f, f.stat().st_mtime_ns, f.read_bytes()) for f in files] == before
    assert index in files


@pytest.fixture
def two_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site, "MANY", 2)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})


@pytest.mark.slow
def test_pages_are_the_same_from_one_process_or_many(
    project: Project, two_processes: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(project, run("01"), run("02"), run("03"))
    write_site(project, project.results, silent)
    files = {f: f.read_bytes() for f in project.results.rglob("*.html")}
    monkeypatch.setattr(site, "MANY", 9)
    for file in files:
        file.unlink()
    write_site(project, project.results, silent)
    assert {f: f.read_bytes() for f in project.results.rglob("*.html")} == files
    assert len(files) == 4


@pytest.mark.slow
def test_an_error_in_another_process_is_one_line(project: Project, two_processes: None) -> None:
    stored(project, run("01"), run("02"))
    (project.root / "file").write_text("in the way")
    with pytest.raises(MachineError, match=r"file.*: cannot be written: Not a directory"):
        write_site(project, project.root / "file" / "site", silent)


def test_a_site_is_updated_with_its_records(project: Project) -> None:
    stored(project, run("01"), run("02"))
    index = write_site(project, project.results, silent)
    shutil.rmtree(project.results / "memcpy-streaming/02")
    (project.results / "memcpy-streaming/01/logs/base-0.console.log").unlink()
    store.save(project.results, run("01", outcome="failed", reason="the guest was lost"))
    write_site(project, project.results, silent)
    assert "1 run: 1 failed" in markup.check(index.read_text()).text
    text = markup.check((project.results / "memcpy-streaming/01/report.html").read_text()).text
    assert "Run failed" in text


def test_a_site_below_results_is_not_taken_for_a_run(project: Project) -> None:
    stored(project, run("01"))
    for _ in range(2):
        index = write_site(project, project.results / "site", silent)
    assert "1 run: 1 complete" in index.read_text()
    assert "Every record is readable" in index.read_text()


def test_an_odd_record_does_not_hide_the_others(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(project, run("01"), run("02"))
    render = run_page.page

    def odd(conclusion: Conclusion, **more: Any) -> str:
        if conclusion.record.run_id == "02":
            raise ZeroDivisionError
        return render(conclusion, **more)

    monkeypatch.setattr(run_page, "page", odd)
    found = markup.check(write_site(project, project.results, silent).read_text())
    assert "1 run: 1 complete" in found.text
    assert "defect in the harness: ZeroDivisionError()" in found.text


def test_a_project_without_results_has_an_empty_site(project: Project) -> None:
    assert "0 runs" in write_site(project, project.results, silent).read_text()


def test_an_unwritable_folder_is_one_line(project: Project) -> None:
    (project.root / "file").write_text("in the way")
    with pytest.raises(MachineError, match="cannot be written"):
        write_site(project, project.root / "file" / "site", silent)


def test_patches_of_no_posted_version_have_no_version(project: Project) -> None:
    made = run("01")
    tested = replace(made.subject, slug="fast", version=0, source="branch fast")
    store.save(project.results, replace(made, subject=tested))
    index = write_site(project, project.results, silent)
    page = next(project.results.glob("fast/*/*.html")).read_text()
    for text in (index.read_text(), page):
        shown = markup.check(text).text
        assert "fast" in shown
        assert "v0" not in shown
        assert "version 0" not in shown


def test_the_replay_beside_boots_has_a_trend_of_its_own() -> None:
    made = [
        conclude(record("boot-tcg"), claims(), replay=replay()),
        conclude(replace(record(), run_id="20260102T000000-abcdef"), claims()),
    ]
    runs = [run_of(one, f"x/{one.record.run_id}/report.html") for one in made]
    text = page(runs, ())
    assert runs[0].facets[3] == ("boot-tcg", "replay")
    assert [cost.kind for cost in runs[0].costs][-2:] == ["order0", "order9"]
    assert "boot-tcg, replay" in text and "order0: time, as a share" in text
    assert runs[0].verdicts == (("nd_pmem", "supported"), ("dax_pmem", "supported"))
