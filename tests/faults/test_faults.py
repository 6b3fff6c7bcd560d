# SPDX-License-Identifier: GPL-2.0-only
"""Every row of the table, provoked."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.errors import RecordError
from harness.record import store
from tests.conftest import GOLDENS
from tests.faults import listing
from tests.faults.scene import Ended, Scene, adopting, left_in_memory, mounts, strays
from tests.faults.table import FAULTS, Fault

#: These begin with trees and kernels that are there: what they break comes later.
WARM = ("boot", "record")


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    made = Scene(tmp_path_factory.mktemp("warm") / "scene")
    done = made.harness("build", "test", "--plan", "quick")
    assert done.exit_code == 0, done.stderr
    return made


@pytest.fixture
def orphans() -> Iterator[None]:
    with adopting():
        yield


def rows() -> list[object]:
    return [
        pytest.param(f, id=f.name, marks=() if f.quick else pytest.mark.slow)
        for f in FAULTS.values()
    ]


@pytest.mark.parametrize("row", rows())
def test_fault(
    row: Fault,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    orphans: None,
    golden: Callable[[str, str], None],
) -> None:
    shared = request.getfixturevalue("warm") if row.stage in WARM else None
    scene = Scene(tmp_path / "scene", shared)
    ended = row.provoke(scene)
    assert "Traceback" not in ended.said, ended.said
    assert ended.exit_code == row.exit_code, ended.said
    assert re.search(row.says, ended.said), ended.said
    golden(f"faults/{row.name}.txt", listed(row, scene, ended))
    if row.exit_code in (2, 3, 65, 69):
        assert_one_line(ended)
    assert_record(scene, row)
    assert strays(10) == []
    assert mounts(scene.folder) == []
    assert left_in_memory(scene.pids) == []
    assert leftovers(scene) == []


#: What differs between two runs or two machines, and what stands for it in a golden.
VARIABLE = {
    r"127\.0\.0\.1:\d+": "SERVER",
    r"\d{8}T\d{6}-[0-9a-f]{6}": "RUN",
    r"\b[0-9a-f]{12,64}\b": "HEX",
    r"\btmp\w{8}\b": "TMP",
    r"boot \d of \d, (base|tip)": "boot N of N, SIDE",
    r"boot \d of (base|tip)": "boot N of SIDE",
    r"logs/(base|tip)-\d": "logs/SIDE-N",
    r"\d+ of \d+ bytes": "N of N bytes",
    r"[\d.]+ GiB free": "N GiB free",
    r"\d+(\.\d)? s\b(?! and was killed)": "N s",
    # What other programs say.
    r"(build: ).*(; )": r"\1...\2",
    r"\(bwrap: [^)]*\)": "(bwrap: ...)",
    r"\(last: .*(; QEMU|\))": r"(last: ...\1",
}


def listed(row: Fault, scene: Scene, ended: Ended) -> str:
    """Return the exit code and the error, or else the line with what `row.says` describes."""
    lines = ended.said.splitlines()
    errors = [line for line in lines if line.startswith("harness: ")]
    text = "\n".join(errors or [line for line in lines if re.search(row.says, line)][:1])
    text = text.replace(str(scene.cache), "CACHE").replace(str(scene.folder), "SCENE")
    for pattern, word in VARIABLE.items():
        text = re.sub(pattern, word, text)
    return f"{row.done}\n{text.strip()}\nexit code {ended.exit_code}\n"


def assert_one_line(ended: Ended) -> None:
    """The error is one line, with lines of detail below it, and the last thing that is said."""
    lines = ended.stderr.splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("harness: "))
    assert all(line.startswith("  | ") for line in lines[first + 1 :]), ended.stderr


def assert_record(scene: Scene, row: Fault) -> None:
    found = store.runs(scene.root / "results")
    if row.record == "none":
        assert found == []
    elif row.record:
        outcome, _, reason = row.record.partition(": ")
        record = store.load(found[-1])
        assert record.outcome == outcome, record.reason
        assert reason in record.reason
        assert [b.build for b in record.boots if b.counts] == [] or record.outcome != "lost"
    for folder in found:
        try:
            record = store.load(folder)
        except RecordError:
            continue
        for boot in record.boots:
            assert not (boot.counts and boot.outcome != "complete")


def leftovers(scene: Scene) -> list[str]:
    """Temporary files anywhere that it may write to."""
    found = [str(path) for path in scene.tmp.iterdir()]
    staging = scene.cache / "staging"
    if staging.is_dir():
        found += [str(path) for path in staging.iterdir()]
    for top in (scene.root / "results", scene.cache / "kernels", scene.cache / "applied"):
        for folder, _, names in os.walk(top):
            found += [
                f"{folder}/{n}" for n in names if n.startswith(".") or ".part" in n or "tmp" in n
            ]
    return found


def test_there_are_enough_of_them() -> None:
    assert len(FAULTS) >= 40


def test_the_page_lists_the_table() -> None:
    assert listing.PAGE.read_text() == listing.page(), "run python -m tests.faults.listing"


def test_every_golden_is_compared() -> None:
    assert {path.stem for path in (GOLDENS / "faults").iterdir()} == set(FAULTS)
