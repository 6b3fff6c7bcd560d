# SPDX-License-Identifier: GPL-2.0-only
"""Which engine the options choose, and the progress of several jobs."""

import sys
from pathlib import Path

import pytest

from harness.cli.engine_option import EngineChoice, engine
from harness.cli.progress import watching_jobs
from harness.errors import HarnessError, InputError, ToolMissing
from harness.events import Advanced, Began, Ended, Note
from harness.host.cache import Cache
from harness.jobs.graph import Done, Failed
from harness.jobs.local import Local
from harness.project.project import Project

ADDRESS = "tcp://127.0.0.1:1"


def chosen(tmp_path: Path, workers: EngineChoice) -> object:
    with engine(Project.find(), Cache(tmp_path), workers) as (found, _):
        return found


def test_the_local_engine_is_the_default(tmp_path: Path) -> None:
    assert isinstance(chosen(tmp_path, EngineChoice(None, 1, None, None)), Local)
    assert not tmp_path.joinpath("store").exists()


@pytest.mark.parametrize(
    ("workers", "message"),
    [
        (
            EngineChoice("dask", 1, None, None),
            "--scheduler: missing; expected a Dask scheduler's",
        ),
        (EngineChoice("local", 1, ADDRESS, None), "--scheduler: only for a cluster"),
        (EngineChoice(None, 1, None, "store"), "--store: only for a cluster"),
        (EngineChoice(None, 2, ADDRESS, None), "--jobs: only for this machine"),
    ],
)
def test_contradicting_options_are_refused(
    tmp_path: Path, workers: EngineChoice, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        chosen(tmp_path, workers)


def test_without_dask_the_hint_installs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in sys.modules if n.startswith("harness.jobs.cluster.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ToolMissing, match=r"pip install -e '\.\[cluster\]'") as caught:
        chosen(tmp_path, EngineChoice(None, 1, ADDRESS, None))
    assert caught.value.exit_code == 69


def test_an_unreachable_scheduler_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.jobs.cluster.session.CONNECT_S", 0.2)
    with pytest.raises(
        HarnessError, match=f"^{ADDRESS}: cannot connect to a Dask scheduler"
    ) as caught:
        chosen(tmp_path, EngineChoice(None, 1, ADDRESS, None))
    assert caught.value.exit_code == 69
    left = [p for p in (tmp_path / "store" / "names").rglob("*") if p.is_file()]
    assert left == []


def test_progress_is_printed_with_the_jobs_name(capsys: pytest.CaptureFixture[str]) -> None:
    with watching_jobs(named=True) as notify:
        notify("build base", Began("build base"))
        notify("build [tip]", Began("build tip"))
        notify("build base", Advanced(1, 2, "mm/mm_init.o"))
        notify("", Note("worker x gets no jobs\x1b[2J"))
        notify("build base", Ended("built"))
        notify("build base", Done(None))
        notify("build [tip]", Failed("DoesNotBuild", "no"))
    assert capsys.readouterr().err.splitlines() == [
        "build base",
        "build [tip]: build tip",
        "  worker x gets no jobs\\x1b[2J",
        "  build base: built",
    ]
