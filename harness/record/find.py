# SPDX-License-Identifier: GPL-2.0-only
"""Finds a stored run: the one that a user names, or the newest."""

import contextlib
from pathlib import Path

from harness.errors import RecordError
from harness.record import store
from harness.record.record import BootRun


def find_run(results: Path, run: str | None, *, booted: bool = False) -> Path:
    """Return the folder or file of run `run`; None is the newest (that booted guests).

    A null run is the newest only if there is no other run. Raises RecordError if there is none.
    """
    if run is None:
        newest = store.newest(results)
        return _newest(results, booted=booted) or newest
    named = Path(run)
    if named.exists():
        return named
    return next((folder for folder in store.runs(results) if folder.name == run), named)


def reference_run(results: Path) -> Path | None:
    """Return the folder of the reference run in the repository; None if it has none."""
    found = results.glob(f"reference/*/reproduce/{store.FILE}")
    return min((file.parent for file in found), default=None)


def _newest(results: Path, *, booted: bool) -> Path | None:
    for folder in reversed(store.runs(results)):
        with contextlib.suppress(RecordError):
            if store.is_null(folder):
                continue
            if not booted or isinstance(store.load(folder), BootRun):
                return folder
    return None
