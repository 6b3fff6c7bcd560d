# SPDX-License-Identifier: GPL-2.0-only
"""Writes a site of all runs: the page of every run, and an index page."""

import contextlib
import ctypes
import functools
import os
import signal
import urllib.parse
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import HarnessError, MachineError
from harness.events import Advanced, Began, Ended, Listener
from harness.host.files import replace_file
from harness.project.project import Project
from harness.project.run_claims import claims_of
from harness.record import store

if TYPE_CHECKING:
    from harness.record.record import RunRecord
    from harness.report.page.index_page import Broken, IndexRun

#: From this many pages, starting more processes is worth its second.
MANY = 150
#: include/uapi/linux/prctl.h
PR_SET_PDEATHSIG = 1


def write_site(project: Project, site: Path, listen: Listener) -> Path:
    """Write the site below `site` and return its index page, which also lists unusable runs.

    Raises MachineError if it cannot be written.
    """
    from harness.report.page import index_page

    found = (f for f in project.results.glob("*/*") if f.is_dir() and not _of_matrix(f))
    folders = sorted(f for f in found if site == project.results or site not in f.parents)
    listen(Began(f"{len(folders)} runs"))
    runs: list[IndexRun] = []
    broken: list[Broken] = []
    for number, made in enumerate(_each(project, site, folders, _nulls(folders))):
        listen(Advanced(number, len(folders), folders[number].name))
        if isinstance(made, index_page.IndexRun):
            runs.append(made)
        else:
            broken.append(made)
    path = _put(site / index_page.NAME, index_page.page(runs, broken))
    listen(Ended(f"{len(runs)} runs, {len(broken)} that cannot be judged"))
    return path


def _of_matrix(folder: Path) -> bool:
    """Return whether a folder holds boots of a matrix, which are not judged."""
    return folder.parent.name == store.MATRIX and not (folder / store.FILE).exists()


def _nulls(folders: Sequence[Path]) -> "tuple[RunRecord, ...]":
    """Return the readable runs of base against itself; the index lists the others."""
    found = []
    for folder in filter(store.is_null, folders):
        with contextlib.suppress(HarnessError):
            found.append(store.load(folder))
    return tuple(found)


def _each(
    project: Project, site: Path, folders: Sequence[Path], nulls: "Sequence[RunRecord]"
) -> "Iterator[IndexRun | Broken]":
    """Write and yield the pages in the order of their folders, on all CPUs if there are many."""
    one = functools.partial(_one, project, site, nulls)
    cpus = len(os.sched_getaffinity(0))
    if len(folders) < MANY or cpus == 1:
        yield from map(one, folders)
        return
    with ProcessPoolExecutor(cpus, get_context("spawn"), _begin, (os.getpid(),)) as pool:
        yield from pool.map(one, folders, chunksize=25)


def _begin(parent: int) -> None:
    """Leave Ctrl-C to the parent, and end with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def _one(
    project: Project, site: Path, nulls: "Sequence[RunRecord]", folder: Path
) -> "IndexRun | Broken":
    from harness.judge.conclude import conclude
    from harness.report.page import index_page, run_page

    name = folder.relative_to(project.results)
    try:
        record = store.load(folder)
    except HarnessError as error:
        return index_page.Broken(str(name), error.what)
    try:
        slug = record.subject.slug
        ours = [n for n in nulls if n.subject.slug == slug]
        claims, replay = claims_of(project, record, folder), store.replay_beside(folder)
        conclusion = conclude(record, claims, ours, replay=replay)
        page = site / name / run_page.NAME
        text = run_page.page(
            conclusion,
            has=lambda log: (folder / log).is_file(),
            home=_link(folder, page.parent) + "/",
            index=_link(site / index_page.NAME, page.parent),
        )
        _put(page, text)
    except MachineError:
        raise
    except Exception as error:  # noqa: BLE001 (one bad record must not hide all others)
        known = isinstance(error, HarnessError)
        return index_page.Broken(
            str(name), str(error) if known else f"defect in the harness: {error!r}"
        )
    return index_page.run_of(conclusion, _link(page, site))


def _link(target: Path, start: Path) -> str:
    return urllib.parse.quote(os.path.relpath(target, start))


def _put(path: Path, text: str) -> Path:
    """Write a page unless it is unchanged."""
    data = text.encode()
    try:
        if not path.is_file() or path.read_bytes() != data:
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, data, durable=False)
    except OSError as error:
        raise MachineError(f"cannot be written: {error.strerror}", where=str(path)) from error
    return path
