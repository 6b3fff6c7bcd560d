# SPDX-License-Identifier: GPL-2.0-only
"""Several compilers in the same rounds: a run for each, with its own passes and the limit's."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from harness.errors import MachineError
from harness.project.project import Project
from harness.record import store
from harness.record.record import ReplayRun
from harness.replay import runs
from harness.replay.prepare import ReplayRequest
from harness.replay.program.link import Program
from harness.replay.timing import timing
from harness.replay.timing.schedule import Schedule, Timed, placements
from tests.unit.replays import blank, passes

SCHEDULE = Schedule(4 << 30, rounds=3, passes=1, seed=1)
WANTED = ReplayRequest("test", "v7.2", SCHEDULE)
BEFORE = ((), (100, 101))


def begun(compiler: str, run_id: str) -> tuple[Any, ReplayRun]:
    programs = {name: Program(f"/{compiler}/{name}", ()) for name in ("base", "1")}
    builds = [SimpleNamespace(name=name) for name in programs]
    how = SimpleNamespace(compiler=compiler)
    return (
        SimpleNamespace(how=how, programs=programs, builds=builds),
        msgspec.structs.replace(blank(), run_id=run_id),
    )


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Times nothing; each build costs as much as its name is long."""
    seen: dict[str, Any] = {}

    def measure(_runner: object, programs: Any, _schedule: object, save: Any, *_: Any, **how: Any):
        seen.update(programs=programs, **how)
        found = [p for name in (*programs, "limit") for p in passes(name, "order0", [len(name)])]
        timed = Timed(tuple(found), (), BEFORE)
        save(timed)
        if seen.get("fails"):
            raise MachineError("the program stopped")
        return timed

    monkeypatch.setattr(timing, "measure", measure)
    monkeypatch.setattr(runs, "require_memory", lambda *_: None)
    return seen


def test_each_compiler_has_a_run_with_its_own_builds_and_the_limit(
    given: dict[str, Any], tmp_path: Path
) -> None:
    folders: list[Path] = []
    pairs = [begun("gcc", "20260101T000000-aaaaaa"), begun("clang-19", "20260101T000000-bbbbbb")]
    found = runs.time_together(
        Project(tmp_path), SimpleNamespace(), pairs, WANTED, on_begin=folders.append
    )
    assert list(given["programs"]) == [
        "base by gcc",
        "1 by gcc",
        "base by clang-19",
        "1 by clang-19",
    ]
    assert [one.setup.compiler for one in found] == ["gcc", "clang-19"]
    assert found[0].same_rounds == (found[1].run_id,)
    assert found[1].same_rounds == (found[0].run_id,)
    for one, compiler in zip(found, ("gcc", "clang-19"), strict=True):
        assert one.outcome == "complete"
        assert [p.build for p in one.passes] == ["base"] * 3 + ["1"] * 3 + ["limit"] * 3
        assert {p.cpu_ns for p in one.passes if p.build == "1" and p.index == 1} == {
            len(f"1 by {compiler}")
        }
        assert one.setup.placements["base"] == placements(SCHEDULE, f"base by {compiler}")
        assert one.canary == BEFORE
        assert store.load_replay(store.folder_of(Project(tmp_path).results, one)) == one
    assert len(folders) == 2


def test_one_compiler_has_the_plain_names(given: dict[str, Any], tmp_path: Path) -> None:
    made, record = begun("gcc", "20260101T000000-aaaaaa")
    found = runs.time_builds(Project(tmp_path), SimpleNamespace(), made, WANTED, record)
    assert list(given["programs"]) == ["base", "1"]
    assert found.same_rounds == ()
    assert found.setup.placements["1"] == placements(SCHEDULE, "1")


def test_a_failure_is_recorded_in_each(given: dict[str, Any], tmp_path: Path) -> None:
    given["fails"] = True
    pairs = [begun("gcc", "20260101T000000-aaaaaa"), begun("clang-19", "20260101T000000-bbbbbb")]
    with pytest.raises(MachineError):
        runs.time_together(Project(tmp_path), SimpleNamespace(), pairs, WANTED)
    for _, record in pairs:
        kept = store.load_replay(store.folder_of(Project(tmp_path).results, record))
        assert (kept.outcome, kept.reason) == ("failed", "the program stopped")
        assert kept.passes
