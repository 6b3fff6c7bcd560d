# SPDX-License-Identifier: GPL-2.0-only
"""How much a replay measures, and what comes out of it."""

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from harness.errors import MachineError
from harness.host.units import GIB
from harness.record.record import PROXY_KIND, HostUse, Pass
from harness.replay.cases import Case, namespace

KINDS = tuple(PROXY_KIND.values())
#: The largest struct page that x86-64 has: 64 bytes, and with KMSAN two pointers more.
PAGE_STRUCT_BYTES = 80


class Schedule(msgspec.Struct, frozen=True):
    """How much is measured, in each round by one process a build.

    A process has `turns` turns of each kind, and in each `passes` that count. They work on
    namespaces of `turn_bytes`, or of `size_bytes` where that is less.
    """

    size_bytes: int
    rounds: int
    passes: int
    seed: int
    kinds: tuple[str, ...] = KINDS
    turns: int = 8
    turn_bytes: int = 4 * GIB

    def case(self, kind: str) -> Case:
        """Return the call that a kind stands for."""
        return namespace(kind, self.size_bytes)

    def turn_case(self, kind: str) -> Case:
        """Return the call by which the builds are compared."""
        return namespace(kind, min(self.size_bytes, self.turn_bytes))

    def memory_bytes(self, builds: int) -> int:
        """Return what the memmaps take at most: one of the whole namespace, or a turn's of each."""
        whole = max(self.case(kind).nr for kind in self.kinds)
        turn = max(self.turn_case(kind).nr for kind in self.kinds)
        return max(whole, turn * builds) * PAGE_STRUCT_BYTES


class Timed(NamedTuple):
    """The passes, and what the host did in each round."""

    passes: tuple[Pass, ...]
    rounds: tuple[HostUse, ...]

    def then(self, later: "Timed") -> "Timed":
        """Return both together."""
        return Timed(self.passes + later.passes, self.rounds + later.rounds)


#: Hears all that was measured so far.
Keep = Callable[[Timed], None]


def with_spare(nr_bytes: int) -> int:
    """Return what has to be available for so much to be used: a quarter more."""
    return nr_bytes * 5 // 4


def require_memory(schedule: Schedule, builds: int, available_bytes: int) -> None:
    """Raise MachineError unless the memmaps of that many builds fit, with a quarter to spare."""
    needed = with_spare(schedule.memory_bytes(builds))
    if available_bytes < needed:
        raise MachineError(
            f"{available_bytes / 2**30:.1f} GiB of memory, too little for the memmaps",
            expected=f"{needed / 2**30:.1f} GiB",
            hint="take a smaller namespace with --size, or fewer builds with --prefix",
        )
