# SPDX-License-Identifier: GPL-2.0-only
"""Interleaved programs run in the given order, one at a time, and all end together."""

import shutil
import subprocess
import threading
import time
from pathlib import Path

import pytest

from harness.errors import HarnessError, TimedOut
from harness.host.cache import Cache
from harness.host.processes import cancel
from harness.host.processes.process import Deadline
from harness.host.processes.sandbox import NO_SANDBOX, Sandbox
from harness.replay.program.link import Program
from harness.replay.runner import interleave
from harness.replay.runner.interleave import Slice
from harness.replay.runner.runner import Runner, Trapped
from harness.workloads.zone_device.replay import REPLAY
from harness.workloads.zone_device.replay.cases import START_PFN, Case
from tests.integration.replay.conftest import Maker

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
GOOD = Case("generic", 0, START_PFN, 1 << 10).line()
#: What the program stops at that was made with WRONG_BUG.
BUG = Case("generic", 0, START_PFN, 512).line()
#: Some seconds of work.
LONG = tuple([Case("generic", 0, START_PFN, 1 << 20).line()] * 400)


def alive(program: Program) -> bool:
    """Whether a process of that program is left."""
    found = subprocess.run(["pgrep", "-f", str(program.path)], check=False, stdout=subprocess.PIPE)
    return found.returncode == 0


def test_each_turn_gets_its_own_answers(make: Maker, runner: Runner) -> None:
    sizes = [1000, 2000, 3000, 4000, 5000]
    order = ["a", "b", "b", "a", "b"]
    lines = [Case("generic", 0, START_PFN, nr).line() for nr in sizes]
    plan = [Slice(build, (line,) * 2) for build, line in zip(order, lines, strict=True)]
    answers = interleave.run_slices(runner, {"a": make(), "b": make("STREAMING")}, plan)
    assert [len(given.ran) for given in answers] == [2] * 5
    ends = [given.ran[0].seen["pageblocks"][-1][1] - START_PFN for given in answers]
    assert ends == [-(-nr // 512) * 512 for nr in sizes]


def test_a_build_without_a_turn_is_no_hindrance(make: Maker, runner: Runner) -> None:
    (given,) = interleave.run_slices(runner, {"a": make(), "b": make()}, [Slice("a", (GOOD,))])
    assert len(given.ran) == 1


def test_they_are_interleaved_in_bubblewrap_too(make: Maker, tmp_path: Path) -> None:
    sandbox = Cache(tmp_path / "cache").sandbox
    if sandbox.unusable:
        pytest.skip(f"bubblewrap: {sandbox.unusable}")
    confined = Runner(tmp_path / "log", Deadline(60), sandbox, REPLAY)
    plan = [Slice(build, (GOOD,)) for build in "abab"]
    assert len(interleave.run_slices(confined, {"a": make(), "b": make("STREAMING")}, plan)) == 4


def test_one_that_stops_itself_ends_the_others_at_once(make: Maker, runner: Runner) -> None:
    programs = {"base": make(), "tip": make("WRONG_BUG"), "idle": make("STREAMING")}
    plan = [Slice("base", (GOOD,)), Slice("tip", (GOOD, BUG)), Slice("base", LONG)]
    began = time.monotonic()
    with pytest.raises(Trapped, match=r"tip: .*reached dump_page") as caught:
        interleave.run_slices(runner, programs, plan)
    assert time.monotonic() - began < 5
    assert caught.value.line == 4  # give ready, take, the good one, the bad one
    assert not any(alive(program) for program in programs.values())


def test_the_deadline_holds_for_all(make: Maker, tmp_path: Path) -> None:
    short = Runner(tmp_path / "log", Deadline(1), Sandbox(NO_SANDBOX), REPLAY)
    programs = {"a": make(), "b": make("STREAMING")}
    with pytest.raises(TimedOut):
        interleave.run_slices(short, programs, [Slice("a", LONG), Slice("b", (GOOD,))])
    assert not any(alive(program) for program in programs.values())


def test_an_interruption_ends_all(make: Maker, runner: Runner) -> None:
    programs = {"a": make(), "b": make("STREAMING")}
    asked = threading.Event()
    threading.Timer(0.5, asked.set).start()
    began = time.monotonic()
    with cancel.stoppable(asked), pytest.raises(KeyboardInterrupt):
        interleave.run_slices(runner, programs, [Slice("a", LONG), Slice("b", (GOOD,))])
    assert time.monotonic() - began < 5
    assert not any(alive(program) for program in programs.values())


def test_a_program_that_cannot_start_is_named_and_none_waits(
    make: Maker, runner: Runner, tmp_path: Path
) -> None:
    missing = Program(str(tmp_path), ())
    with pytest.raises(HarnessError, match="replay"):
        interleave.run_slices(
            runner, {"a": make(), "b": missing}, [Slice("a", (GOOD,)), Slice("b", (GOOD,))]
        )
    assert not alive(make())


@pytest.mark.parametrize("line", ["take file=/no/such", "give file=/no/such", "take", "give"])
def test_a_missing_fifo_is_refused(make: Maker, runner: Runner, line: str) -> None:
    with pytest.raises(Trapped, match="No such file or directory"):
        runner(make(), [line])
