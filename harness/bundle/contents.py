# SPDX-License-Identifier: GPL-2.0-only
"""What of a run goes into its bundle: all that a verdict rests on, and what is missing by name.

The record has every argv, digest and version; beside it go its logs and memmaps, the kernels'
configurations, the claims it answers to, and the plan and guest as long as they are what they were.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from harness import records
from harness.bundle.manifest import Absent
from harness.cache import Cache
from harness.errors import InputError, RecordError
from harness.inputs import Project
from harness.model.digest import value_digest
from harness.model.record import RunRecord

Files = dict[str, Path | bytes]


class _Built(msgspec.Struct):
    config_sha256: str


def contents(
    project: Project, cache: Cache, folder: Path, record: RunRecord, null: str = ""
) -> tuple[Files, tuple[Absent, ...]]:
    """Return the files of a run, by the path they have in a checkout, and what there is not.

    `null` is the id of the run of base against base that the verdicts are held to. Raises
    RecordError where a log is not the one that the record was made from, InputError where the
    series is unknown.
    """
    slug = record.subject.slug
    project.measurable_series(slug)
    project.claims(slug)  # what cannot be judged here cannot be judged there
    run = f"results/{slug}/{record.run_id}"
    files: Files = {
        f"series/{slug}/series.yaml": project.series_folder / slug / "series.yaml",
        f"{run}/{records.FILE}": folder / records.FILE,
    }
    if null:
        beside = f"results/{slug}/{null}/{records.FILE}"
        files[beside] = project.root / beside
    files |= {f"{run}/{path.name}": path for path in sorted(folder.glob("memmap-*.npz"))}
    found = [*_logs(folder, record), *_configs(cache, record), *_inputs(project, record)]
    absent = []
    for path, source in found:
        if isinstance(source, str):
            absent.append(Absent(path, source))
        else:
            inputs = path.startswith(("configs/", "guests/"))
            files[path if inputs else f"{run}/{path}"] = source
    return files, tuple(absent)


def _logs(folder: Path, record: RunRecord) -> Iterator[tuple[str, Path | str]]:
    for boot in record.boots:
        for log in boot.logs:
            path = folder / log.path
            if not path.is_file():
                yield log.path, "the log is no longer where the run left it"
            elif records.digest(path) != log.sha256:
                raise RecordError("is not what it was when the record was made", where=str(path))
            else:
                yield log.path, path


def _configs(cache: Cache, record: RunRecord) -> Iterator[tuple[str, Path | str]]:
    """Each side's .config, as kept with its kernel."""
    kept = dict(_kept(cache))
    for side in record.sides:
        name = f"{side.name}.config"
        path = kept.get(side.config_sha256)
        if path is None or not path.is_file() or records.digest(path) != side.config_sha256:
            yield name, "it is no longer in the cache"
        else:
            yield name, path


def _kept(cache: Cache) -> Iterator[tuple[str, Path]]:
    """What is kept of kernels and of replay programs, each beside the digest of its .config."""
    for meta in (*cache.kernels.glob("*/kernel.json"), *cache.root.glob("replay/*/program.json")):
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            found = msgspec.json.decode(meta.read_bytes(), type=_Built)
            yield found.config_sha256, meta.parent / "config"


def _inputs(project: Project, record: RunRecord) -> Iterator[tuple[str, Path | str]]:
    """Plan and guest, unless they say something else by now than when the run was made."""
    if record.evidence == "replay":
        return
    setup = record.setup
    plan = f"configs/plans/{setup.plan}.yaml"
    guest = f"guests/{setup.guest}.yaml"
    for path, load, name, expected in (
        (plan, project.plan, setup.plan, setup.plan_sha256),
        (guest, project.guest, setup.guest, setup.guest_sha256),
    ):
        try:
            said = value_digest(load(name))
        except InputError:
            yield path, "it is no longer there"
            continue
        yield path, project.root / path if said == expected else "it has changed since the run"
