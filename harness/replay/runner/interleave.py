# SPDX-License-Identifier: GPL-2.0-only
"""Interleaves several programs in short slices; one of them runs at a time.

Machine noise varies over seconds. Programs run back to back see different conditions; interleaving
short slices exposes all of them to the same. The order is fixed before the programs start: each
waits for a byte on its own FIFO, runs its slice, and writes a byte to the FIFO of the next
(shim/turn.c). Neither this process nor any other program wakes up in between.
"""

import contextlib
import os
import select
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import NamedTuple

from harness.host.processes import cancel
from harness.replay.program.link import Program
from harness.replay.runner.runner import Answers, Runner, Trapped

#: How often the programs are polled, in seconds.
LOOK_S = 0.2
#: The FIFO to which each program writes when it is ready. The others have numbers.
READY = "ready"

#: The threads that wait for the programs, by build.
Running = Mapping[str, Future[Answers]]


class Slice(NamedTuple):
    """The build that runs, and its plan lines."""

    build: str
    lines: tuple[str, ...]


def run_slices(
    runner: Runner, programs: Mapping[str, Program], slices: Sequence[Slice]
) -> list[Answers]:
    """Run all slices in order and return the answers of each.

    Starts one process per entry of `programs`, which is by build, with or without slices. Raises
    Trapped if a program stopped itself (`line` counts that program's plan), TimedOut or
    MachineError, after all programs have ended.
    """
    with _fifos(programs) as folder:
        plans = _plans(folder, programs, slices)
        given = _together(runner, programs, plans, folder, slices[0].build)
    remaining = {build: list(answers.given) for build, answers in given.items()}
    found = []
    for slice_ in slices:
        mine = remaining[slice_.build]
        found.append(Answers(given[slice_.build].facts, tuple(mine[: len(slice_.lines)])))
        del mine[: len(slice_.lines)]
    return found


@contextlib.contextmanager
def _fifos(builds: Mapping[str, Program]) -> Iterator[Path]:
    """Make one FIFO per build and hold all open, so that no byte is lost and no open() blocks."""
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as opened:
        folder = Path(name)
        for fifo in (folder / READY, *(_fifo(folder, builds, build) for build in builds)):
            os.mkfifo(fifo, 0o600)
            opened.callback(os.close, os.open(fifo, os.O_RDWR | os.O_CLOEXEC))
        yield folder


def _fifo(folder: Path, builds: Mapping[str, Program], build: str) -> Path:
    """Return the FIFO of a build, by number: a build may have any name."""
    return folder / str(list(builds).index(build))


def _plans(
    folder: Path, builds: Mapping[str, Program], slices: Sequence[Slice]
) -> dict[str, list[str]]:
    plans = {build: [f"give file={folder / READY}"] for build in builds}
    for number, slice_ in enumerate(slices):
        plan = plans[slice_.build]
        plan += [f"take file={_fifo(folder, builds, slice_.build)}", *slice_.lines]
        if number + 1 < len(slices):
            plan.append(f"give file={_fifo(folder, builds, slices[number + 1].build)}")
    return plans


def _together(
    runner: Runner,
    programs: Mapping[str, Program],
    plans: Mapping[str, list[str]],
    folder: Path,
    first: str,
) -> dict[str, Answers]:
    """Run all plans at once; start the first slice when every program is ready.

    An error of one program, or an interruption, ends the others.
    """
    stop = threading.Event()

    def run(build: str) -> Answers:
        with cancel.stoppable(stop):
            try:
                return runner(programs[build], plans[build])
            except Trapped as trap:
                trap.where = build
                raise

    with ThreadPoolExecutor(len(programs)) as threads, contextlib.ExitStack() as at_end:
        at_end.callback(stop.set)
        running = {build: threads.submit(run, build) for build in programs}
        _await_ready(folder / READY, running)
        _put(_fifo(folder, programs, first))
        while not _ended(running, LOOK_S):
            cancel.check()
        return {build: future.result() for build, future in running.items()}


def _await_ready(fifo: Path, running: Running) -> None:
    """Wait until every program has started, so that no start disturbs another program."""
    missing = len(running)
    file = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        while missing:
            cancel.check()
            # A program that ended before its first slice has failed: raises its error.
            _ended(running, 0)
            if select.select([file], [], [], LOOK_S)[0]:
                missing -= len(os.read(file, missing))
    finally:
        os.close(file)


def _put(fifo: Path) -> None:
    file = os.open(fifo, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(file, b"\0")
    finally:
        os.close(file)


def _ended(running: Running, patience_s: float) -> bool:
    """Return whether all have ended. Raises the error of one that failed."""
    futures = list(running.values())
    done, running_still = wait(futures, timeout=patience_s, return_when=FIRST_EXCEPTION)
    for future in done:
        future.result()
    return not running_still
