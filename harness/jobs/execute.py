# SPDX-License-Identifier: GPL-2.0-only
"""Runs one job in this process, with the machine shared or, to measure, to itself."""

import contextlib
import traceback
from collections.abc import Iterator, Sequence
from typing import Any

from harness.errors import Defect, HarnessError, of_machine
from harness.events import Listener, Note
from harness.host.cache import Cache, host_boot
from harness.jobs.graph import AT_HOME, Done, Failed, Here, Job, Kind, Outcome


def perform(job: Job, here: Here, needed: Sequence[Any]) -> Outcome:
    """Make the job's call and return its outcome.

    Raises only what interrupts it. An exception other than HarnessError is a Defect.
    """
    try:
        with _sharing_machine(job.kind, here.cache, here.listen):
            return Done(job.call(here, job.given, *needed))
    except HarnessError as error:
        return Failed.of(error)
    except BrokenPipeError:
        raise  # the reader of our progress is gone
    except OSError as error:
        if refused := of_machine(error):
            return Failed.of(refused)
        return _defect(job, error)
    except Exception as error:  # noqa: BLE001 (a defect in one cell of a matrix fails that cell)
        return _defect(job, error)


def _defect(job: Job, error: Exception) -> Failed:
    detail = "".join(traceback.format_exception(error))
    return Failed.of(Defect(f"{job.name}: {error!r}", detail=detail))


@contextlib.contextmanager
def _sharing_machine(kind: Kind, cache: Cache, listen: Listener) -> Iterator[None]:
    """Hold this machine's lock, shared or exclusive: a boot that measures runs alone.

    Jobs of all processes and engines here wait for each other. They take the lock in the order in
    which they arrive at the door, so that one build after another cannot keep a boot waiting.
    """
    if kind in AT_HOME:
        yield
        return
    measures = kind == "boot"

    def waiting() -> None:
        others = "other jobs on this machine end" if measures else "a measurement ends"
        listen(Note(f"waiting until {others}"))

    # Several machines may share a cache folder; they do not disturb each other.
    machine = f"machine-{host_boot()}"
    with contextlib.ExitStack() as inside:
        with cache.locked(f"{machine}-door", waiting=waiting):
            inside.enter_context(cache.locked(machine, shared=not measures, waiting=waiting))
        yield
