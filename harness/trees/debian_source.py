# SPDX-License-Identifier: GPL-2.0-only
"""Provider debian-source: Debian's linux-source packages, from any suite of its archive."""

from pathlib import Path

from harness.errors import InputError, MachineError
from harness.events import Began, Ended, Listener, Note
from harness.host import archive
from harness.host.cache import Cache
from harness.host.processes.process import Deadline
from harness.host.units import GIB
from harness.project.tree_source import DebianSource, upstream_version
from harness.trees import apt

#: Package, tarball, unpacked source and the commit of it: 0.2 + 0.2 + 1.8 + 0.4 GB.
ROOM_BYTES = 4 * GIB


def unpack(
    cache: Cache, source: DebianSource, work: Path, listen: Listener, log: Path, deadline: Deadline
) -> tuple[Path, str]:
    """Download and unpack the newest version offered; return its folder and a label.

    Raises InputError (no such version or suite), MachineError (no network), ToolMissing.
    """
    apt.require()
    cache.require_room(ROOM_BYTES, "for a kernel tree")
    listen(Began(f"look for {source.package} {source.version} in {', '.join(source.suites)}"))
    with cache.locked("apt"):
        mine, absent, offers = _search(cache, source, log, deadline)
        offer = next((offer for offer in offers if source.matches(offer.version)), None)
        if offer is None:
            raise _no_match(source, absent, offers, mine.archive.uri)
        if absent:
            listen(Note(f"{mine.archive.uri} has no suite {', '.join(absent)}"))
        listen(Ended(f"{offer.package} {offer.version} is the newest offered"))
        listen(Began(f"download {offer.package} {offer.version}"))
        deb = mine.download(offer, work)
    apt.unpack(deb, work / "deb", log=log, deadline=deadline)
    deb.unlink()
    tarballs = list((work / "deb/usr/src").glob(f"{offer.package}.tar.*"))
    if len(tarballs) != 1:
        raise MachineError(
            "the package does not hold one tarball of the source",
            where=f"{offer.package} {offer.version}",
        )
    listen(Ended(f"downloaded {offer.package} {offer.version}, {deb.name}"))
    listen(Began(f"unpack {tarballs[0].name}"))
    unpacked = work / "source"
    unpacked.mkdir()
    # Debian signed its checksum, so its members need no check.
    folder = archive.extract(tarballs[0], unpacked, log=log, deadline=deadline)
    listen(Ended(f"unpacked {tarballs[0].name}"))
    return folder, f"debian-source {offer.version}"


def tags(cache: Cache, source: DebianSource, log: Path, deadline: Deadline) -> list[str]:
    """Return the tags of the upstream releases offered in an entry's suites (v7.2.12, v7.3-rc7).

    All versions of the package count. Raises InputError, MachineError, ToolMissing.
    """
    apt.require()
    with cache.locked("apt"):
        mine, absent, offers = _search(cache, source, log, deadline)
    if absent and not offers:
        raise _no_match(source, absent, offers, mine.archive.uri)
    upstream = (upstream_version(offer.version) for offer in offers)
    return list(dict.fromkeys(f"v{version.replace('~', '-')}" for version in upstream))


def _search(
    cache: Cache, source: DebianSource, log: Path, deadline: Deadline
) -> tuple[apt.Apt, list[str], list[apt.Offer]]:
    """Return the first usable archive, the suites it lacks, and its offers."""
    failure: MachineError | None = None
    for place in apt.archives():
        mine = apt.Apt(cache.apt, place, log=log, deadline=deadline)
        try:
            absent = mine.update(source.suites)
        except MachineError as error:
            failure = failure or error
            continue
        return mine, absent, mine.offers(source.package)
    assert failure is not None  # noqa: S101 (archives() gives at least one)
    raise failure


def _no_match(
    source: DebianSource, absent: list[str], offers: list[apt.Offer], uri: str
) -> InputError:
    if absent:
        return InputError(
            f"no suite {', '.join(absent)}",
            where=uri,
            expected="suites of Debian",
            hint="correct `suites` in configs/trees.yaml",
        )
    others = ", ".join(offer.version for offer in offers) or "none"
    return InputError(
        f"no {source.package} {source.version} in {', '.join(source.suites)}",
        where=uri,
        expected=f"a version offered: {others}",
        hint="correct `version` or `suites` in configs/trees.yaml",
    )
