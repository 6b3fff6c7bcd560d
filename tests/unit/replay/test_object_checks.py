# SPDX-License-Identifier: GPL-2.0-only
"""Object checks: which page each store hits, and which stores were pending there."""

import pytest

from harness.kernel.objdump import Instruction
from harness.replay.object_checks import TraceStep, drained, is_non_temporal, may_matter, order

LOW, SIZE = 0x1000, 64


def step(mnemonic: str, operands: str = "", **registers: int) -> TraceStep:
    named = {f"%{name}": value for name, value in registers.items()}
    return TraceStep(Instruction(0, mnemonic, operands), named)


def follow(*steps: TraceStep) -> list[str]:
    found = order(steps, LOW, LOW + 100 * SIZE, SIZE)
    return [gate.name for gate in drained("tip", "order0", found) if not gate.ok]


@pytest.mark.parametrize(
    ("operands", "address"),
    [
        ("%rax,(%rdi)", 0x1000),
        ("%rax,0x38(%rdi)", 0x1038),
        ("$0x0,-0x8(%rdi)", 0xFF8),
        ("%rax,0x8(%rdi,%rcx,8)", 0x1018),
        ("%al,%es:(%rdi)", 0x1000),
        ("%rax,0x40(,%rcx,4)", 0x48),
        ("%rax,%rbx", None),
        ("(%rdi),%rbx", None),
    ],
)
def test_the_last_operands_address(operands: str, address: int | None) -> None:
    assert step("mov", operands, rdi=0x1000, rcx=2).address == address


@pytest.mark.parametrize(
    "name", ["movnti", "movntiq", "movntdq", "vmovntdq", "movntps", "movdir64b", "movdiri"]
)
def test_non_temporal_stores_are_recognised(name: str) -> None:
    assert is_non_temporal(Instruction(0, name))


@pytest.mark.parametrize("name", ["mov", "movntdqa", "vmovdqa64", "movabs", "stos", "sfence"])
def test_other_instructions_are_not_non_temporal(name: str) -> None:
    assert not is_non_temporal(Instruction(0, name))


@pytest.mark.parametrize(
    ("mnemonic", "operands", "matters"),
    [
        ("mov", "%rax,(%rdi)", True),
        ("orq", "$0x40,(%rdi)", True),
        ("cmpxchg", "%rsi,(%rdi)", True),
        ("stos", "%rax,%es:(%rdi)", True),
        ("sfence", "", True),
        ("cmp", "%rax,(%rdi)", False),
        ("testb", "$0x1,0x64(%r8)", False),
        ("lea", "0x8(%rdi)", False),
        ("call", "*0x8(%rax)", False),
        ("mov", "(%rdi),%rax", False),
    ],
)
def test_fences_and_stores_to_memory_matter(mnemonic: str, operands: str, matters: bool) -> None:
    assert may_matter(Instruction(0, mnemonic, operands)) is matters


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
