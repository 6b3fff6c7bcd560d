# SPDX-License-Identifier: GPL-2.0-only
"""Fetches a posted series once from the mailing list's archive, by message-id."""

import contextlib
from pathlib import Path

import msgspec

from harness.errors import InputError, MachineError, TimedOut, ToolFailed
from harness.events import Began, Ended, Listener, silent
from harness.host.cache import Cache
from harness.host.files import replace_file
from harness.host.process import Deadline
from harness.project.project import Project
from harness.project.series import Version
from harness.record.store import digest
from harness.series import b4
from harness.series.attestation import attestations
from harness.series.mail import MailError, parse_series

FETCH_S = 60


class Fetched(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The note beside a fetched mbox: its message-id, digest and number of patches.

    `attestation` is what b4 printed about each patch's signatures; empty if nothing.
    """

    message_id: str
    sha256: str
    patches: int
    attestation: tuple[str, ...] = ()


def fetch(
    project: Project, cache: Cache, slug: str, version: int, listen: Listener = silent
) -> tuple[Path, Fetched]:
    """Return the mbox of a posted version, fetched unless it is cached and unchanged, and its note.

    Raises InputError as `require_posted` does, MachineError if the archive cannot be reached or
    sends something else.
    """
    posted, cover = require_posted(project, slug, version)
    path = place(cache, slug, version)
    note = noted(path, cover)
    if note is not None:
        return path, note
    listen(Began(f"fetch v{version} by message-id {cover}"))
    with cache.staging() as work:
        made, note = _from_archive(cache, version, posted, cover, work)
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, made.read_bytes())
        # Last: an mbox is valid only with its note.
        replace_file(path.with_suffix(".json"), msgspec.json.encode(note))
    listen(Ended(f"fetched v{version}: {note.patches} patches"))
    return path, note


def require_posted(project: Project, slug: str, version: int) -> tuple[Version, str]:
    """Return a posted version and its message-id. Raises InputError if either is unknown."""
    versions = {
        v.version: v for v in project.require_series(slug).versions if v.version is not None
    }
    if version not in versions:
        raise InputError(
            f"no version {version}",
            where=f"series/{slug}/series.yaml",
            expected=f"one of {', '.join(map(str, versions))}",
        )
    posted = versions[version]
    if not posted.cover:
        raise InputError(
            f"the message-id of v{version} is not known",
            where=f"series/{slug}/series.yaml",
            expected="key cover",
            hint="add it, or give the mails with --mbox",
        )
    return posted, posted.cover


def place(cache: Cache, slug: str, version: int) -> Path:
    """Return the path of a posted version's mbox."""
    return cache.mails / slug / f"v{version}.mbox"


def noted(path: Path, message_id: str) -> Fetched | None:
    """Return the note on an mbox; None if it is missing, was changed, or is of another message."""
    with contextlib.suppress(OSError, ValueError, msgspec.MsgspecError):
        found = msgspec.json.decode(path.with_suffix(".json").read_bytes(), type=Fetched)
        if found.sha256 == digest(path) and found.message_id == message_id:
            return found
    return None


def _from_archive(
    cache: Cache, version: int, posted: Version, cover: str, work: Path
) -> tuple[Path, Fetched]:
    """Fetch an mbox with b4 and check it."""
    (work / "home").mkdir()
    printed: list[str] = []
    log = cache.log("series-fetch")
    try:
        made = b4.fetch(
            cover,
            version,
            work,
            work / "home",
            log=log,
            deadline=Deadline(FETCH_S),
            on_line=printed.append,
        )
        patches = parse_series(made.read_bytes())
    except (ToolFailed, TimedOut) as error:
        raise MachineError(
            f"v{posted.version} cannot be fetched by b4 from the mailing list's archive",
            where=cover,
            hint="check the network, or save the mails elsewhere with `b4 am` and use --mbox FILE",
            detail=error.detail,
        ) from error
    except (OSError, MailError) as error:
        raise MachineError(
            f"b4 fetched an invalid series: {error}", where=cover, hint=f"see {log}"
        ) from error
    if patches[0].version != posted.version:
        raise MachineError(
            f"b4 fetched v{patches[0].version}", where=cover, expected=f"v{posted.version}"
        )
    if posted.patches not in (None, len(patches)):
        raise MachineError(
            f"b4 fetched {len(patches)} patches",
            where=cover,
            expected=f"{posted.patches} (series.yaml)",
            hint=f"see {log}",
        )
    attested = attestations("\n".join(printed))
    if len(attested) != len(patches):
        attested = ()
    return made, Fetched(cover, digest(made), len(patches), attested)
