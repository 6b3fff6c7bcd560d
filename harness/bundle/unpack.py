# SPDX-License-Identifier: GPL-2.0-only
"""A bundle's files, laid out as a checkout's: series/, configs/, guests/ and results/.

So a bundle is judged by the very code, and from the same folders, as a run of one's own.
"""

from collections.abc import Iterator
from pathlib import Path

from harness import records
from harness.bundle.manifest import Manifest, Member
from harness.bundle.read import read
from harness.errors import MachineError, RecordError
from harness.model.record import RunRecord


def unpack(bundle: Path, folder: Path) -> tuple[Manifest, RunRecord]:
    """Unpack below an empty folder of ours; return the manifest and the run's record.

    Raises RecordError for anything but a whole bundle whose logs are those of its record. What was
    unpacked until then is for the folder's owner to remove.
    """
    for name in ("series", "configs", "guests", "results"):
        (folder / name).mkdir()

    def keep(member: Member, data: Iterator[bytes]) -> None:
        path = folder / member.path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:
                for chunk in data:
                    file.write(chunk)
        except OSError as error:
            raise MachineError(
                f"cannot be unpacked: {error.strerror}", where=str(bundle)
            ) from error

    found = read(bundle, keep)
    return found, _record(bundle, folder, found)


def check(bundle: Path) -> Manifest:
    """Return the manifest of a whole bundle, unpacking nothing. Raises RecordError."""

    def drain(_member: Member, data: Iterator[bytes]) -> None:
        for _ in data:
            pass

    return read(bundle, drain)


def _record(bundle: Path, folder: Path, found: Manifest) -> RunRecord:
    """Return the record. It names its logs' digests: they must be those of the logs beside it."""
    try:
        record = records.load(folder / found.run)
    except RecordError as error:
        raise RecordError(f"{found.run}/{records.FILE} {error.what}", where=str(bundle)) from error
    if (record.subject.slug, record.run_id) != (found.slug, found.run_id):
        raise RecordError(f"holds the record of another run than {found.run}", where=str(bundle))
    packed = {member.path: member.sha256 for member in found.members}
    for boot in record.boots:
        for log in boot.logs:
            if packed.get(f"{found.run}/{log.path}", log.sha256) != log.sha256:
                raise RecordError(f"{log.path} is not the log of its record", where=str(bundle))
    return record
