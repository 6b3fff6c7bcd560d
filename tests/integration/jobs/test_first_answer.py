# SPDX-License-Identifier: GPL-2.0-only
"""The replay that precedes the boots: what is stored, what continues, what may fail."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from harness.errors import Defect, DoesNotBuild, HarnessError, MachineError, Unsupported
from harness.events import Event, Note
from harness.host.cache import Cache
from harness.jobs import first_answer
from harness.jobs.replay import TimedReplay
from harness.project import run_claims
from harness.project.kernel import Tree
from harness.project.run_claims import RunClaims
from harness.record import store
from harness.record.applied import Applied, Patch
from harness.record.record import BootRun, ReplayRun
from harness.replay.compare import CaseComparison, Unequal
from harness.replay.prepare import ReplayRequest
from harness.replay.timing.schedule import Schedule
from harness.workloads.zone_device.replay.cases import Case
from tests.fakes.replays import ROUNDS, timed, use_replays
from tests.unit.builders import checkout, record

replace = msgspec.structs.replace
TREE = Tree("v7.2", "0" * 40, "7.2.13", "debian-source")
APPLIED = Applied(
    "memcpy-streaming",
    "port v7.2",
    "v7.2",
    "7.2.13",
    "0" * 40,
    tuple(Patch(k, f"patch {k}", str(k) * 40, str(k) * 40) for k in (1, 2)),
    "series/x",
)
REQUEST = ReplayRequest("memcpy-streaming", "v7.2", Schedule(128 << 20, ROUNDS, 1, 1))
CLAIMS = RunClaims("the command line")


class Scene:
    def __init__(self, folder: Path) -> None:
        self.project = checkout(folder / "project")
        self.cache = Cache(folder / "cache")
        self.events: list[Event] = []

    def replay(self, wanted: ReplayRequest = REQUEST, **how: Any) -> TimedReplay:
        return first_answer.replay_first(
            self.project, self.cache, wanted, TREE, APPLIED, CLAIMS, self.events.append, **how
        )

    @property
    def notes(self) -> str:
        return "\n".join(event.text for event in self.events if isinstance(event, Note))

    @property
    def folder(self) -> Path:
        (folder,) = store.runs(self.project.results)
        return folder


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    rooms = {name: getattr(first_answer, name) for name in ("prepare", "runs", "check")}
    use_replays()
    yield Scene(tmp_path)
    for name, room in rooms.items():
        setattr(first_answer, name, room)


def raising(error: BaseException) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail


def test_the_replay_is_a_run_of_its_own_until_boots_take_it_over(scene: Scene) -> None:
    found = scene.replay()
    assert found.equal and found.titles == {"1": "half"}
    assert store.load(scene.folder) == found.record
    assert found.record.outcome == "complete"
    assert [one.build for one in found.record.comparisons] == ["1", "2"]
    assert (scene.folder / store.REPLAY).exists()
    # Boots have not begun: the same command goes on from here.
    again = scene.replay()
    assert again.record == found.record


def test_claims_are_stored_before_anything_is_timed(scene: Scene) -> None:
    def interrupted(*given: Any, **how: Any) -> Any:
        record: ReplayRun = given[4]
        folder = store.folder_of(scene.project.results, record)
        store.save(scene.project.results, record)
        how["on_begin"](folder)
        assert run_claims.load(folder) == CLAIMS
        raise KeyboardInterrupt

    use_replays(time_builds=interrupted)
    with pytest.raises(KeyboardInterrupt):
        scene.replay()
    assert run_claims.load(scene.folder) == CLAIMS
    assert store.load(scene.folder).outcome == "lost"


def test_an_interrupted_replay_goes_on_and_compares_nothing_again(scene: Scene) -> None:
    def interrupted(*given: Any, **how: Any) -> Any:
        record = timed(*given, **how)
        store.save(
            scene.project.results,
            replace(record, outcome="lost", passes=record.passes[:6], rounds=record.rounds[:1]),
        )
        raise KeyboardInterrupt

    use_replays(time_builds=interrupted)
    with pytest.raises(KeyboardInterrupt):
        scene.replay()
    lost = store.load_replay(scene.folder)
    use_replays(compare_as_booted=raising(AssertionError()))
    found = scene.replay().record
    assert found.run_id == lost.run_id
    assert found.passes[:6] == lost.passes
    assert (found.outcome, len(found.rounds)) == ("complete", ROUNDS)


def boots(scene: Scene, replay: ReplayRun, outcome: str) -> BootRun:
    """Let boots take over the replay's folder."""
    made = replace(record(), run_id=replay.run_id, subject=replay.subject, outcome=outcome)
    store.save(scene.project.results, made)
    return made


def test_boots_that_were_interrupted_need_no_second_answer(scene: Scene) -> None:
    first = scene.replay().record
    boots(scene, first, "lost")
    use_replays(time_builds=raising(AssertionError()))
    assert scene.replay().record == first


@pytest.mark.parametrize("outcome", ["complete", "failed", "panicked", "timed_out"])
def test_boots_that_have_ended_are_not_continued(scene: Scene, outcome: str) -> None:
    first = scene.replay().record
    boots(scene, first, outcome)
    assert scene.replay().record.run_id != first.run_id


def test_other_patches_are_not_the_same_replay(scene: Scene) -> None:
    first = scene.replay().record
    other = replace(first, subject=replace(first.subject, patch_ids=("9" * 40,)))
    store.save(scene.project.results, other)
    assert scene.replay().record.run_id != first.run_id


@pytest.mark.parametrize(
    "error",
    [
        DoesNotBuild("mm/mm_init.o does not build", detail="x.c:1: error"),
        Unsupported("no objects of this architecture"),
        MachineError("gcc is gone", hint="install it"),
    ],
)
def test_boots_follow_a_replay_without_programs(scene: Scene, error: HarnessError) -> None:
    use_replays(of_applied=raising(error))
    found = scene.replay()
    assert (found.record.outcome, found.record.reason) == ("failed", str(error))
    assert found.record.builds == ()
    assert found.equal
    assert f"the replay failed: {error}" in scene.notes
    assert store.runs(scene.project.results) == []
    # It can be stored beside the boots.
    folder = store.folder_of(scene.project.results, boots(scene, found.record, "complete"))
    store.save_replay(folder, found.record)
    assert store.replay_beside(folder) == found.record


def test_boots_follow_a_replay_that_failed_halfway(scene: Scene) -> None:
    def halfway(*given: Any, **how: Any) -> Any:
        record = timed(*given, **how)
        store.save(scene.project.results, replace(record, outcome="failed", reason="killed"))
        raise MachineError("killed")

    use_replays(time_builds=halfway)
    found = scene.replay().record
    assert (found.outcome, found.reason, len(found.rounds)) == ("failed", "killed", ROUNDS)
    # Nothing to go on from.
    use_replays()
    assert scene.replay().record.run_id != found.run_id


def test_a_replay_alone_fails_with_its_error(scene: Scene) -> None:
    use_replays(of_applied=raising(DoesNotBuild("no")))
    with pytest.raises(DoesNotBuild):
        scene.replay(boots_follow=False)


def test_a_defect_is_not_hidden(scene: Scene) -> None:
    use_replays(of_applied=raising(Defect("wrong")))
    with pytest.raises(Defect):
        scene.replay()


def test_a_replay_alone_is_an_ordinary_run(scene: Scene) -> None:
    first = scene.replay(boots_follow=False).record
    assert not (scene.folder / store.REPLAY).exists()
    assert scene.replay(boots_follow=False).record.run_id != first.run_id


def test_a_replay_alone_does_not_take_the_one_that_awaits_boots(scene: Scene) -> None:
    first = scene.replay().record
    assert scene.replay(boots_follow=False).record.run_id != first.run_id
    assert scene.replay().record == first


def test_different_struct_pages_are_reported_and_boots_follow(scene: Scene) -> None:
    unequal = Unequal("2", Case("generic", 0, 0x100000, 512), "_refcount: 1, expected 0")
    use_replays(compare_as_booted=lambda *_: CaseComparison(7, (unequal,)))
    found = scene.replay()
    assert not found.equal
    assert found.record.outcome == "complete"
    assert [one.equal for one in found.record.comparisons] == [True, False]
    assert "STRUCT PAGES DIFFER from base's: 2" in scene.notes


def test_little_memory_takes_small_namespaces(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Schedule] = []

    def prepared(*given: Any) -> SimpleNamespace:
        asked.append(given[2].schedule)
        raise Unsupported("seen")

    use_replays(of_applied=prepared)
    large = replace(REQUEST, schedule=Schedule(100 << 30, ROUNDS, 1, 1))
    for available, size in ((64 << 30, 100 << 30), (1 << 30, 4 << 30)):
        monkeypatch.setattr(
            first_answer, "backing_files", SimpleNamespace(available_bytes=lambda a=available: a)
        )
        monkeypatch.setattr("harness.guest.backing_files.available_bytes", lambda: 0)
        scene.replay(large)
        assert asked[-1].size_bytes == size
    assert "too little memory: the replay takes namespaces of 4 GiB" in scene.notes
