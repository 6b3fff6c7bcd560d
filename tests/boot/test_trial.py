# SPDX-License-Identifier: GPL-2.0-only
"""What `harness watch` does with a tag, on the real tree: carried, compiled, compared, timed."""

from pathlib import Path

import msgspec
import pytest

from harness.errors import MachineError
from harness.host.cache import Cache
from harness.jobs.trial import TrialRequest, trial
from harness.judge.rule_syntax import parse_rule
from harness.project.kernel import Tree
from harness.project.project import Project
from harness.record import store
from harness.replay.timing.schedule import Schedule
from harness.series.source import Mails

pytestmark = pytest.mark.boot
WRONG = Path(__file__).parent.parent / "data" / "wrong-series"
REQUEST = TrialRequest(
    slug="memcpy-streaming",
    schedule=Schedule(size_bytes=1 << 30, rounds=5, passes=1, seed=1),
    plan="quick",
    cases=20,
)


@pytest.fixture
def name(tree: Tree) -> str:
    """The tree as a watch names it: a tag of an entry."""
    return f"v7.2@v{tree.release}"


def test_what_holds_is_timed_and_its_record_kept(
    project: Project, cache: Cache, tree: Tree, name: str
) -> None:
    visit = trial(project, cache, REQUEST, f"v{tree.release}", name)
    assert (visit.exit_code, visit.stage) == (0, "held")
    assert (visit.commit, visit.release) == (tree.commit, tree.release)
    assert "cases equal" in visit.reason
    assert "order0 0." in visit.reason
    (run,) = visit.runs
    record = store.load(project.results / "memcpy-streaming" / run)
    assert record.outcome == "complete"
    assert record.subject.tree == name
    assert len(record.builds) == 2


def test_times_are_held_to_a_rule(project: Project, cache: Cache, tree: Tree, name: str) -> None:
    rules = (parse_rule("order0.ratio<0.01"),)
    wanted = msgspec.structs.replace(REQUEST, rules=rules)
    try:
        visit = trial(project, cache, wanted, f"v{tree.release}", name)
    except MachineError as error:
        # On a machine this busy no time decides anything, which must be no verdict either.
        assert "is undecided" in error.what
        return
    assert (visit.exit_code, visit.stage) == (1, "time")
    assert visit.reason.startswith("order0.ratio<0.01 fails")


def test_a_series_that_leaves_other_struct_pages_does_not_hold(
    project: Project, cache: Cache, tree: Tree, name: str
) -> None:
    wanted = msgspec.structs.replace(REQUEST, source=Mails(WRONG / "missing-refcount.mbox"))
    visit = trial(project, cache, wanted, f"v{tree.release}", name)
    assert (visit.exit_code, visit.stage) == (1, "check")
    assert "_refcount: 1, expected 0" in visit.reason
    assert visit.runs == ()
