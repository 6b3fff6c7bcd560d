# SPDX-License-Identifier: GPL-2.0-only
"""Several programs alive at once, of which one runs at a time: they hand a turn on to each other.

What disturbs this machine changes within seconds. Programs that run one after the other meet each
another machine; those that take short turns meet all the same. Who follows whom is fixed before
they start: each waits at a FIFO of its own for the byte that says it is its turn, and then puts one
into the next one's (shim/turn.c). Nobody has to be asked in between, and nobody else is woken.
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

from harness.host import cancel
from harness.replay.program.link import Program
from harness.replay.runner.runner import Answers, Runner, Trapped

#: How often the programs are looked at while they take turns, in seconds.
LOOK_S = 0.2
#: The FIFO that each program says it is ready in. No build is called that (see _fifo()).
READY = "ready"

#: What each build's thread will return.
Running = Mapping[str, Future[Answers]]


class Slice(NamedTuple):
    """Whose turn it is, and the plan's lines that it runs then."""

    build: str
    lines: tuple[str, ...]


def take(driver: Runner, programs: Mapping[str, Program], turns: Sequence[Slice]) -> list[Answers]:
    """Run all turns in their order, and return what each gave.

    `programs` are by build, one process each, whether it has a turn or not. Raises Trapped where
    one stopped itself (its line counts that program's own plan), TimedOut, or MachineError;
    whatever is raised, the others have ended by then.
    """
    with _fifos(programs) as folder:
        plans = _plans(folder, programs, turns)
        given = _together(driver, programs, plans, folder, turns[0].build)
    left = {build: list(answers.given) for build, answers in given.items()}
    found = []
    for turn in turns:
        mine = left[turn.build]
        found.append(Answers(given[turn.build].facts, tuple(mine[: len(turn.lines)])))
        del mine[: len(turn.lines)]
    return found


@contextlib.contextmanager
def _fifos(builds: Mapping[str, Program]) -> Iterator[Path]:
    """Make a FIFO a build, and hold all open: no byte is lost, and nobody's open() waits."""
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as opened:
        folder = Path(name)
        for fifo in (folder / READY, *(_fifo(folder, builds, build) for build in builds)):
            os.mkfifo(fifo, 0o600)
            opened.callback(os.close, os.open(fifo, os.O_RDWR | os.O_CLOEXEC))
        yield folder


def _fifo(folder: Path, builds: Mapping[str, Program], build: str) -> Path:
    """By number, as what a build is called may be anything."""
    return folder / str(list(builds).index(build))


def _plans(
    folder: Path, builds: Mapping[str, Program], turns: Sequence[Slice]
) -> dict[str, list[str]]:
    plans = {build: [f"give file={folder / READY}"] for build in builds}
    for number, turn in enumerate(turns):
        plan = plans[turn.build]
        plan += [f"take file={_fifo(folder, builds, turn.build)}", *turn.lines]
        if number + 1 < len(turns):
            plan.append(f"give file={_fifo(folder, builds, turns[number + 1].build)}")
    return plans


def _together(
    driver: Runner,
    programs: Mapping[str, Program],
    plans: Mapping[str, list[str]],
    folder: Path,
    first: str,
) -> dict[str, Answers]:
    """Run all plans at once; the first turn is given when every program has started.

    What one raises ends the others, and so does an interruption.
    """
    asked = threading.Event()

    def run(build: str) -> Answers:
        with cancel.stoppable(asked):
            try:
                return driver(programs[build], plans[build])
            except Trapped as trap:
                trap.where = build
                raise

    with ThreadPoolExecutor(len(programs)) as threads, contextlib.ExitStack() as in_the_end:
        in_the_end.callback(asked.set)
        running = {build: threads.submit(run, build) for build in programs}
        _await_ready(folder / READY, running)
        _put(_fifo(folder, programs, first))
        while not _ended(running, LOOK_S):
            cancel.check()
        return {build: future.result() for build, future in running.items()}


def _await_ready(fifo: Path, running: Running) -> None:
    """Wait until every program has started, so that none is disturbed by another's start."""
    missing = len(running)
    file = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        while missing:
            cancel.check()
            # Who has ended by itself without a turn has failed, and says so.
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
    """Whether all have ended well. Raises what one of them raised."""
    futures = list(running.values())
    done, left = wait(futures, timeout=patience_s, return_when=FIRST_EXCEPTION)
    for future in done:
        future.result()
    return not left
