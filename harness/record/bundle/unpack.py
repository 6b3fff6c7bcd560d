# SPDX-License-Identifier: GPL-2.0-only
"""Lays out a bundle's files as in a checkout: series/, configs/, guests/ and results/.

The same code then judges a bundle and a local run.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from harness.errors import MachineError, RecordError
from harness.record import store
from harness.record.bundle import archive
from harness.record.bundle.manifest import Manifest
from harness.record.record import BootRun, RunRecord


def unpack(bundle: Path, folder: Path) -> tuple[Manifest, RunRecord]:
    """Unpack into an empty folder; return the manifest and the run's record.

    Raises RecordError unless the bundle is intact and its logs match its record.
    """
    found, files = archive.read(bundle)
    try:
        for name in ("series", "configs", "guests", "results"):
            (folder / name).mkdir()
        for name, data in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    except OSError as error:
        raise MachineError(f"cannot be unpacked: {error.strerror}", where=str(bundle)) from error
    return found, _record(bundle, folder, found, files)


def _record(bundle: Path, folder: Path, found: Manifest, files: Mapping[str, bytes]) -> RunRecord:
    """Return the record, whose digests of logs must be those of the logs beside it."""
    name = store.FILE
    try:
        record = store.load(folder / found.run)
        name = store.REPLAY
        store.replay_beside(folder / found.run)
    except RecordError as error:
        raise RecordError(f"{found.run}/{name} {error.what}", where=str(bundle)) from error
    if (record.subject.slug, record.run_id) != (found.slug, found.run_id):
        raise RecordError(f"holds the record of another run than {found.run}", where=str(bundle))
    for boot in record.all_boots if isinstance(record, BootRun) else ():
        for log in boot.logs:
            data = files.get(f"{found.run}/{log.path}")
            if data is not None and hashlib.sha256(data).hexdigest() != log.sha256:
                raise RecordError(f"{log.path} is not the log of its record", where=str(bundle))
    return record
