# SPDX-License-Identifier: GPL-2.0-only
"""Which bytes an instruction loads and stores."""

import shutil
import subprocess
from pathlib import Path

import pytest

from harness.kernel.objdump import Instruction, parse_disassembly
from harness.replay.accesses import Access, TraceStep, accesses, is_non_temporal, touches_memory

LOAD, STORE, BOTH = (True, False), (False, True), (True, True)


def of(mnemonic: str, operands: str = "", prefix: str = "", **registers: int) -> list[Access]:
    named = {f"%{name}": value for name, value in registers.items()}
    return list(accesses(TraceStep(Instruction(0, mnemonic, operands, prefix), named)))


@pytest.mark.parametrize(
    ("operands", "address"),
    [
        ("%rax,(%rdi)", 0x1000),
        ("%rax,0x38(%rdi)", 0x1038),
        ("$0x0,-0x8(%rdi)", 0xFF8),
        ("%rax,0x8(%rdi,%rcx,8)", 0x1018),
        ("%al,%es:(%rdi)", 0x1000),
        ("%rax,0x40(,%rcx,4)", 0x48),
        ("-0x8(%rcx),%rbx", (1 << 64) - 6),
    ],
)
def test_the_address_of_a_memory_operand(operands: str, address: int) -> None:
    (found,) = of("mov", operands, rdi=0x1000, rcx=2)
    assert found.address == address


@pytest.mark.parametrize(
    ("text", "size", "how"),
    [
        ("mov %rax,(%rdi)", 8, STORE),
        ("mov %r10,(%rdi)", 8, STORE),
        ("mov %eax,(%rdi)", 4, STORE),
        ("mov %r10d,(%rdi)", 4, STORE),
        ("mov %ax,(%rdi)", 2, STORE),
        ("mov %r10w,(%rdi)", 2, STORE),
        ("mov %al,(%rdi)", 1, STORE),
        ("mov %dil,(%rdi)", 1, STORE),
        ("mov %r10b,(%rdi)", 1, STORE),
        ("movq $0x0,(%rdi)", 8, STORE),
        ("movl $0x0,(%rdi)", 4, STORE),
        ("movw $0x0,(%rdi)", 2, STORE),
        ("movb $0x0,(%rdi)", 1, STORE),
        ("movnti %rax,(%rdi)", 8, STORE),
        ("movnti %eax,(%rdi)", 4, STORE),
        ("movntdq %xmm1,(%rdi)", 16, STORE),
        ("vmovntdq %ymm1,(%rdi)", 32, STORE),
        ("vmovntdq %zmm1,(%rdi)", 64, STORE),
        ("vmovdqu64 %zmm30,(%rdi)", 64, STORE),
        ("movups %xmm0,(%rdi)", 16, STORE),
        ("movq %xmm0,(%rdi)", 8, STORE),
        ("movd %xmm0,(%rdi)", 4, STORE),
        ("movss %xmm0,(%rdi)", 4, STORE),
        ("movntq %mm0,(%rdi)", 8, STORE),
        ("vmovdqu64 %zmm1,(%rdi){%k1}", 0, STORE),
        ("stos %rax,%es:(%rdi)", 8, STORE),
        ("stos %al,%es:(%rdi)", 1, STORE),
        ("sete (%rdi)", 1, STORE),
        ("mov (%rdi),%rax", 8, LOAD),
        ("movzbl (%rdi),%eax", 1, LOAD),
        ("movslq (%rdi),%rax", 4, LOAD),
        ("movzwl (%rdi),%eax", 2, LOAD),
        ("cmp %rax,(%rdi)", 8, LOAD),
        ("cmpl $0x1,(%rdi)", 4, LOAD),
        ("testb $0x1,(%rdi)", 1, LOAD),
        ("imul (%rdi),%rax", 8, LOAD),
        ("mulq (%rdi)", 8, LOAD),
        ("bt %rax,(%rdi)", 8, LOAD),
        ("push (%rdi)", 8, LOAD),
        ("call *(%rdi)", 8, LOAD),
        ("movdqu (%rdi),%xmm0", 16, LOAD),
        ("movntdqa (%rdi),%xmm0", 16, LOAD),
        ("add %rax,(%rdi)", 8, BOTH),
        ("orq $0x40,(%rdi)", 8, BOTH),
        ("incl (%rdi)", 4, BOTH),
        ("notq (%rdi)", 8, BOTH),
        ("shll %cl,(%rdi)", 4, BOTH),
        ("bts %rax,(%rdi)", 8, BOTH),
        ("cmpxchg %rsi,(%rdi)", 8, BOTH),
        ("cmpxchg16b (%rdi)", 16, BOTH),
        ("xchg %eax,(%rdi)", 4, BOTH),
        ("xadd %rax,(%rdi)", 8, BOTH),
    ],
)
def test_the_size_and_kind_of_an_access(text: str, size: int, how: tuple[bool, bool]) -> None:
    mnemonic, operands = text.split()
    (found,) = of(mnemonic, operands, rdi=0x1000)
    assert (found.address, found.size, (found.loads, found.stores)) == (0x1000, size, how)
    assert found.non_temporal is ("movnt" in text and found.stores)


def test_a_copy_loads_one_place_and_stores_another() -> None:
    load, store = of("movsq", "%ds:(%rsi),%es:(%rdi)", rsi=0x10, rdi=0x20)
    assert load == Access(0x10, 8, loads=True, stores=False)
    assert store == Access(0x20, 8, loads=False, stores=True)


def test_movdir64b_stores_64_bytes_at_the_address_in_a_register() -> None:
    load, store = of("movdir64b", "(%rsi),%rdi", rsi=0x10, rdi=0x40)
    assert load == Access(0x10, 64, loads=True, stores=False)
    assert store == Access(0x40, 64, loads=False, stores=True, non_temporal=True)


def test_a_repeated_instruction_with_no_element_left_does_nothing() -> None:
    assert of("stos", "%al,%es:(%rdi)", "rep", rdi=0x10, rcx=0) == []
    assert len(of("stos", "%al,%es:(%rdi)", "rep", rdi=0x10, rcx=5)) == 1


@pytest.mark.parametrize(
    ("mnemonic", "operands", "touches"),
    [
        ("mov", "%rax,(%rdi)", True),
        ("mov", "(%rdi),%rax", True),
        ("cmp", "%rax,(%rdi)", True),
        ("call", "*0x8(%rax)", True),
        ("movdir64b", "(%rsp),%rdi", True),
        ("mov", "%rax,0x8(%rsp)", False),
        ("mov", "%rax,%rbx", False),
        ("lea", "0x8(%rdi),%rax", False),
        ("prefetcht0", "(%rdi)", False),
        ("nopw", "0x0(%rax,%rax,1)", False),
        ("sfence", "", False),
    ],
)
def test_only_instructions_that_use_memory_are_watched(
    mnemonic: str, operands: str, touches: bool
) -> None:
    assert touches_memory(Instruction(0, mnemonic, operands)) is touches


@pytest.mark.parametrize(
    "name", ["movnti", "movntiq", "movntdq", "vmovntdq", "movntps", "movdir64b", "movdiri"]
)
def test_non_temporal_stores_are_recognised(name: str) -> None:
    assert is_non_temporal(Instruction(0, name))


@pytest.mark.parametrize("name", ["mov", "movntdqa", "vmovdqa64", "movabs", "stos", "sfence"])
def test_other_instructions_are_not_non_temporal(name: str) -> None:
    assert not is_non_temporal(Instruction(0, name))


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
def test_sizes_of_what_objdump_prints(tmp_path: Path) -> None:
    # Each with the bytes that it accesses.
    written = {
        "movq $1, (%rdi)": [8],
        "movb %ah, 5(%rdi)": [1],
        "lock incl (%rdi)": [4],
        "rep stosl": [4],
        "rep movsb": [1, 1],
        "movsbl (%rdi), %eax": [1],
        "movslq (%rdi), %rax": [4],
        "shlw %cl, (%rdi)": [2],
        "shlq $3, (%rdi)": [8],
        "movntdq %xmm3, (%rdi)": [16],
        "vmovntdq %zmm3, 64(%rdi)": [64],
        "vmovups %ymm3, (%rdi)": [32],
        "movdir64b (%rsi), %rdi": [64, 64],
        "movdiri %eax, (%rdi)": [4],
        "btsq $3, (%rdi)": [8],
        "movabs $5, %rax": [],
        "setne 3(%rdi)": [1],
        "nopl 8(%rax)": [],
    }
    source = tmp_path / "x.s"
    source.write_text("f:\n" + "".join(f"{text}\n" for text in written))
    subprocess.run(["gcc", "-c", "-o", tmp_path / "x.o", source], check=True)
    argv = ["objdump", "-dr", "--no-show-raw-insn", tmp_path / "x.o"]
    shown = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    (function,) = parse_disassembly(shown).functions
    registers = {"%rcx": 1, "%rdi": 1 << 20, "%rsi": 1 << 21}
    found = [
        [access.size for access in accesses(TraceStep(instruction, registers))]
        for instruction in function.instructions
    ]
    assert dict(zip(written, found, strict=True)) == written
