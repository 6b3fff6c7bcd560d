# SPDX-License-Identifier: GPL-2.0-only
"""One job, here and now: its call, with the machine shared or to itself, and its outcome."""

import contextlib
import traceback
from collections.abc import Iterator, Sequence
from typing import Any

from harness.errors import Defect, HarnessError, of_machine
from harness.events import Listener, Note
from harness.host.cache import Cache, host_boot
from harness.jobs.graph import AT_HOME, Done, Failed, Here, Job, Kind, Outcome


def perform(job: Job, here: Here, needed: Sequence[Any]) -> Outcome:
    """Call what the job calls and return what came of it.

    Only an interruption is raised. What no stage should raise is a Defect, with its traceback.
    """
    try:
        with _place_for(job.kind, here.cache, here.listen):
            return Done(job.call(here, job.given, *needed))
    except HarnessError as error:
        return Failed.of(error)
    except BrokenPipeError:
        raise  # whoever was told of the progress has gone
    except OSError as error:
        if refused := of_machine(error):
            return Failed.of(refused)
        return _defect(job, error)
    except Exception as error:  # noqa: BLE001 (a defect in one cell of a matrix is one cell's)
        return _defect(job, error)


def _defect(job: Job, error: Exception) -> Failed:
    detail = "".join(traceback.format_exception(error))
    return Failed.of(Defect(f"{job.name}: {error!r}", detail=detail))


@contextlib.contextmanager
def _place_for(kind: Kind, cache: Cache, listen: Listener) -> Iterator[None]:
    """Keep a measuring boot alone on its machine, whichever processes and engines run there.

    It waits for the jobs that others have begun, and they for it: whoever comes first at the
    door, so that builds after builds cannot keep a boot out.
    """
    if kind in AT_HOME:
        yield
        return
    measures = kind == "boot"

    def waiting() -> None:
        others = "other jobs on this machine are over" if measures else "a measurement is over"
        listen(Note(f"waiting until {others}"))

    # Several machines may share a cache folder; they do not disturb each other.
    machine = f"machine-{host_boot()}"
    with contextlib.ExitStack() as inside:
        with cache.locked(f"{machine}-door", waiting=waiting):
            inside.enter_context(cache.locked(machine, shared=not measures, waiting=waiting))
        yield
