# SPDX-License-Identifier: GPL-2.0-only
"""A run that is killed anywhere goes on where it was; all of it is tests/bench/resume.py."""

from pathlib import Path

import pytest

from tests.bench import resume, soak
from tests.faults.scene import adopting


@pytest.mark.slow
def test_ten_runs_killed_at_random_moments_give_what_an_uninterrupted_one_gives(
    tmp_path: Path,
) -> None:
    with adopting():
        found = resume.run(tmp_path, 10, seed=2, is_real=False)
    assert found["wrong"] == []
    assert found["held"] == 10
    assert len(set(found["finished_steps_when_killed"])) > 2, "the moments were all alike"


@pytest.mark.slow
def test_nothing_piles_up_over_runs(tmp_path: Path) -> None:
    with adopting():
        found = soak.soak(tmp_path, 4, is_real=False)
    assert found["failed"] == []
    assert found["grew"] == []
    assert found["looked"]["last"]["runs"] == 4
