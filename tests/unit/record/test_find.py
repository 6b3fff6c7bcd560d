# SPDX-License-Identifier: GPL-2.0-only
from pathlib import Path

import msgspec
import pytest

from harness.errors import RecordError
from harness.record import store
from harness.record.find import find_run
from harness.record.record import RunRecord
from tests.unit.builders import build, record
from tests.unit.replays import blank


def stored(results: Path, number: int, made: RunRecord) -> Path:
    run_id = f"20260101T00000{number}-abcdef"
    return store.save(results, msgspec.structs.replace(made, run_id=run_id)).parent


def null() -> RunRecord:
    return msgspec.structs.replace(record(), builds=(build("base", 0), build("again", 0)))


def test_a_null_run_is_the_newest_only_without_other_runs(tmp_path: Path) -> None:
    older = stored(tmp_path, 1, null())
    assert find_run(tmp_path, None) == older
    run = stored(tmp_path, 2, record())
    stored(tmp_path, 3, null())
    assert find_run(tmp_path, None) == run


def test_a_run_that_booted_is_asked_for(tmp_path: Path) -> None:
    booted = stored(tmp_path, 1, record())
    replayed = stored(tmp_path, 2, blank())
    assert find_run(tmp_path, None) == replayed
    assert find_run(tmp_path, None, booted=True) == booted


def test_a_run_is_named_by_its_id_or_its_path(tmp_path: Path) -> None:
    first, second = (stored(tmp_path, number, record()) for number in (1, 2))
    assert find_run(tmp_path, first.name) == first
    assert find_run(tmp_path, str(second)) == second
    with pytest.raises(RecordError, match="nonesuch"):
        store.load(find_run(tmp_path, "nonesuch"))


def test_without_a_run_there_is_none_to_find(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="holds no run record"):
        find_run(tmp_path, None)
