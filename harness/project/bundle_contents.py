# SPDX-License-Identifier: GPL-2.0-only
"""Collects the files of a run that its verdict depends on.

These are the record, the replay beside it, logs and memmaps, the kernels' configurations, the
claims of the run and the series, and the plan and guest unless they have changed since the run.
"""

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from harness.errors import InputError, RecordError
from harness.host.cache import Cache
from harness.host.digest import value_digest
from harness.project import run_claims
from harness.project.project import Project
from harness.project.run_claims import claims_of
from harness.record import store
from harness.record.bundle.manifest import Absent
from harness.record.record import BootRun, ReplayRun, RunRecord

Files = dict[str, bytes]


class _Configured(msgspec.Struct):
    config_sha256: str


def contents(
    project: Project, cache: Cache, folder: Path, record: RunRecord, null: str = ""
) -> tuple[Files, tuple[Absent, ...]]:
    """Return a run's files by their path in a checkout, and the files that are missing.

    `null` is the id of the null run that limits the verdicts. Raises RecordError if a log has
    changed or the replay cannot be used, InputError if the series is unknown.
    """
    slug = record.subject.slug
    claims_of(project, record, folder)  # fails here if the receiver could not judge the run
    run = f"results/{slug}/{record.run_id}"
    sources = {f"{run}/{store.FILE}": folder / store.FILE}
    if slug in project.slugs():
        sources[f"series/{slug}/series.yaml"] = project.series_file(slug)
    if null:
        noise = f"results/{slug}/{null}/{store.FILE}"
        sources[noise] = project.root / noise
    replay = store.replay_beside(folder)
    beside = [*folder.glob("memmap-*.npz"), *folder.glob(run_claims.FILE)]
    beside += [folder / store.REPLAY] if replay else []
    sources |= {f"{run}/{path.name}": path for path in beside}
    files: Files = {path: source.read_bytes() for path, source in sources.items()}
    found = [*_configs(cache, record, replay)]
    if isinstance(record, BootRun):
        found += _logs(folder, record)
        if record.evidence != "reported":  # logs of others have neither plan nor guest
            found += _inputs(project, record)
    absent = []
    for path, source in found:
        if isinstance(source, str):
            absent.append(Absent(path, source))
        else:
            inputs = path.startswith(("configs/", "guests/"))
            files[path if inputs else f"{run}/{path}"] = source
    return files, tuple(absent)


def _logs(folder: Path, record: BootRun) -> Iterator[tuple[str, bytes | str]]:
    for boot in record.all_boots:
        for log in boot.logs:
            path = folder / log.path
            if not path.is_file():
                yield log.path, "the log was removed after the run"
                continue
            data = path.read_bytes()
            if hashlib.sha256(data).hexdigest() != log.sha256:
                raise RecordError("has changed since the run", where=str(path))
            yield log.path, data


def _configs(
    cache: Cache, record: RunRecord, replay: ReplayRun | None
) -> Iterator[tuple[str, bytes | str]]:
    """Yield the .config of each build, as cached with its kernel, and those of the replay alone."""
    cached = dict(_cached_configs(cache))
    wanted = [(build, f"{name}.config") for name, build in record.kernels.items()]
    booted = {build.config_sha256 for build, _ in wanted}
    alone = [b for b in (replay.builds if replay else ()) if b.config_sha256 not in booted]
    wanted += [(build, f"replay-{build.name}.config") for build in alone]
    for build, name in ((b, name) for b, name in wanted if b.config_sha256):
        path = cached.get(build.config_sha256)
        data = path.read_bytes() if path is not None and path.is_file() else b""
        is_same = hashlib.sha256(data).hexdigest() == build.config_sha256
        yield name, data if is_same else "it is no longer cached"


def _cached_configs(cache: Cache) -> Iterator[tuple[str, Path]]:
    """Yield the .config of each cached kernel and replay program, with its digest."""
    for meta in (*cache.kernels.glob("*/kernel.json"), *cache.root.glob("replay/*/program.json")):
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            found = msgspec.json.decode(meta.read_bytes(), type=_Configured)
            yield found.config_sha256, meta.parent / "config"


def _inputs(project: Project, record: BootRun) -> Iterator[tuple[str, bytes | str]]:
    """Yield plan and guest, unless they have changed since the run."""
    setup = record.setup
    plan = f"configs/plans/{setup.plan}.yaml"
    guest = f"guests/{setup.guest}.yaml"
    for path, load, name, expected in (
        (plan, project.plan, setup.plan, setup.plan_sha256),
        (guest, project.guest, setup.guest, setup.guest_sha256),
    ):
        try:
            digest = value_digest(load(name))
        except InputError:
            yield path, "it no longer exists or no longer loads"
            continue
        data = (project.root / path).read_bytes()
        yield path, data if digest == expected else "it has changed since the run"
