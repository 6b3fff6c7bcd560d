# SPDX-License-Identifier: GPL-2.0-only
"""The cluster's engine against a real scheduler and real workers, with fake guests."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from harness.errors import DoesNotBuild
from harness.events import Began
from harness.guest.accelerator import BootChoice
from harness.jobs.cluster import fingerprint, remote_jobs
from harness.jobs.graph import Done, Failed, Graph, Here, Job, Skipped
from harness.jobs.local import Local
from harness.jobs.matrix import jobs as cell_jobs
from harness.jobs.matrix import matrix
from harness.jobs.per_patch import reproduce_each_patch
from harness.record import store as records
from tests.fakes.cluster import (
    REQUEST,
    Cluster,
    Scene,
    cluster,
    measured_on,
    pinned,
    same_at_home,
    stored,
)
from tests.fakes.trees import edit
from tests.unit.jobs.test_graph import Breaks, add, concatenate, divide, tell
from tests.unit.jobs.test_matrix import PLAN


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster that lasts, with a worker that measures and one that does not."""
    folder = tmp_path_factory.mktemp("cluster")
    with pytest.MonkeyPatch.context() as patch, cluster(folder / "cluster") as made:
        Scene(folder, patch)
        made.worker("a")
        made.worker("b", boot=False)
        yield made


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: Cluster) -> Scene:
    made = Scene(tmp_path, monkeypatch)
    made.cluster = workers
    return made


def test_outcomes_are_those_of_the_local_engine(scene: Scene) -> None:
    jobs = [
        Job("c", "build", concatenate, "c", ("b", "a")),
        Job("b", "verify", concatenate, "b", ("a",)),
        Job("a", "build", concatenate, "a"),
        Job("tells", "build", tell, "beginning"),
        Job("breaks", "build", add, Breaks()),
        Job("needs it", "boot", add, 1, ("breaks",)),
        Job("defect", "verify", divide, 0),
        Job("at home", "fetch", concatenate, "home"),
    ]
    there = scene.run(*jobs)
    here = Local(scene.machine.project, scene.machine.cache).run(Graph(jobs))
    for name, outcome in here.items():
        match outcome, there[name]:
            case Failed(), Failed() as failed:
                assert failed.on
                assert msgspec.structs.replace(failed, on="", detail=outcome.detail) == outcome
            case _:
                assert there[name] == outcome
    assert there["c"] == Done("cbaa")
    assert there["needs it"] == Skipped("breaks")
    assert [h for name, h in scene.events if name == "tells"] == [Began("beginning"), Done(None)]
    assert there["breaks"].error().exit_code == 3  # type: ignore[union-attr]


def stopped(here: Here, file: str) -> None:
    """Note the attempt and end as a job does whose worker is stopped."""
    with Path(file).open("a") as attempts:
        attempts.write("x")
    raise KeyboardInterrupt


def test_a_job_whose_workers_are_stopped_is_retried_a_few_times(
    scene: Scene, tmp_path: Path
) -> None:
    attempts = tmp_path / "attempts"
    outcomes = scene.run(Job("a", "build", stopped, str(attempts)), Job("b", "build", add, 1))
    assert isinstance(failed := outcomes["a"], Failed)
    assert failed.what == "a: 4 workers were stopped while they ran it"
    assert failed.error().exit_code == 69
    assert attempts.read_text() == "xxxx"
    assert outcomes["b"] == Done(1)


def test_a_run_is_the_same_as_at_home(scene: Scene) -> None:
    record = scene.reproduce()
    assert not scene.machine.cache.kernels.exists(), "nothing was built here"
    assert measured_on(scene, record) == {"a"}
    left = [p for p in (scene.cluster.cache("a") / "runs").rglob("*") if p.is_file()]
    assert left == [], "what is at home now is still on the worker"
    same_at_home(scene, record)


def test_a_per_patch_run_is_the_same_as_at_home(scene: Scene) -> None:
    project, cache = scene.machine.project, scene.machine.cache
    with scene.engine() as engine:
        record = reproduce_each_patch(engine, project, cache, REQUEST, scene.notify)
    assert [build.name for build in record.builds] == ["base", "1", "2"]
    assert not cache.kernels.exists()
    at_home = reproduce_each_patch(Local(project, cache), project, cache, REQUEST)
    assert pinned(at_home) == pinned(record)
    assert stored(project, at_home) == stored(project, record)


def test_boots_of_a_matrix_are_stored_in_their_own_folder(scene: Scene) -> None:
    project, cache = scene.machine.project, scene.machine.cache
    (project.configs / "plans/matrix-quick.yaml").write_text(PLAN)
    wanted = cell_jobs.CellRequest("test", project.matrix("quick"), choice=BootChoice("tcg"))
    with scene.engine() as engine:
        results = matrix.run(engine, project, cache, wanted, scene.notify)
    assert [(result.outcome, result.reason) for result in results] == [("ok", "")] * 3
    assert not cache.kernels.exists()
    for result in results[1:]:
        # One of them has no base beside it, so it cannot be judged.
        assert result.run.startswith("matrix/test/")
        assert (project.results / result.run / records.FILE).is_file()
    assert records.runs(project.results) == []
    assert all(again.cached for again in matrix.run(Local(project, cache), project, cache, wanted))


def test_a_failed_build_on_a_worker_is_exit_3_with_the_compilers_words(scene: Scene) -> None:
    (port,) = (scene.machine.root / "series/test/ports/v7.2").glob("0002-*")
    edit(port, "1024", "nonesuch")
    with pytest.raises(DoesNotBuild, match=r"does not build.*\(on ") as caught:
        scene.reproduce()
    assert "nonesuch" in (caught.value.detail or "")


def test_workers_with_another_harness_get_no_jobs_and_it_is_said(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = msgspec.structs.replace(fingerprint.own(), source="0" * 64)
    monkeypatch.setattr(fingerprint, "own", lambda: other)
    monkeypatch.setattr(remote_jobs, "PATIENCE_S", 0.0)
    outcomes = scene.run(Job("a", "build", add, 1), Job("b", "build", add, 1, ("a",)))
    assert isinstance(failed := outcomes["a"], Failed)
    assert failed.expected == "a worker with this harness (2 without it)"
    notes = [message for message in scene.notes() if "gets no jobs" in message]
    assert len(notes) == 2
    for line in notes:
        assert f"it runs {fingerprint.Fingerprint('0.1.0', other.python, '')}"[:20] in line
        assert line.endswith(f"not {other}")
        assert line.partition("no jobs: it ")[2] in (failed.detail or "")
    assert outcomes["b"] == Skipped("a")


def test_workers_that_see_another_store_get_no_jobs_and_it_is_said(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_jobs, "PATIENCE_S", 0.0)
    monkeypatch.setattr("harness.jobs.cluster.session.Session._leave_mark", lambda *_: None)
    outcomes = scene.run(Job("a", "build", add, 1))
    assert isinstance(outcomes["a"], Failed)
    store = scene.machine.cache.root / "store"
    end = f"sees another store at {store} than this machine"
    assert any(note.endswith(end) for note in scene.notes())
