# SPDX-License-Identifier: GPL-2.0-only
"""The verb: a series tried on each new tag of a tree, once, whatever crashes in between.

What is remembered lies in results/, beside the run records: a cleared cache must not make tags new
again. It is one file, replaced at once, and a visit in it is both the verdict and the mark that the
tag is done. A failure of ours is no visit: the tag stays new.
"""

import contextlib
import fcntl
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from harness.errors import HarnessError, InputError, MachineError, RecordError
from harness.host.cache import Cache
from harness.host.files import replace_file
from harness.jobs.watch_outcome import SCHEMA, Visit, Watched, begun, since
from harness.project.project import Project
from harness.trees.tags import offered

#: Tries the series on one tag.
Trial = Callable[[str], Visit]


class Failure(msgspec.Struct, frozen=True):
    """A tag that could not be tried, with the exit code that its reason has."""

    tag: str
    reason: str
    exit_code: int


class Round(msgspec.Struct, frozen=True):
    """One look at the tags: what was visited now, what could not be, and all that is remembered."""

    watched: Watched
    visits: tuple[Visit, ...] = ()
    failures: tuple[Failure, ...] = ()

    @property
    def exit_code(self) -> int:
        """The worst of all tags."""
        codes = [0, *(v.exit_code for v in self.visits), *(f.exit_code for f in self.failures)]
        return max(codes)


def place(project: Project, slug: str, tree: str) -> Path:
    """Return where a watch is remembered unless the user says otherwise."""
    return project.results / slug / f"watch-{tree}.json"


def look(
    project: Project,
    cache: Cache,
    watched: Watched | None,
    state: Path,
    trial: Trial,
    *,
    named: tuple[str, str],
    later_than: str | None = None,
    told: Callable[[Visit | Failure], None] = lambda _: None,
) -> Round:
    """Try the series on every new tag, oldest first, and remember each as soon as it is known.

    `named` are series and tree; `told` hears of each tag once it is remembered. The lock must be
    held; see `held`. Raises InputError, MachineError where the tags cannot be listed.
    """
    slug, tree = named
    tags = offered(project, cache, tree)
    if later_than is not None and later_than not in tags:
        raise InputError(
            f"no tag {later_than!r}",
            where="--since",
            expected=f"a tag of {tree}, like {', '.join(tags[-3:]) or 'none there is'}",
        )
    if watched is None:
        watched = begun(tree, slug, tags, later_than)
    elif later_than is not None:
        watched = since(watched, later_than)
    remember(state, watched)
    visits, failures = [], []
    for tag in watched.unvisited(tags):
        try:
            visit = trial(tag)
        except HarnessError as error:
            failures.append(Failure(tag, str(error), error.exit_code))
            told(failures[-1])
            continue
        watched = msgspec.structs.replace(watched, visits=(*watched.visits, visit))
        remember(state, watched)
        visits.append(visit)
        told(visit)
    return Round(watched, tuple(visits), tuple(failures))


@contextlib.contextmanager
def held(state: Path) -> Iterator[None]:
    """Hold the file's lock, so that no tag is tried twice at once. Raises MachineError."""
    try:
        state.parent.mkdir(parents=True, exist_ok=True)
        handle = state.with_name(f".{state.name}.lock").open("w")
    except OSError as error:
        raise MachineError(f"cannot be written: {error.strerror}", where=str(state)) from error
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise MachineError(
                "is being watched by another process", where=str(state), hint="let it finish"
            ) from error
        yield


def remembered(state: Path, slug: str, tree: str) -> Watched | None:
    """Return what is known from earlier runs; None at the first. Raises RecordError.

    A file that cannot be read is never taken for a new one: all its tags would be new again.
    """
    try:
        found = msgspec.json.decode(state.read_bytes(), type=Watched)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise RecordError(
            f"cannot be read: {error}", where=str(state), hint="mend it, or move it away"
        ) from error
    if found.schema > SCHEMA:
        raise RecordError(f"has schema {found.schema}, made by a newer harness", where=str(state))
    if (found.slug, found.tree) != (slug, tree):
        raise InputError(
            f"is of {found.slug} on {found.tree}", where=str(state), expected=f"{slug} on {tree}"
        )
    return found


def remember(state: Path, watched: Watched) -> None:
    """Replace the file at once, so that a crash leaves the old one or the new one."""
    try:
        text = msgspec.json.format(msgspec.json.encode(watched), indent=1)
        replace_file(state, text + b"\n")
    except OSError as error:
        raise MachineError(f"cannot be written: {error.strerror}", where=str(state)) from error
