# SPDX-License-Identifier: GPL-2.0-only
"""The option that says how much runs at once, and the engine that it makes."""

import contextlib
import functools
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from harness.cache import Cache
from harness.cli.options import F
from harness.cli.progress import watching_jobs
from harness.inputs import Project

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.engine.graph import Engine, Hear


class Workers(NamedTuple):
    """What the option says."""

    jobs: int


def engine_options(command: F) -> F:
    """Add --jobs; the command takes it as `workers`."""

    @functools.wraps(command)
    def collected(*args: Any, jobs: int, **kwargs: Any) -> Any:
        return command(*args, workers=Workers(jobs), **kwargs)

    return click.option(  # type: ignore[return-value]
        "--jobs",
        type=click.IntRange(min=1),
        default=1,
        show_default=True,
        metavar="N",
        help="Kernels to build at once (each build uses all processors).",
    )(collected)


@contextlib.contextmanager
def engine(project: Project, cache: Cache, workers: Workers) -> "Iterator[tuple[Engine, Hear]]":
    """Give the engine, and what draws the progress of its jobs."""
    from harness.engine.local import Local

    with watching_jobs(named=workers.jobs > 1) as hear:
        yield Local(project, cache, workers.jobs), hear
