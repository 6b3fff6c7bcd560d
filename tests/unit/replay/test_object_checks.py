# SPDX-License-Identifier: GPL-2.0-only
"""Object checks: which page each store hits, and which stores were pending there."""

from harness.kernel.objdump import Instruction
from harness.replay.accesses import TraceStep
from harness.replay.object_checks import drained, order

LOW, SIZE = 0x1000, 64


def step(mnemonic: str, operands: str = "", **registers: int) -> TraceStep:
    named = {f"%{name}": value for name, value in registers.items()}
    return TraceStep(Instruction(0, mnemonic, operands), named)


def follow(*steps: TraceStep) -> list[str]:
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
