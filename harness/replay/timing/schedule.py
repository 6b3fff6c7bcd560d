# SPDX-License-Identifier: GPL-2.0-only
"""How much a replay measures, and the samples it gives."""

import random
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from harness.errors import MachineError
from harness.host.units import GIB
from harness.record.record import HostUse, Pass
from harness.replay.program.link import PAGE, PLACEMENTS
from harness.workloads.replay import Replay

#: The largest struct page that x86-64 has: 64 bytes, and with KMSAN two pointers more.
PAGE_STRUCT_BYTES = 80


class Schedule(msgspec.Struct, frozen=True):
    """How much is measured. Each round has one process per build.

    A process runs `slices` slices of each kind, each with `passes` passes that count, on the struct
    pages of `slice_bytes` of memory, or of `size_bytes` if that is less. Without `kinds`, all of
    the function are measured.
    """

    size_bytes: int
    rounds: int
    passes: int
    seed: int
    kinds: tuple[str, ...] = ()
    slices: int = 8
    slice_bytes: int = 4 * GIB

    def of(self, replay: Replay) -> "Schedule":
        """Return the same schedule with the kinds that it measures of a function."""
        return msgspec.structs.replace(self, kinds=self.kinds or replay.kinds)

    @property
    def in_slices_bytes(self) -> int:
        """The memory of a slice's call: builds are compared by it."""
        return min(self.size_bytes, self.slice_bytes)

    def memory_bytes(self, builds: int) -> int:
        """Return the most that memmaps take: the whole one, or one slice of each build."""
        most = max(self.size_bytes, self.in_slices_bytes * builds)
        return most // PAGE * PAGE_STRUCT_BYTES


class Timed(NamedTuple):
    """The passes, the host's use in each round, and the times of the canary (see ReplayRun)."""

    passes: tuple[Pass, ...] = ()
    rounds: tuple[HostUse, ...] = ()
    canary: tuple[tuple[int, ...], ...] = ()

    def then(self, later: "Timed") -> "Timed":
        """Return the samples of both."""
        return Timed(
            self.passes + later.passes, self.rounds + later.rounds, self.canary + later.canary
        )


def placements(schedule: Schedule, build: str) -> tuple[int, ...]:
    """Return the link of a build's program that runs in each round.

    Each runs once before any runs again, in an order that is a build's own: base and the others are
    placed independently, as in kernels.
    """
    rng = random.Random(f"{schedule.seed} {build}")  # noqa: S311 (repeatable, no secret)
    cycles = -(-schedule.rounds // PLACEMENTS)
    found = [n for _ in range(cycles) for n in rng.sample(range(PLACEMENTS), PLACEMENTS)]
    return tuple(found[: schedule.rounds])


NOTHING = Timed((), ())
#: Called with all samples so far.
Save = Callable[[Timed], None]


def with_spare(nr_bytes: int) -> int:
    """Return how much memory must be available to use this much: a quarter more."""
    return nr_bytes * 5 // 4


def require_memory(schedule: Schedule, builds: int, available_bytes: int) -> None:
    """Raise MachineError unless the memmaps of this many builds fit, with a quarter to spare."""
    needed = with_spare(schedule.memory_bytes(builds))
    if available_bytes < needed:
        raise MachineError(
            f"{available_bytes / 2**30:.1f} GiB of memory available, too little for the memmaps",
            expected=f"{needed / 2**30:.1f} GiB",
            hint="take a smaller namespace with --size, or fewer builds with --prefix",
        )
