# SPDX-License-Identifier: GPL-2.0-only
"""Provoke every row of the table."""

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

#: Stages that need trees and kernels: these come from a cache.
WARM = ("boot", "server", "record")


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
    assert "Traceback" not in ended.output, ended.output
    assert ended.exit_code == row.exit_code, ended.output
    assert re.search(row.says, ended.output), ended.output
    golden(f"faults/{row.name}.txt", listed(row, scene, ended))
    if row.exit_code in (2, 3, 65, 69):
        assert_one_line(ended)
    assert_record(scene, row)
    assert strays(10) == []
    assert mounts(scene.folder) == []
    assert left_in_memory(scene.pids) == []
    assert leftovers(scene) == []


#: Text that differs between runs or machines, and its replacement in goldens.
VARIABLE = {
    r"127\.0\.0\.1:\d+": "SERVER",
    r"\d{8}T\d{6}-[0-9a-f]{6}": "RUN",
    r"\b[0-9a-f]{12,64}\b": "HEX",
    r"\btmp\w{8}\b": "TMP",
    r"boot \d of \d, (base|tip)": "boot N of N, BUILD",
    r"boot \d of (base|tip)": "boot N of BUILD",
    r"logs/(base|tip)-\d": "logs/BUILD-N",
    r"\$\.boots\[\d\]\.samples\[\d+\]": "$.boots[N].samples[N]",
    r"\d+ of \d+ bytes": "N of N bytes",
    r"[\d.]+ GiB free": "N GiB free",
    r"\d+(\.\d)? s\b(?! and was killed)": "N s",
    # Output of other programs.
    r"(build: ).*(; )": r"\1...\2",
    r"\(bwrap: [^)]*\)": "(bwrap: ...)",
    r"\(last: .*(; QEMU|\))": r"(last: ...\1",
}


def listed(row: Fault, scene: Scene, ended: Ended) -> str:
    """Return the exit code and the error, or else the line with what `row.says` describes."""
    lines = ended.output.splitlines()
    errors = [line for line in lines if line.startswith("harness: ")]
    text = "\n".join(errors or [line for line in lines if re.search(row.says, line)][:1])
    text = text.replace(str(scene.cache), "CACHE").replace(str(scene.folder), "SCENE")
    for pattern, word in VARIABLE.items():
        text = re.sub(pattern, word, text)
    return f"{row.done}\n{text.strip()}\nexit code {ended.exit_code}\n"


def assert_one_line(ended: Ended) -> None:
    """Check that the error is one line, at the end, with only lines of detail after it."""
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
    """Return the temporary files in all folders that the harness writes to."""
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


def test_there_are_at_least_forty() -> None:
    assert len(FAULTS) >= 40


def test_the_page_lists_the_table() -> None:
    assert listing.PAGE.read_text() == listing.page(), "run python -m tests.faults.listing"


def test_every_golden_is_compared() -> None:
    assert {path.stem for path in (GOLDENS / "faults").iterdir()} == set(FAULTS)
