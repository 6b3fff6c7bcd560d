# SPDX-License-Identifier: GPL-2.0-only
"""The runs in results/reference/, and how a run is kept there."""

import re
from pathlib import Path

import msgspec

from harness.project.project import Project
from harness.record import store
from tests.reference import CACHE, CHECKOUT, HOME, keep
from tests.unit.builders import record

RUNS = sorted(Project.find().results.glob("reference/*/*/record.json"))
#: A folder of one machine's user or checkout; those of every machine are no secret.
OF_A_MACHINE = re.compile(
    r"(?<![\w.-])/(?:(?:root|work)\b|tmp/[\w-]{8,}|var/tmp/\w|home/(?!user\b))[\w./-]*"
)


def test_a_kept_run_names_no_folder_of_the_machine(tmp_path: Path) -> None:
    made = msgspec.structs.replace(
        record(),
        subject=msgspec.structs.replace(record().subject, source="/root/.cache/x/m.mbox"),
    )
    boot = msgspec.structs.replace(
        made.boots[0],
        argv=("/root/me/harness/.venv/bin/vng", "--root=/root/me/harness", "/root/me/harness2"),
    )
    made = msgspec.structs.replace(made, boots=(boot, *made.boots[1:]))
    run = store.save(tmp_path / "results", made).parent
    folders = {
        Path("/root/me/harness"): CHECKOUT,
        Path("/root/.cache/x"): CACHE,
        Path("/root"): HOME,
    }
    kept = store.load_boots(keep(run, "reproduce", folders, tmp_path / "results"))
    assert kept.subject.source == "/cache/m.mbox"
    assert kept.boots[0].argv == (
        "/checkout/.venv/bin/vng",
        "--root=/checkout",
        "/home/user/me/harness2",
    )
    assert kept.boots[1:] == made.boots[1:]
    assert store.runs(tmp_path / "results") == [run]


def test_reference_runs_load_and_name_no_folder_of_a_machine() -> None:
    for file in RUNS:
        store.load(file)
        text = "".join(path.read_text() for path in file.parent.iterdir())
        found = OF_A_MACHINE.findall(text)
        assert not found, (file.parent.name, found[:5])
