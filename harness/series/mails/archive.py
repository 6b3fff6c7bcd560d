# SPDX-License-Identifier: GPL-2.0-only
"""Fetches threads from a mail archive, by message-id, and keeps them in the cache."""

import contextlib
import functools
import hashlib
import re
import urllib.parse
from collections.abc import Sequence
from pathlib import Path

import msgspec

from harness.errors import HarnessError, InputError, MachineError, TimedOut, ToolFailed
from harness.events import Began, Ended, Listener, silent
from harness.git import git
from harness.host.cache import Cache
from harness.host.files import replace_file
from harness.host.processes.process import Deadline
from harness.project.project import Project
from harness.project.series import Version
from harness.record.store import digest
from harness.series.mails import archive_url, b4
from harness.series.mails.attestation import attestations
from harness.series.mails.mail import PatchMail
from harness.series.mails.messages import MAX_MBOX_BYTES, read_mails

FETCH_S = 60
#: b4 asks the DNS for keys, one patch after the other.
ATTEST_S = 30
CONFIG_S = 10
#: What b4 prints if an archive does not send a thread, and what that means.
_STATUS = re.compile(r"Server returned an error: (\d{3})")
_FAILURES = (
    (re.compile("BadGzipFile"), "does not send a mailbox, or a damaged one"),
    (
        re.compile("EOFError|ChunkedEncodingError|IncompleteRead|zlib.error"),
        "its answer is cut off",
    ),
    (re.compile("[Rr]ead timed out"), "does not answer"),
    (re.compile("All hosts failed"), "cannot be reached"),
    (re.compile("Traceback"), "its answer cannot be read"),
)
_HINT = "check the network and the archive, or save the mails elsewhere and give their file"


class Fetched(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The note beside a thread in the cache: its message-id, archive and digest.

    `attestation` is what b4 printed about signatures, by the message-ids of the patches that it was
    asked about; "" if it printed nothing.
    """

    message_id: str
    archive: str
    sha256: str
    attestation: dict[str, str] = {}


class Thread(msgspec.Struct, frozen=True):
    """A thread in the cache: its mbox, the note beside it, and whether it was fetched just now."""

    path: Path
    note: Fetched
    is_new: bool


def fetch(
    cache: Cache,
    message_id: str,
    archive: str = "",
    *,
    again: bool = False,
    listen: Listener = silent,
) -> Thread:
    """Return the thread of a message, from the cache unless `again`.

    `archive` is the URL of a public-inbox; "" is the one of the user's b4 configuration, or lore.
    Raises InputError for an invalid URL or an unknown message, MachineError if the archive cannot
    be reached or sends something else.
    """
    settings = archive_url.settings_of(archive) if archive else of_user(cache)
    name = archive_url.name_of(settings)
    path = place(cache, message_id)
    note = None if again else noted(path, message_id)
    if note is not None and note.archive == name:
        return Thread(path, note, is_new=False)
    listen(Began(f"fetch the thread of {message_id}"))
    with cache.staging() as work:
        raw = _from_archive(cache, message_id, settings, work)
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, raw)
    note = Fetched(message_id, name, digest(path))
    # Last: an mbox is valid only with its note.
    _write(path, note)
    listen(Ended(f"fetched {len(read_mails(raw))} mails from {name}"))
    return Thread(path, note, is_new=True)


@functools.lru_cache(maxsize=4)  # a command asks at each step
def of_user(cache: Cache, repository: Path | None = None) -> dict[str, str]:
    """Return b4's settings that say where mail comes from, from the user's git configuration.

    With `repository`, from its configuration as well. Raises InputError for an invalid one.
    """
    found = git.settings(
        rf"^b4\.({'|'.join(archive_url.SETTINGS)})$",
        repository or Path("/"),
        log=cache.log("archive-config"),
        deadline=Deadline(CONFIG_S),
    )
    settings = {key.removeprefix("b4."): value for key, value in found.items()}
    archive_url.require_masks(settings)
    return settings


def of_repository(cache: Cache, repository: Path) -> str:
    """Return the archive of the user's configuration and the repository's, "" for none."""
    settings = of_user(cache, repository)
    return archive_url.name_of(settings) if "midmask" in settings else ""


def attested(cache: Cache, thread: Thread, patches: Sequence[PatchMail]) -> tuple[str, ...]:
    """Return what b4 prints about the signatures of a thread's patches; empty if nothing.

    b4 is asked once about each patch; the note keeps the answer.
    """
    note = noted(thread.path, thread.note.message_id) or thread.note
    names = [patch.message_id for patch in patches]
    if not set(names) <= set(note.attestation):
        printed: tuple[str, ...] = ()
        # Signatures are for information: the patches can be used without.
        with cache.staging() as work, contextlib.suppress(ToolFailed, TimedOut):
            (work / "home").mkdir()
            printed = b4.attest(
                [patch.raw for patch in patches],
                archive_url.settings_of(note.archive),
                work,
                log=cache.log("archive-attest"),
                deadline=Deadline(ATTEST_S),
            )
        found = attestations("\n".join(printed))
        if len(found) != len(patches):
            found = ("",) * len(patches)
        known = note.attestation | dict(zip(names, found, strict=True))
        note = msgspec.structs.replace(note, attestation=known)
        _write(thread.path, note)
    lines = tuple(note.attestation[name] for name in names)
    return lines if all(lines) else ()


def require_posted(project: Project, slug: str, version: int) -> tuple[Version, str]:
    """Return a posted version and its message-id. Raises InputError if either is unknown."""
    versions = {v.version: v for v in project.require_series(slug).versions if v.version}
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
            hint="add it, or name a file of the mails instead",
        )
    return posted, posted.cover


def place(cache: Cache, message_id: str) -> Path:
    """Return the path of a thread's mbox in the cache."""
    readable = urllib.parse.quote(message_id, safe="@+=")[:100]
    # One folder is one entry of the cache.
    short = hashlib.sha256(message_id.encode()).hexdigest()[:12]
    return cache.mails / f"{readable}.{short}" / "thread.mbox"


def noted(path: Path, message_id: str) -> Fetched | None:
    """Return the note on an mbox; None if it is missing, was changed, or is of another message."""
    with contextlib.suppress(OSError, ValueError, msgspec.MsgspecError):
        found = msgspec.json.decode(path.with_suffix(".json").read_bytes(), type=Fetched)
        if found.sha256 == digest(path) and found.message_id == message_id:
            return found
    return None


def _write(path: Path, note: Fetched) -> None:
    replace_file(path.with_suffix(".json"), msgspec.json.encode(note))


def _from_archive(cache: Cache, message_id: str, settings: dict[str, str], work: Path) -> bytes:
    """Fetch a thread with b4. Raises InputError, MachineError as `fetch` does."""
    (work / "home").mkdir()
    name = archive_url.name_of(settings)
    printed: list[str] = []
    log = cache.log("archive-fetch")
    try:
        made = b4.thread(
            message_id, settings, work, log=log, deadline=Deadline(FETCH_S), on_line=printed.append
        )
        if made.stat().st_size > MAX_MBOX_BYTES:
            raise MachineError(
                f"the thread of <{message_id}> is over 64 MiB", where=name, hint=_HINT
            )
        raw = made.read_bytes()
    except TimedOut as error:
        raise MachineError(
            f"does not send the thread of <{message_id}> within {FETCH_S} s", where=name, hint=_HINT
        ) from error
    except (ToolFailed, OSError) as error:
        raise _failure("\n".join(printed), message_id, name, log) from error
    if message_id not in [mail.message_id for mail in read_mails(raw)]:
        raise _other_thread(message_id, name)
    return raw


def _failure(printed: str, message_id: str, name: str, log: Path) -> HarnessError:
    """Return the error for what b4 printed when it could not fetch a thread."""
    status = _STATUS.search(printed)
    if status is not None and status[1] == "404":
        return InputError(
            f"has no mail <{message_id}>",
            where=name,
            hint="check the message-id, or name the archive that has it with --archive URL",
        )
    if status is not None:
        return MachineError(f"answers with error {status[1]}", where=name, hint=_HINT)
    for pattern, what in _FAILURES:
        if pattern.search(printed):
            return MachineError(what, where=name, hint=f"{_HINT} (b4's log: {log})")
    return _other_thread(message_id, name)


def _other_thread(message_id: str, name: str) -> MachineError:
    return MachineError(
        f"sends a thread without <{message_id}>, or nothing", where=name, hint=_HINT
    )
