# SPDX-License-Identifier: GPL-2.0-only
"""A run that is killed at any time resumes where it was (tests/bench/resume.py)."""

from pathlib import Path

import pytest

from tests.bench import resume, soak
from tests.faults.scene import adopting


@pytest.mark.slow
def test_ten_runs_killed_at_random_equal_an_uninterrupted_one(
    tmp_path: Path,
) -> None:
    with adopting():
        found = resume.run(tmp_path, 10, seed=2, is_real=False)
    assert found["wrong"] == []
    assert found["held"] == 10
    assert len(set(found["finished_steps_when_killed"])) > 2, "all kills came at the same step"


@pytest.mark.slow
def test_repeated_runs_leave_nothing_behind(tmp_path: Path) -> None:
    with adopting():
        found = soak.soak(tmp_path, 4, is_real=False)
    assert found["failed"] == []
    assert found["grew"] == []
    assert found["looked"]["last"]["runs"] == 4
