# SPDX-License-Identifier: GPL-2.0-only
"""Tries a series on each new tag of a tree, once.

results/SERIES/watch-TREE/ has one file per tag that was tried, and a list of the tags that the
first look skipped. Run records alone would not do: a conflict and a --check leave none. It is in
results/ because a cleared cache must not make tags new again. A tag that could not be tried gets no
file and is tried at the next look.
"""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from harness.errors import HarnessError, InputError, MachineError, RecordError
from harness.events import Listener, silent
from harness.host.cache import Cache
from harness.host.files import replace_file
from harness.jobs.trial import TrialRequest, Visit, trial
from harness.project.project import Project
from harness.project.release import order
from harness.trees.names import TAG_MARK, called, of_same_source
from harness.trees.tags import offered

SKIPPED = "skipped.json"

T = TypeVar("T")


class Failure(msgspec.Struct, frozen=True):
    """A tag that could not be tried: the reason, and the exit code for it."""

    tag: str
    reason: str
    exit_code: int


def look(
    project: Project,
    cache: Cache,
    wanted: TrialRequest,
    tree: str,
    since: str | None = None,
    listen: Listener = silent,
) -> Iterator[Visit | Failure]:
    """Try the series on every new tag, oldest release first; yield each result once it is stored.

    New are the tags later than `since`. Without it, new are those that earlier looks did not see;
    for the first look, the newest alone. Raises InputError, RecordError, MachineError.
    """
    tags = sorted(offered(project, cache, tree), key=_release)
    if since is not None and since not in tags:
        raise InputError(
            f"no tag {since!r}",
            where="--since",
            expected=f"a tag of {tree}, like {', '.join(tags[-3:])}" if tags else "no --since",
        )
    folder = folder_of(project, wanted.slug, tree)
    with _alone(cache, folder):
        for tag in _new(folder, tags, since):
            try:
                name = of_same_source(project, tree, tag) or f"{tree}{TAG_MARK}{tag}"
                visit = trial(project, cache, wanted, tag, name, listen)
            except HarnessError as error:
                yield Failure(tag, str(error), error.exit_code)
                continue
            _store(_file(folder, tag), visit)
            yield visit


def folder_of(project: Project, slug: str, tree: str) -> Path:
    """Return the folder in which the visits to a tree's tags are stored."""
    return project.results / slug / f"watch-{called(tree)}"


def last_good(folder: Path) -> Visit | None:
    """Return the visit to the latest release on which everything held. Raises RecordError."""
    visits = [_load(path, Visit) for path in folder.glob("v*.json")]
    good = [visit for visit in visits if visit.exit_code == 0]
    return max(good, key=lambda visit: _release(visit.tag), default=None)


def _new(folder: Path, tags: Sequence[str], since: str | None) -> list[str]:
    """Return the tags to try, and store which ones are skipped for good."""
    stored = folder / SKIPPED
    if since is None and stored.exists():
        skipped = _load(stored, list[str])
    else:
        count = len(tags) - 1 if since is None else tags.index(since) + 1
        skipped = list(tags[: max(count, 0)])
        _store(stored, skipped)
    return [tag for tag in tags if tag not in skipped and not _file(folder, tag).exists()]


@contextlib.contextmanager
def _alone(cache: Cache, folder: Path) -> Iterator[None]:
    """Hold the lock on these visits, so that no tag is tried twice at once. Raises MachineError."""
    with cache.free(f"{folder.name}-{folder.parent.name}") as is_free:
        if not is_free:
            raise MachineError(
                "another process is trying tags of this tree", where=str(folder), hint="wait for it"
            )
        yield


def _file(folder: Path, tag: str) -> Path:
    return folder / f"{tag}.json"


def _store(path: Path, value: object) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n")
    except OSError as error:
        raise MachineError(f"cannot be written: {error.strerror}", where=str(path)) from error


def _load(path: Path, kind: type[T]) -> T:
    """Return what a file holds. Raises RecordError: a damaged file is never taken for none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.MsgspecError) as error:
        raise RecordError(
            f"cannot be read: {error}",
            where=str(path),
            hint="restore it, or remove it to start again",
        ) from error


def _release(tag: str) -> tuple[int, int, int, int]:
    return order(tag) or (0, 0, 0, 0)
