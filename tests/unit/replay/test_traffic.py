# SPDX-License-Identifier: GPL-2.0-only
"""Which lines of struct pages are stored whole, partly, by ordinary stores, twice, or read back."""

from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.kernel.objdump import Instruction
from harness.record.record import Lines
from harness.replay.accesses import TraceStep
from harness.replay.traffic import LINE_BYTES, UnknownSize, count_lines

LOW, PAGES = 0x10000, 4
HIGH = LOW + PAGES * LINE_BYTES
DRAIN = TraceStep(Instruction(0, "sfence"), {})


def at(mnemonic: str, operands: str, page: int, offset: int = 0) -> TraceStep:
    address = LOW + page * LINE_BYTES + offset
    return TraceStep(Instruction(0, mnemonic, operands), {"%rdi": address})


def stream(page: int, *offsets: int) -> Iterator[TraceStep]:
    for offset in offsets or range(0, LINE_BYTES, 8):
        yield at("movnti", "%rax,(%rdi)", page, offset)


def plain(page: int, offset: int = 0) -> TraceStep:
    return at("mov", "%rax,(%rdi)", page, offset)


def load(page: int, offset: int = 0) -> TraceStep:
    return at("mov", "(%rdi),%rax", page, offset)


def found(*steps: TraceStep) -> set[str]:
    """Return what happened to the one line that is touched."""
    lines = msgspec.to_builtins(count_lines(steps, LOW, HIGH, 1))
    assert set(lines.values()) <= {0.0, 1.0}
    return {name for name, count in lines.items() if count}


def test_each_way_to_store_a_line() -> None:
    assert found(plain(0), plain(0, 56)) == {"ordinary"}
    assert found(*stream(0)) == {"whole"}
    assert found(*stream(0), DRAIN) == {"whole"}
    assert found(*stream(0, 56, 0, 8, 48, 16, 40, 24, 32), DRAIN) == {"whole"}
    assert found(*stream(0, 0, 8), DRAIN) == {"partial"}
    assert found(*stream(0, 0, 8)) == {"partial"}
    assert found(load(0)) == set()


def test_a_line_that_is_sent_in_two_parts_is_stored_twice() -> None:
    assert found(*stream(0, 0, 8), DRAIN, *stream(0, 16, 24)) == {"partial", "twice"}
    assert found(*stream(0), DRAIN, *stream(0)) == {"whole", "twice"}
    assert found(*stream(0), *stream(0)) == {"whole", "twice"}


def test_an_ordinary_store_sends_out_what_waits() -> None:
    assert found(*stream(0, 0, 8), plain(0, 16)) == {"partial", "ordinary", "twice"}
    assert found(*stream(0), DRAIN, plain(0)) == {"whole", "ordinary", "twice"}
    assert found(plain(0), *stream(0)) == {"ordinary", "whole", "twice"}


def test_only_a_load_before_the_drain_reads_back() -> None:
    assert found(*stream(0), load(0, 8)) == {"whole", "read_back"}
    assert found(*stream(0), DRAIN, load(0)) == {"whole"}
    assert found(*stream(0), load(1)) == {"whole"}
    orq = at("orq", "$0x40,(%rdi)", 0)
    assert found(*stream(0), orq) == {"whole", "ordinary", "twice", "read_back"}
    assert found(*stream(0), DRAIN, orq) == {"whole", "ordinary", "twice"}


def test_a_store_across_two_lines_is_in_both() -> None:
    lines = count_lines([plain(0, 60)], LOW, HIGH, PAGES)
    assert lines == Lines(whole=0, partial=0, ordinary=0.5, twice=0, read_back=0)


def test_of_a_store_across_the_end_only_the_part_inside_counts() -> None:
    assert found(plain(-1, 60)) == {"ordinary"}
    assert found(plain(PAGES - 1, 60)) == {"ordinary"}


def test_counts_are_per_page() -> None:
    steps = [*stream(0), *stream(1), DRAIN, plain(2), *stream(3, 0)]
    lines = count_lines(steps, LOW, HIGH, PAGES)
    assert lines == Lines(whole=0.5, partial=0.25, ordinary=0.25, twice=0, read_back=0)


def test_other_memory_is_not_counted() -> None:
    assert found(plain(-1), *stream(PAGES), *stream(0)) == {"whole"}


def test_a_store_of_unknown_size_is_refused_only_in_the_memmap() -> None:
    masked = "%zmm0,(%rdi){%k1}"
    with pytest.raises(UnknownSize, match=r"vmovdqu64 %zmm0,\(%rdi\)\{%k1\}"):
        found(at("vmovdqu64", masked, 0))
    assert found(at("vmovdqu64", masked, -2)) == set()


STEPS = st.one_of(
    st.just(DRAIN),
    *(
        st.builds(make, st.integers(0, PAGES - 1), st.sampled_from(range(0, LINE_BYTES, 8)))
        for make in (plain, load, lambda page, offset: next(stream(page, offset)))
    ),
)


@given(st.lists(STEPS, max_size=80))
def test_a_stored_line_is_in_exactly_the_counts_that_its_stores_allow(
    steps: list[TraceStep],
) -> None:
    lines = count_lines(steps, LOW, HIGH, 1)
    names = dict.fromkeys(("movnti", "mov"), 0)
    stored: dict[str, set[int]] = {name: set() for name in names}
    for step in steps:
        if step.instruction.operands == "%rax,(%rdi)":
            stored[step.instruction.mnemonic].add(step.registers["%rdi"] // LINE_BYTES)
    assert lines.ordinary == len(stored["mov"])
    streamed = len(stored["movnti"])
    assert max(lines.whole, lines.partial) <= streamed <= lines.whole + lines.partial
    assert lines.read_back <= streamed
    assert len(stored["mov"] & stored["movnti"]) <= lines.twice <= streamed


@given(st.permutations(range(PAGES)))
def test_the_order_of_pages_does_not_matter(order: list[int]) -> None:
    steps = [step for page in order for step in stream(page)]
    assert count_lines(steps, LOW, HIGH, PAGES) == Lines(1, 0, 0, 0, 0)
