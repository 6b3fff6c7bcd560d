# SPDX-License-Identifier: GPL-2.0-only
"""Object checks: which page each store hits, and which stores were pending there."""

import pytest

from harness.kernel.objdump import Instruction
from harness.replay.accesses import TraceStep
from harness.replay.object_checks import PageRead, drained, order, rescheduling
from harness.replay.runner.runner import Resched

LOW, SIZE = 0x1000, 64


def step(mnemonic: str, operands: str = "", **registers: int) -> TraceStep:
    named = {f"%{name}": value for name, value in registers.items()}
    return TraceStep(Instruction(0, mnemonic, operands), named)


def follow(*steps: TraceStep | PageRead) -> list[str]:
    found = order(steps, LOW, LOW + 100 * SIZE, SIZE)
    return [gate.name for gate in drained("tip", "order0", found) if not gate.ok]


def test_an_ordinary_store_to_a_pending_page_is_found() -> None:
    head = step("movnti", "%rax,(%rdi)", rdi=LOW)
    flags = step("orq", "$0x40,(%rdi)", rdi=LOW + 8)
    fence = step("sfence")
    assert follow(head, fence, flags) == []
    assert follow(head, flags, fence) == ["drained before ordinary stores to a page"]


def test_an_ordinary_store_to_another_page_may_pass() -> None:
    streamed = step("movnti", "%rax,(%rdi)", rdi=LOW)
    other = step("mov", "%rax,(%rdi)", rdi=LOW + SIZE)
    assert follow(streamed, other, step("sfence")) == []


def test_returning_with_stores_pending_is_found() -> None:
    assert follow(step("movnti", "%rax,(%rdi)", rdi=LOW)) == ["drained before returning"]


def test_stores_outside_the_memmap_do_not_count() -> None:
    found = order([step("movnti", "%rax,(%rsp)", rsp=LOW - 8)], LOW, LOW + SIZE, SIZE)
    assert (found.non_temporal, found.ordinary, found.pending) == (0, 0, 0)


def test_loads_do_not_count_as_stores() -> None:
    steps = [step("mov", "(%rdi),%rax", rdi=LOW), step("cmp", "%rax,(%rdi)", rdi=LOW)]
    found = order(steps, LOW, LOW + SIZE, SIZE)
    assert (found.non_temporal, found.ordinary) == (0, 0)


STREAMED, FENCE = step("movnti", "%rax,(%rdi)", rdi=LOW), step("sfence")
READ_BACK = "drained before a page is read back"


def test_a_load_from_a_pending_page_is_found() -> None:
    ours, other = (step("mov", "0x8(%rdi),%rax", rdi=LOW + n * SIZE) for n in (0, 1))
    assert follow(STREAMED, ours, FENCE) == [READ_BACK]
    assert follow(STREAMED, FENCE, ours) == []
    assert follow(STREAMED, other, FENCE) == []


def test_what_the_rest_of_the_kernel_reads_must_be_drained() -> None:
    reads = PageRead("init_pageblock_migratetype", LOW)
    assert follow(STREAMED, reads, FENCE) == [READ_BACK]
    assert follow(STREAMED, FENCE, reads) == []
    # Version 2 copies the first page of a pageblock with memcpy(), and needs no drain.
    assert follow(STREAMED, PageRead("init_pageblock_migratetype", LOW + SIZE), FENCE) == []


def test_a_copy_of_a_line_at_once_is_followed() -> None:
    line = step("movdir64b", "(%rsi),%rdi", rsi=LOW - 64, rdi=LOW)
    assert follow(line) == ["drained before returning"]
    assert follow(line, step("movq", "$0x40,(%rdi)", rdi=LOW), FENCE) == [
        "drained before ordinary stores to a page"
    ]


@pytest.mark.parametrize(
    ("base", "build", "ok"),
    [(512, 512, True), (512, 1024, True), (512, 1025, False), (1 << 18, 512, True)],
)
def test_a_run_may_be_a_section_longer_than_bases(base: int, build: int, ok: bool) -> None:
    (check,) = rescheduling(
        {"order0": Resched(4, base)}, "3", {"order0": Resched(1, build)}, section=512
    )
    assert check.ok is ok
    assert check.detail == f"order0: {build} pages without cond_resched(), {base} in base"
