# SPDX-License-Identifier: GPL-2.0-only
"""Options that choose the engine that runs a command's jobs, and that engine."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from harness.cli.options import adding, grouped
from harness.cli.progress import watching_jobs
from harness.errors import InputError, ToolMissing
from harness.host.cache import Cache
from harness.project.project import Project

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.jobs.graph import Engine, Notify


class EngineChoice(NamedTuple):
    """The values of the options."""

    engine: str | None
    jobs: int
    scheduler: str | None
    store: str | None


#: --engine, --jobs, --scheduler and --store; the command takes them as `workers`.
engine_options = adding(
    click.option(
        "--engine",
        type=click.Choice(["local", "dask"]),
        help="Engine that runs the jobs (default: dask with --scheduler, else local).",
    ),
    click.option(
        "--jobs",
        type=click.IntRange(min=1),
        default=1,
        show_default=True,
        metavar="N",
        help="Kernels to build at once on this machine (each build uses all processors).",
    ),
    click.option(
        "--scheduler",
        metavar="ADDRESS",
        help="Run on the Dask cluster of this scheduler, like tcp://10.0.0.1:8786.",
    ),
    click.option(
        "--store",
        metavar="URL",
        help="Store in which the cluster's machines share trees and kernels: a folder that all "
        "see, or a URL for fsspec (default: store/ in the cache folder).",
    ),
    grouped("workers", EngineChoice),
)


@contextlib.contextmanager
def engine(
    project: Project, cache: Cache, workers: EngineChoice, *, named: bool = False
) -> "Iterator[tuple[Engine, Notify]]":
    """Yield the chosen engine, and a listener that draws its progress, by job if `named`."""
    with (
        chosen_engine(project, cache, workers) as (runs, at_once),
        watching_jobs(named=named or at_once) as notify,
    ):
        yield runs, notify


@contextlib.contextmanager
def chosen_engine(
    project: Project, cache: Cache, workers: EngineChoice
) -> "Iterator[tuple[Engine, bool]]":
    """Yield the chosen engine, and whether it runs several jobs at once."""
    chosen = workers.engine or ("dask" if workers.scheduler else "local")
    if chosen == "local":
        from harness.jobs.local import Local

        for option, value in (("--scheduler", workers.scheduler), ("--store", workers.store)):
            if value is not None:
                raise InputError("only for a cluster", where=option, expected="--engine dask")
        yield Local(project, cache, workers.jobs), workers.jobs > 1
        return
    if workers.jobs > 1:
        raise InputError("only for this machine", where="--jobs", expected="no --scheduler")
    if workers.scheduler is None:
        raise InputError("missing", where="--scheduler", expected="a Dask scheduler's address")
    try:
        from harness.jobs.cluster.dask import Dask
    except ModuleNotFoundError as error:
        raise ToolMissing(
            f"Dask is not installed here (no module {error.name})",
            hint="run .venv/bin/pip install -e '.[cluster]' in the checkout",
        ) from error
    opened = Dask(project, cache, workers.scheduler, _place(workers.store))
    with contextlib.closing(opened) as cluster:
        yield cluster, True


def _place(store: str | None) -> str | None:
    """Return a folder's absolute path: workers have other working folders."""
    return store if store is None or "://" in store else str(Path(store).absolute())
