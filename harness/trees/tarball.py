# SPDX-License-Identifier: GPL-2.0-only
"""Provider tarball: a path or URL, checked by SHA-256 or by a signature as on kernel.org."""

from pathlib import Path

from harness.errors import InputError
from harness.events import Began, Ended, Listener
from harness.host import archive, http
from harness.host.cache import Cache
from harness.host.processes.process import Deadline
from harness.host.units import GIB
from harness.project.tree_source import Tarball
from harness.record.store import digest
from harness.trees import gpgv

#: Tarball, plain tar, unpacked source and the commit of it: 0.2 + 1.7 + 1.8 + 0.4 GB.
ROOM_BYTES = 6 * GIB


def unpack(
    cache: Cache,
    root: Path,
    source: Tarball,
    work: Path,
    listen: Listener,
    log: Path,
    deadline: Deadline,
) -> tuple[Path, str]:
    """Check and unpack a tarball; return its folder and a label. Paths are relative to `root`.

    Raises InputError (missing, wrong checksum or signature, invalid or dangerous members).
    """
    cache.require_room(ROOM_BYTES, "for a kernel tree")
    name = source.location.rpartition("/")[2]
    listen(Began(f"check {name}"))
    file = _local(source.location, root, work, deadline)
    found = digest(file)
    if source.sha256 is not None and found != source.sha256:
        raise InputError(
            f"has SHA-256 {found}", where=source.location, expected=f"{source.sha256} (trees.yaml)"
        )
    tar = work / "plain.tar"
    archive.decompressed(file, tar)
    if source.signature is not None and source.keyring is not None:
        sign = _local(source.signature, root, work, deadline)
        keyring = _local(source.keyring, root, work, deadline)
        (work / "gnupg").mkdir(mode=0o700)
        gpgv.check(tar, sign, keyring, work / "gnupg", log=log, deadline=deadline)
    archive.check(tar, name)
    listen(Ended(f"checked {name}"))
    listen(Began(f"unpack {name}"))
    unpacked = work / "source"
    unpacked.mkdir()
    folder = archive.extract(tar, unpacked, log=log, deadline=deadline)
    tar.unlink()
    listen(Ended(f"unpacked {name}"))
    return folder, f"tarball sha256 {found[:16]}"


def _local(location: str, root: Path, work: Path, deadline: Deadline) -> Path:
    """Return the path of a file, downloaded first if it is a URL."""
    if http.is_url(location):
        file = work / (location.rpartition("/")[2] or "download")
        http.download(location, file, deadline)
        return file
    path = root / Path(location.removeprefix("file://")).expanduser()
    if not path.is_file():
        raise InputError("no such file", where=str(path), hint="correct configs/trees.yaml")
    return path
