# SPDX-License-Identifier: GPL-2.0-only
"""Which ranges of a server's RAM hold the namespaces."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.host.units import GIB, MIB
from harness.measure.metal.ranges import LOG_BYTES, Ranges, choose

LOW = "00001000-0009fbff : System RAM\n  00100000-3ffdcfff : System RAM\n"


def iomem(*areas: tuple[int, int]) -> str:
    lines = [f"{start:08x}-{end - 1:08x} : System RAM\n  {start:08x}-{start:08x} : Kernel code\n"
             for start, end in areas]  # fmt: skip
    return "00100000-7fffffff : System RAM\n" + "".join(lines)


def test_one_area() -> None:
    found = choose(iomem((4 * GIB, 6 * GIB)), [512 * MIB, 512 * MIB])
    assert found == Ranges(4 * GIB, ((4352 * MIB, 512 * MIB), (4992 * MIB, 512 * MIB)))
    assert isinstance(found, Ranges)
    assert found.options == ("memmap=16M$4096M", "memmap=512M!4352M", "memmap=512M!4992M")


def test_two_nodes() -> None:
    found = choose(iomem((4 * GIB, 110 * GIB), (128 * GIB, 256 * GIB)), [100 * GIB, 100 * GIB])
    assert found == Ranges(4 * GIB, ((5 * GIB, 100 * GIB), (128 * GIB, 100 * GIB)))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no RAM above 4.0 GiB"),
        # As read by users other than root.
        ("00000000-00000000 : System RAM\n", "no RAM above 4.0 GiB"),
        (iomem((2 * GIB, 4 * GIB)), "no RAM above 4.0 GiB"),
        (iomem((4 * GIB, 5 * GIB)), "no 1.0 GiB"),
        (iomem((4 * GIB, 6 * GIB + 64 * MIB)), "no 1.0 GiB"),
        ("100000000-zz : System RAM\n", "no RAM above"),
    ],
)
def test_too_little(text: str, says: str) -> None:
    found = choose(text, [GIB])
    assert isinstance(found, str)
    assert says in found


def test_regions_are_numbered_by_address() -> None:
    areas = iomem((4 * GIB, 6 * GIB), (8 * GIB, 20 * GIB))
    assert isinstance(choose(areas, [GIB // 2, 4 * GIB]), Ranges)
    found = choose(areas, [4 * GIB, GIB // 2])
    assert isinstance(found, str)
    assert "in order" in found


@given(
    st.lists(st.tuples(st.integers(0, 64), st.integers(0, 512)), min_size=1, max_size=4),
    st.lists(st.sampled_from([16, 128, 512, 1024, 4096, 102400]), min_size=1, max_size=2),
)
def test_ranges_are_in_ram_and_apart(gaps: list[tuple[int, int]], sizes: list[int]) -> None:
    at, areas = 2 * GIB, []
    for gap, length in gaps:
        start = at + gap * 64 * MIB
        at = start + length * 64 * MIB
        if length:
            areas.append((start, at))
    found = choose(iomem(*areas), [size * MIB for size in sizes])
    if isinstance(found, str):
        return
    spans = [(found.log, LOG_BYTES), *found.namespaces]
    assert [size for _, size in found.namespaces] == [size * MIB for size in sizes]
    for start, size in spans:
        assert start >= 4 * GIB
        # With RAM behind it in the same area.
        assert any(a <= start and start + size + 128 * MIB <= end for a, end in areas)
    for (one, size), (other, _) in itertools.pairwise(sorted(spans)):
        assert one + size + 128 * MIB <= other
