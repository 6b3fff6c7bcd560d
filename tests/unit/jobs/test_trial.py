# SPDX-License-Identifier: GPL-2.0-only
"""The steps of a trial on a tag: replay, then boots, up to the first that fails."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.errors import DoesNotBuild, MachineError
from harness.host.cache import Cache
from harness.jobs import trial as trials
from harness.jobs.trial import TrialRequest, Visit, trial
from harness.project.project import Project
from harness.project.run_claims import RunClaims
from harness.replay.timing.schedule import Schedule
from harness.series.rebase.outcome import Rebased

REBASED = Rebased("s", "mine@v7.3", base="c" * 40, release="7.3", mbox="x.mbox", label="s on v7.3")
HELD = "2 patches, 9 cases equal"


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A series that rebases and whose replay holds; the steps that were taken."""
    taken: list[str] = []

    def replayed(_this: object, visit: Visit) -> Visit:
        taken.append("replay")
        return Visit(visit.tag, visit.commit, visit.release, 0, "held", HELD, runs=("replay",))

    monkeypatch.setattr(trials.rebase, "rebase", lambda *_: REBASED)
    monkeypatch.setattr(trials, "_replayed", replayed)
    monkeypatch.setattr(trials, "claims_of", lambda *_: ())
    return taken


def boots(monkeypatch: pytest.MonkeyPatch, outcome: str, *verdicts: str) -> None:
    """Make boots end with these verdicts."""
    record = SimpleNamespace(run_id="boots", outcome=outcome, evidence="boot-kvm")
    found = SimpleNamespace(
        record=record,
        verdicts=[SimpleNamespace(metric="nd_pmem", verdict=verdict) for verdict in verdicts],
        rules=(),
        prefixes=(),
        parts=(),
    )
    monkeypatch.setattr(trials.reproduce, "reproduce", lambda *_: record)
    monkeypatch.setattr(trials, "conclude", lambda *_: found)


def tried(tmp_path: Path, *, with_boots: bool = True) -> Visit:
    wanted = TrialRequest("s", Schedule(1 << 30, 1, 1, 1), boots=with_boots)
    return trial(Project(tmp_path), Cache(tmp_path / "cache"), wanted, "v7.3", "mine@v7.3")


@pytest.mark.parametrize(
    ("outcome", "verdict", "exit_code"),
    [
        ("complete", "reproduced", 0),
        ("complete", "untested", 0),
        ("complete", "inconclusive", 1),
        ("complete", "contradicted", 1),
        ("failed", "reproduced", 1),
    ],
)
def test_boots_must_end_and_contradict_no_claim(
    steps: list[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    outcome: str,
    verdict: str,
    exit_code: int,
) -> None:
    boots(monkeypatch, outcome, verdict)
    visit = tried(tmp_path)
    assert (visit.exit_code, visit.stage) == (exit_code, "boot" if exit_code else "held")
    assert visit.reason == f"{HELD}; boot-kvm: nd_pmem {verdict}"
    assert visit.runs == ("replay", "boots")
    assert steps == ["replay"]
    assert visit.started <= visit.finished


def test_kernels_that_do_not_build_are_the_result_and_the_replay_stays(
    steps: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fails(*_: object) -> Any:
        raise DoesNotBuild("vmlinux does not build")

    monkeypatch.setattr(trials.reproduce, "reproduce", fails)
    visit = tried(tmp_path)
    assert (visit.exit_code, visit.stage, visit.runs) == (3, "compile", ("replay",))
    assert steps == ["replay"]


def test_a_failure_of_this_machine_is_no_visit(
    steps: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fails(*_: object) -> Any:
        raise MachineError("no space left")

    monkeypatch.setattr(trials.reproduce, "reproduce", fails)
    with pytest.raises(MachineError, match="no space left"):
        tried(tmp_path)
    assert steps == ["replay"]


def test_nothing_boots_unless_asked_or_if_the_replay_fails(
    steps: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def never(*_: object) -> Any:
        raise AssertionError

    monkeypatch.setattr(trials.reproduce, "reproduce", never)
    assert tried(tmp_path, with_boots=False).exit_code == 0
    failed = Visit("v7.3", "c" * 40, "7.3", 1, "check", "prefix 1 differs")
    monkeypatch.setattr(trials, "_replayed", lambda *_: failed)
    assert tried(tmp_path).stage == "check"
    assert steps == ["replay"]


def test_boots_are_judged_by_the_claims_of_the_mails(
    steps: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    boots(monkeypatch, "complete", "reproduced")
    asked: list[Any] = []
    known = RunClaims("the cover letter")
    monkeypatch.setattr(trials, "run_claims", lambda *_: known)
    measured = trials.reproduce.reproduce
    monkeypatch.setattr(
        trials.reproduce, "reproduce", lambda *given: asked.append(given[3]) or measured()
    )
    tried(tmp_path)
    assert [request.claims for request in asked] == [known]
    assert steps == ["replay"]
