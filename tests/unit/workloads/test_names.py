# SPDX-License-Identifier: GPL-2.0-only
"""The rooms outside workloads/ name nothing that is a workload's own."""

import re
from pathlib import Path

import harness

PACKAGE = Path(harness.__file__).parent
NAMES = re.compile(
    r"memmap_init_zone_device|nd_pmem|dax_pmem|page_ref_set|fsdax|devdax|order0|order9"
)
#: Commands with examples in their help; this list only gets shorter.
EXCUSED = [
    "cli/commands/bisect.py",
    "cli/commands/import_logs.py",
    "cli/commands/judge.py",
    "cli/commands/procedure.py",
    "cli/commands/replay.py",
    "cli/commands/reproduce.py",
    "cli/commands/watch.py",
]


def naming() -> list[str]:
    """Return the files outside workloads/ that have one of the names."""
    files = {str(path.relative_to(PACKAGE)): path for path in PACKAGE.rglob("*") if path.is_file()}
    return sorted(
        name
        for name, path in files.items()
        if not name.startswith("workloads/") and "__pycache__" not in name
        if NAMES.search(path.read_text(encoding="utf-8"))
    )


def test_only_excused_files_name_what_is_a_workloads_own() -> None:
    assert [name for name in naming() if name not in EXCUSED] == []


def test_no_file_is_excused_that_need_not_be() -> None:
    assert sorted(set(EXCUSED) - set(naming())) == []
