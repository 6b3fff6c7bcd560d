# SPDX-License-Identifier: GPL-2.0-only
"""Run records on disk: results/<slug>/<run id>/record.json, written whole or not at all.

A run of boots may have a replay of the same patches beside it, in replay.json.
"""

import contextlib
import datetime
import hashlib
import itertools
import secrets
import tempfile
from pathlib import Path
from typing import Any

import msgspec

from harness.errors import MachineError, RecordError
from harness.host.files import replace_file
from harness.record.record import (
    AGAIN,
    BASE,
    FOLLOW_UP,
    SCHEMA,
    TIP,
    BootRun,
    BootSetup,
    Outcome,
    ReplayRun,
    ReplaySetup,
    RunRecord,
    Subject,
)

FILE = "record.json"
#: Beside the record of a run of boots: the record of the replay that preceded them.
REPLAY = "replay.json"
_RESTORE = "restore the file, or remove it to judge the boots alone"
#: A folder beside the series' folders: the boots of a matrix, which are not compared with claims.
MATRIX = "matrix"


def now() -> datetime.datetime:
    """Return the time as records state it: UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).replace(microsecond=0)


def new_run_id(now: datetime.datetime) -> str:
    """Return an id that sorts by time and is unique among the runs of one second."""
    return f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def folder_of(results: Path, record: RunRecord) -> Path:
    """Return the folder that holds this run's record and logs."""
    return results / record.subject.slug / record.run_id


def save(results: Path, record: RunRecord) -> Path:
    """Write a record atomically and return its path. Raises MachineError."""
    return _write(folder_of(results, record), FILE, record)


def save_replay(folder: Path, replay: ReplayRun) -> Path:
    """Write a replay atomically into a run's folder, as replay.json. Raises MachineError.

    The folder may be a run of boots, or the replay's own until boots take it over.
    """
    return _write(folder, REPLAY, replay)


def _write(folder: Path, name: str, record: RunRecord) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        text = msgspec.json.format(msgspec.json.encode(record), indent=1)
        return replace_file(folder / name, text + b"\n")
    except OSError as error:
        raise MachineError(
            f"the run record cannot be written: {error.strerror}",
            where=str(folder),
            hint="free space, or make it writable; the run resumes where it stopped",
        ) from error


def require_writable(results: Path) -> None:
    """Raise MachineError unless records can be written."""
    try:
        results.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=results):
            pass
    except OSError as error:
        raise MachineError(
            f"cannot be written to: {error.strerror}",
            where=str(results),
            hint="make it writable, or use another checkout",
        ) from error


def load(path: Path) -> RunRecord:
    """Load a record from its file or its run's folder. Raises RecordError."""
    return _load(path / FILE if path.is_dir() else path)


def _load(file: Path, *, may_lack_builds: bool = False) -> RunRecord:
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise RecordError(f"cannot be read: {error.strerror}", where=str(file)) from error
    try:
        schema = msgspec.json.decode(raw, type=_Head).schema
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise RecordError(f"is not a run record: {error}", where=str(file)) from error
    if schema > SCHEMA:
        raise RecordError(
            f"has schema {schema}, made by a newer harness",
            where=str(file),
            expected=f"schema {SCHEMA} or older",
        )
    if schema < 1:
        raise RecordError(
            f"has schema {schema}, which does not exist",
            where=str(file),
            expected=f"1 to {SCHEMA}",
        )
    try:
        found = _decode(raw, schema)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise RecordError(f"is damaged: {error}", where=str(file)) from error
    if _is_alone(found):
        raise RecordError(
            f"has no base beside {found.builds[0].name}",
            where=str(file),
            expected="base and another build; only a matrix boots a prefix alone",
        )
    if (found.builds or not may_lack_builds) and (why := _invalid(found)):
        raise RecordError(f"is damaged: {why}", where=str(file))
    return found


def load_boots(path: Path) -> BootRun:
    """Load the record of a run of boots. Raises RecordError, for a replay's as well."""
    found = load(path)
    if not isinstance(found, BootRun):
        raise RecordError("is a replay", where=str(path), expected="a run of guests")
    return found


def load_replay(path: Path) -> ReplayRun:
    """Load the record of a replay. Raises RecordError, for a run of boots as well."""
    found = load(path)
    if not isinstance(found, ReplayRun):
        raise RecordError("is a run of guests", where=str(path), expected="a replay")
    return found


def replay_beside(path: Path) -> ReplayRun | None:
    """Return the replay beside a run of boots, from the run's folder or record; None without one.

    A replay that failed before it had programs has no builds. Raises RecordError if the file cannot
    be used, or is not about the patches of the boots.
    """
    file = (path if path.is_dir() else path.parent) / REPLAY
    if not file.exists() or not is_of_boots(path):
        return None
    found, boots = _load(file, may_lack_builds=True), load_boots(path)
    if not isinstance(found, ReplayRun) or (not found.builds and found.outcome != "failed"):
        raise RecordError("is not the record of a replay", where=str(file), hint=_RESTORE)
    if _patches(found) != _patches(boots):
        what = f"is a replay of other patches than run {boots.run_id}"
        raise RecordError(what, where=str(file), hint=_RESTORE)
    return found


def _patches(record: RunRecord) -> tuple[object, ...]:
    subject = record.subject
    return subject.slug, subject.base, subject.patch_ids


def _is_alone(record: RunRecord) -> bool:
    """Whether the record is a matrix's boot of one prefix without base."""
    builds = record.builds
    booted = isinstance(record, BootRun) and not record.unbuilt
    return booted and len(builds) == 1 and builds[0].prefix > 0


def _invalid(record: RunRecord) -> str:
    """Return why no run can have left such a record; empty for a valid one."""
    names = [build.name for build in record.builds]
    if not _has_builds(record, names) or len(set(names)) != len(names):
        return f"its builds are {', '.join(names) or 'none'}"
    if isinstance(record, ReplayRun):
        return _invalid_pass(record, names)
    if record.fine_clock is not None:
        probed = [build.name for build in record.fine_clock.builds]
        if probed != names or any(boot.build not in names for boot in record.fine_clock.boots):
            return f"its builds with probes are {', '.join(probed) or 'none'}"
    return ""


def _invalid_pass(record: ReplayRun, names: list[str]) -> str:
    if any(min(p.ns, p.cpu_ns, p.nr_bytes) <= 0 for p in record.passes):
        return "a pass has no duration, or filled nothing"
    # The limit fills the memory without struct pages.
    if any(p.nr_pages <= 0 for p in record.passes if p.build in names):
        return "a pass has no struct pages"
    return ""


def _has_builds(record: RunRecord, names: list[str]) -> bool:
    """Whether a run can have these builds: base first, and what else its kind of run has."""
    if isinstance(record, ReplayRun):
        return names[:1] == [BASE]
    if record.is_of_plan:
        # A plan's names begin with a letter.
        planned = [one.kind == "variant" and one.name[:1].isalpha() for one in record.builds[1:]]
        return names[:1] == [BASE] and all(planned)
    if not record.is_per_patch:
        return names in ([BASE, TIP], [BASE, AGAIN])
    # The others are named by their prefixes, which ascend; a follow-up is the last.
    built = [build.prefix for build in record.builds]
    unbuilt = [missing.prefix for missing in record.unbuilt]
    most = len(record.subject.patch_ids)
    if names[-1:] == [FOLLOW_UP]:
        if built[-1] != most:
            return False
        names, built = names[:-1], built[:-1]
    expected = [str(prefix) if prefix else BASE for prefix in built]
    return (
        names == expected
        and built[:1] == [0]
        and all(one < other for one, other in itertools.pairwise(built))
        and all(one < other for one, other in itertools.pairwise(unbuilt))
        and not set(built) & set(unbuilt)
        and all(0 <= prefix <= most for prefix in (*built, *unbuilt))
    )


#: Keys that schemas 5 and 8 (the last one) renamed.
_RENAMED = {
    "sides": "builds",
    "side": "build",
    "side_bytes": "build_bytes",
    "turn": "slice",
    "driver": "metric",
}
#: Keys of one kind of run. Older records of the other kind have them as well, empty.
_OF_BOOTS, _OF_REPLAYS = ("boots", "unbuilt"), ("passes", "rounds", "counts", "comparisons")


def _decode(raw: bytes, schema: int) -> RunRecord:
    if schema >= 8:
        new: RunRecord = msgspec.json.decode(raw, type=RunRecord)
        return new
    old = _renamed(msgspec.json.decode(raw)) | {"schema": SCHEMA}
    if schema < 5:
        _make_one_kind(old)
    found: RunRecord = msgspec.convert(old, RunRecord)
    return found


def _make_one_kind(old: dict[str, Any]) -> None:
    """Make JSON of schema 4 or older, of boots and replays alike, that of one kind of run."""
    is_replay = old.get("evidence") == "replay"
    for name in _OF_BOOTS if is_replay else _OF_REPLAYS:
        if not old.get(name):
            old.pop(name, None)
    if is_replay:
        setup = msgspec.convert(old.get("setup"), BootSetup)
        del old["evidence"]
        old["setup"] = ReplaySetup(setup.guest_sha256, setup.boots, setup.rebinds, setup.nr_pages)
    old["run"] = "replay" if is_replay else "boot"


def _renamed(value: Any) -> Any:
    """Return JSON of an older schema with the keys of this one."""
    if isinstance(value, dict):
        return {_RENAMED.get(key, key): _renamed(inner) for key, inner in value.items()}
    return [_renamed(inner) for inner in value] if isinstance(value, list) else value


class _Head(msgspec.Struct):
    schema: int


class _BuildKey(msgspec.Struct):
    commit: str
    build_id: str
    config_sha256: str


class _BuildKeys(msgspec.Struct):
    builds: list[_BuildKey] = []
    sides: list[_BuildKey] = []


def is_null(path: Path) -> bool:
    """Whether a run's folder holds a run of base against itself; False if it cannot be read.

    Much faster than load(): most of the record is skipped.
    """
    with contextlib.suppress(OSError, msgspec.MsgspecError):
        keys = msgspec.json.decode((path / FILE).read_bytes(), type=_BuildKeys)
        builds = keys.builds or keys.sides
        same = len(builds) > 1 and all(build == builds[0] for build in builds)
        return same and bool(builds[0].commit or builds[0].build_id)
    return False


class _Kind(msgspec.Struct):
    run: str = ""
    evidence: str = ""


def is_of_boots(path: Path) -> bool:
    """Whether a run's folder or record holds a run of boots; False if it cannot be read."""
    file = path / FILE if path.is_dir() else path
    with contextlib.suppress(OSError, msgspec.MsgspecError):
        kind = msgspec.json.decode(file.read_bytes(), type=_Kind)
        return kind.run == "boot" or kind.evidence.startswith("boot")  # schema 4 has no `run`
    return False


class _Ended(msgspec.Struct):
    outcome: Outcome


def has_ended(path: Path) -> bool:
    """Whether a run's folder holds a run that has ended, with any outcome.

    False if it cannot be read. It need not be a record that load() accepts.
    """
    with contextlib.suppress(OSError, msgspec.MsgspecError):
        return msgspec.json.decode((path / FILE).read_bytes(), type=_Ended).outcome != "lost"
    return False


class _Trial(msgspec.Struct):
    subject: Subject


def on_trial(path: Path) -> Subject | None:
    """Return the subject of the run in a folder, as quickly as is_null().

    None if it cannot be read, or for a run of base against itself.
    """
    if is_null(path):
        return None
    with contextlib.suppress(OSError, msgspec.MsgspecError):
        return msgspec.json.decode((path / FILE).read_bytes(), type=_Trial).subject
    return None


def runs(results: Path, slug: str | None = None) -> list[Path]:
    """Return the folders of all runs (of one series), oldest first."""
    return sorted(
        (f.parent for f in results.glob(f"{slug or '*'}/*/{FILE}")), key=lambda folder: folder.name
    )


def null_runs(results: Path, slug: str) -> list[RunRecord]:
    """Return a series' readable runs of base against itself."""
    found = []
    for folder in runs(results, slug):
        with contextlib.suppress(RecordError):
            if is_null(folder):
                found.append(load(folder))
    return found


def newest(results: Path, slug: str | None = None) -> Path:
    """Return the newest run's folder. Raises RecordError when there is none."""
    found = runs(results, slug)
    if not found:
        raise RecordError("holds no run record", where=str(results), hint="run `harness reproduce`")
    return found[-1]


def resumable(results: Path, wanted: BootRun) -> BootRun | None:
    """Return the newest unfinished run that measures exactly what `wanted` does, if any."""
    for folder in reversed(runs(results, wanted.subject.slug)):
        with contextlib.suppress(RecordError):
            found = load(folder)
            if not isinstance(found, BootRun) or found.outcome != "lost":
                continue
            if _pinned(found) == _pinned(wanted):
                return found
    return None


def resumable_replay(results: Path, wanted: ReplayRun) -> ReplayRun | None:
    """Return the newest replay with the same inputs whose boots have not ended; None without one.

    It is lost or complete: the replay beside boots that were interrupted, or a replay that awaits
    its boots, in whose folder save_replay() has left another copy.
    """
    for folder in reversed(runs(results, wanted.subject.slug)):
        if not (folder / REPLAY).exists():
            continue
        with contextlib.suppress(RecordError):
            found: RunRecord | None = load(folder)
            if isinstance(found, BootRun):
                found = replay_beside(folder) if found.outcome == "lost" else None
            if found is None or found.outcome not in ("lost", "complete"):
                continue
            assert isinstance(found, ReplayRun)  # noqa: S101 (for mypy)
            if _replayed(found) == _replayed(wanted):
                return found
    return None


def _replayed(record: ReplayRun) -> tuple[object, ...]:
    return record.subject, record.setup, record.machine, record.builds


def _pinned(record: BootRun) -> tuple[object, ...]:
    setup = record.setup
    if setup.until:  # its boots are those that it has asked for until now
        setup = msgspec.structs.replace(setup, boots=0, looks=0)
    clocked = () if record.fine_clock is None else record.fine_clock.builds
    return (record.evidence, record.subject, setup, record.machine, record.builds, clocked)
