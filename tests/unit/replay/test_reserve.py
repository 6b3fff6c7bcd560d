# SPDX-License-Identifier: GPL-2.0-only
"""Reserved memory is faulted in by the end of the block, and freed then."""

import re
import threading
from pathlib import Path

import pytest

from harness.guest import backing_files
from harness.replay.timing import reserve
from harness.replay.timing.schedule import Schedule

SIZE = 64 << 20


def resident_bytes() -> int:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) << 10


def test_all_memory_is_faulted_in_when_the_block_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    join = threading.Thread.join

    def joined(self: threading.Thread, timeout: float | None = None) -> None:
        join(self, timeout)
        seen.append(resident_bytes())

    before = resident_bytes()
    monkeypatch.setattr(threading.Thread, "join", joined)
    with reserve.reserved(SIZE):
        pass
    assert seen[-1] - before > 0.9 * SIZE
    assert resident_bytes() - before < 0.1 * SIZE


def test_an_error_in_the_block_does_not_wait_for_the_rest() -> None:
    before = threading.active_count()
    with pytest.raises(KeyError), reserve.reserved(SIZE):
        raise KeyError
    assert threading.active_count() == before


@pytest.mark.parametrize("available", [0, SIZE, SIZE * 5 // 4 - 1])
def test_nothing_is_reserved_on_a_machine_with_too_little_memory(
    monkeypatch: pytest.MonkeyPatch, available: int
) -> None:
    monkeypatch.setattr(backing_files, "available_bytes", lambda: available)
    before = threading.active_count()
    with reserve.reserved(SIZE):
        assert threading.active_count() == before


def test_memory_is_enough_for_the_largest_struct_page() -> None:
    """KMSAN's has 80 bytes."""
    schedule = Schedule(4 << 30, rounds=1, passes=1, seed=1)
    assert schedule.memory_bytes(1) == (1 << 20) * 80
