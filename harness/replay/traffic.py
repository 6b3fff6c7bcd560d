# SPDX-License-Identifier: GPL-2.0-only
"""Counts the cache lines of struct pages that a traced call stores, by how it stores them. Pure.

Exact and the same on every machine: it follows widths and addresses of stores, not the hardware.
What a cache does with ordinary stores to a line that it still holds is not counted.
"""

from collections.abc import Iterable, Iterator

from harness.kernel.objdump import Instruction
from harness.record.record import Lines
from harness.replay.accesses import Access, TraceStep, accesses
from harness.replay.object_checks import is_drain

LINE_BYTES = 64
_WHOLE = (1 << LINE_BYTES) - 1


class UnknownSize(ValueError):
    """A store to a struct page whose text does not give its size."""

    def __init__(self, instruction: Instruction) -> None:
        super().__init__(f"{instruction.mnemonic} {instruction.operands}: size not known")


class _Line:
    """One line: the bytes that wait in a write-combining buffer, and what happened to it."""

    def __init__(self) -> None:
        self.waiting = 0
        self.undrained = False
        self.seen: set[str] = set()

    def send(self) -> None:
        """Send out what waits."""
        if self.waiting:
            self.seen.add("whole" if self.waiting == _WHOLE else "partial")
        self.waiting = 0

    def drain(self) -> None:
        """Send out what waits, for good."""
        self.send()
        self.undrained = False

    def access(self, access: Access, mask: int) -> None:
        """Follow one access to the bytes in `mask`."""
        if access.loads and self.undrained:
            self.seen.add("read_back")
        if not access.stores:
            return
        if access.non_temporal:
            if not self.waiting and self.seen & {"whole", "partial", "ordinary"}:
                self.seen.add("twice")
            self.waiting |= mask
            self.undrained = True
            if self.waiting == _WHOLE:
                self.send()
        else:
            self.send()
            if self.seen & {"whole", "partial"}:
                self.seen.add("twice")
            self.seen.add("ordinary")


def count_lines(steps: Iterable[TraceStep], low: int, high: int, nr_pages: int) -> Lines:
    """Return the counts for the struct pages from address `low` up to `high`, per page.

    Raises UnknownSize.
    """
    lines: dict[int, _Line] = {}
    undrained: set[int] = set()
    for step in steps:
        if is_drain(step.instruction):
            for number in undrained:
                lines[number].drain()
            undrained.clear()
            continue
        for number, access, mask in _touched(step, low, high):
            line = lines.setdefault(number, _Line())
            line.access(access, mask)
            if line.undrained:
                undrained.add(number)
    for line in lines.values():
        line.send()
    return Lines(
        **{
            name: sum(name in line.seen for line in lines.values()) / nr_pages
            for name in Lines.__struct_fields__
        }
    )


def _touched(step: TraceStep, low: int, high: int) -> Iterator[tuple[int, Access, int]]:
    """Yield each line that a step accesses: its number, the access, and the mask of its bytes."""
    for access in accesses(step):
        start, end = access.address, access.address + max(access.size, 1)
        if access.stores and not access.size and low <= start + LINE_BYTES and start < high:
            raise UnknownSize(step.instruction)
        for number in range(start // LINE_BYTES, (end - 1) // LINE_BYTES + 1):
            at = number * LINE_BYTES
            if low <= at < high:
                first, last = max(start, at) - at, min(end, at + LINE_BYTES) - at
                yield number, access, (1 << last) - (1 << first)
