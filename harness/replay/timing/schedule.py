# SPDX-License-Identifier: GPL-2.0-only
"""How much a replay measures, and the samples it gives."""

import random
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from harness.errors import MachineError
from harness.host.units import GIB
from harness.record.record import PROXY_KIND, HostUse, Pass
from harness.replay.cases import Case, namespace
from harness.replay.program.link import PLACEMENTS

KINDS = tuple(PROXY_KIND.values())
#: The largest struct page that x86-64 has: 64 bytes, and with KMSAN two pointers more.
PAGE_STRUCT_BYTES = 80


class Schedule(msgspec.Struct, frozen=True):
    """How much is measured. Each round has one process per build.

    A process runs `slices` slices of each kind, each with `passes` passes that count, on namespaces
    of `slice_bytes`, or of `size_bytes` if that is less.
    """

    size_bytes: int
    rounds: int
    passes: int
    seed: int
    kinds: tuple[str, ...] = KINDS
    slices: int = 8
    slice_bytes: int = 4 * GIB

    def case(self, kind: str) -> Case:
        """Return the call for the whole namespace."""
        return namespace(kind, self.size_bytes)

    def slice_case(self, kind: str) -> Case:
        """Return the call that slices make: builds are compared by it."""
        return namespace(kind, min(self.size_bytes, self.slice_bytes))

    def memory_bytes(self, builds: int) -> int:
        """Return the most that memmaps take: one whole namespace, or one slice of each build."""
        whole = max(self.case(kind).nr for kind in self.kinds)
        in_slices = max(self.slice_case(kind).nr for kind in self.kinds)
        return max(whole, in_slices * builds) * PAGE_STRUCT_BYTES


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
