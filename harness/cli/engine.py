# SPDX-License-Identifier: GPL-2.0-only
"""Options that say who runs a command's jobs, and the engine that they choose."""

import contextlib
import functools
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from harness.cache import Cache
from harness.cli.options import F
from harness.cli.progress import watching_jobs
from harness.errors import InputError
from harness.inputs import Project

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.engine.graph import Engine, Hear


class Workers(NamedTuple):
    """What the options say."""

    engine: str | None
    jobs: int
    scheduler: str | None
    store: str | None


def engine_options(command: F) -> F:
    """Add --engine, --jobs, --scheduler and --store; the command takes them as `workers`."""

    @functools.wraps(command)
    def collected(
        *args: Any,
        engine: str | None,
        jobs: int,
        scheduler: str | None,
        store: str | None,
        **kwargs: Any,
    ) -> Any:
        return command(*args, workers=Workers(engine, jobs, scheduler, store), **kwargs)

    decorated: Any = collected
    for decorate in (
        click.option(
            "--store",
            metavar="URL",
            help="Where the cluster's machines hand each other trees and kernels: a folder that "
            "all see, or a URL for fsspec (default: store/ in the cache folder).",
        ),
        click.option(
            "--scheduler",
            metavar="ADDRESS",
            help="Run on the Dask cluster at this address, like tcp://10.0.0.1:8786.",
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
            "--engine",
            type=click.Choice(["local", "dask"]),
            help="Who runs the jobs (default: local; dask where --scheduler is given).",
        ),
    ):
        decorated = decorate(decorated)
    return decorated  # type: ignore[no-any-return]


@contextlib.contextmanager
def engine(project: Project, cache: Cache, workers: Workers) -> "Iterator[tuple[Engine, Hear]]":
    """Give the chosen engine, and what draws the progress of its jobs."""
    chosen = workers.engine or ("dask" if workers.scheduler else "local")
    if chosen == "local":
        from harness.engine.local import Local

        for option, value in (("--scheduler", workers.scheduler), ("--store", workers.store)):
            if value is not None:
                raise InputError("is for a cluster", where=option, expected="--engine dask")
        with watching_jobs(named=workers.jobs > 1) as hear:
            yield Local(project, cache, workers.jobs), hear
        return
    raise NotImplementedError
