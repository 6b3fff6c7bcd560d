# SPDX-License-Identifier: GPL-2.0-only
"""A difference between two struct pages has the name and the values that a reader expects."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.memmap.decode import Bytes, Decoder, FlagsLayout, flags_layout
from harness.memmap.struct_layout import Layout, Member

#: As of v7.2, as far as the tests need it.
PAGE = Layout(
    "page",
    64,
    (
        Member("flags.f", 0, 8),
        Member("_unused_pgmap_compound_info", 8, 8, is_pointer=True),
        Member("compound_info", 8, 8),
        Member("lru.next", 8, 8, is_pointer=True),
        Member("lru.prev", 16, 8, is_pointer=True),
        Member("zone_device_data", 16, 8, is_pointer=True),
        Member("mapping", 24, 8, is_pointer=True),
        Member("__folio_index", 32, 8),
        Member("share", 32, 8),
        Member("private", 40, 8),
        Member("_mapcount.counter", 48, 4),
        Member("page_type", 48, 4),
        Member("_refcount.counter", 52, 4),
    ),
)
FOLIO = Layout(
    "folio",
    128,
    (
        Member("pgmap", 8, 8, is_pointer=True),
        Member("_flags_1", 64, 8),
        Member("_head_1", 72, 8),
        Member("_large_mapcount.counter", 80, 4),
        Member("_usable_1", 80, 32),
        Member("_nr_pages_mapped.counter", 84, 4),
        Member("_mapcount_1.counter", 112, 4),
        Member("page.flags", 0, 8),
    ),
)
FLAGS = flags_layout(
    {
        "replay_section_shift": 64,
        "replay_section_width": 0,
        "replay_node_shift": 58,
        "replay_node_width": 6,
        "replay_zone_shift": 56,
        "replay_zone_width": 2,
    },
    {"PG_locked": 0, "PG_head": 6, "PG_alias_of_head": 6, "__NR_PAGEFLAGS": 20},
)
VMEMMAP = 1 << 40


def words(value: int) -> str:
    if 0 <= value - VMEMMAP < 1 << 20:
        return f"pfn {(value - VMEMMAP) // 64:#x}"
    return "the pgmap of the call" if value == 0xE000 else ""


DECODER = Decoder(PAGE, FOLIO, 9, 0, FLAGS, words)


def page(**values: tuple[int, int]) -> Bytes:
    """Return a page with values of 8 bytes at offsets."""
    made = np.zeros(8, dtype=np.uint64)
    for offset, value in values.values():
        made[offset // 8] |= np.uint64(value << offset % 8 * 8)
    return made.view(np.uint8)


def differ(number: int, offset: int, base: int, build: int) -> tuple[str, ...]:
    return DECODER.differences(number, page(a=(offset, base)), page(a=(offset, build)))


@pytest.mark.parametrize(
    ("number", "offset", "name"),
    [
        (0, 0, "flags.f"),
        (0, 8, "pgmap"),
        (0, 16, "zone_device_data"),
        (0, 32, "share"),
        (0, 48, "_mapcount.counter"),
        (0, 52, "_refcount.counter"),
        (1, 0, "flags.f"),
        (1, 8, "compound_info"),
        (1, 16, "_large_mapcount.counter"),
        (1, 20, "_nr_pages_mapped.counter"),
        (1, 32, "share"),  # _usable_1 is an array that fills the rest
        (1, 48, "_mapcount.counter"),
        (2, 8, "compound_info"),
        (2, 16, "zone_device_data"),
        (513, 16, "_large_mapcount.counter"),
        (512, 8, "pgmap"),
    ],
)
def test_the_name_is_the_one_that_this_kind_of_page_uses(
    number: int, offset: int, name: str
) -> None:
    found = DECODER.member(number, offset)
    assert found is not None
    assert found.name == name
    assert found.offset <= offset < found.offset + found.size
    single = Decoder(PAGE, FOLIO, 0).member(number, 8)
    assert single is not None and single.name == "pgmap"


@pytest.mark.parametrize(
    ("number", "offset", "base", "build", "line"),
    [
        (0, 52, 0, 1, "_refcount: 1, expected 0"),
        (0, 48, 0xFFFFFFFF, 0, "_mapcount: 0, expected -1"),
        (0, 8, 0xE000, 0, "pgmap: NULL, expected the pgmap of the call"),
        (0, 24, 0, 0xDEAD_BEEF_0000, "mapping: 0xdeadbeef0000, expected NULL"),
        (0, 40, 0, 77, "private: 77, expected 0"),
        (5, 8, VMEMMAP + 1, VMEMMAP + 65, "compound_info: tail of pfn 0x1, expected tail of pfn "),
        (5, 8, (1 << 64) - (1 << 15) + 1, VMEMMAP + 1, "expected tail of a compound page of ord"),
        (5, 8, VMEMMAP + 1, 0xE000, "compound_info: no tail (the pgmap of the call), expected "),
        (5, 8, VMEMMAP + 1, 0, "compound_info: no tail (0x0), expected tail of pfn 0x0"),
        (0, 56, 0, 1, "padding differs"),
    ],
)
def test_values_are_decoded(number: int, offset: int, base: int, build: int, line: str) -> None:
    (found,) = differ(number, offset, base, build)
    assert line in found


def test_flags_are_taken_apart() -> None:
    node = 58
    assert differ(0, 0, 3 << 56 | 1 << node, 3 << 56 | 2 << node) == ("flags: node 2, expected 1",)
    assert differ(0, 0, 3 << 56 | 1 << 6, 1) == (
        "flags: zone 0, expected 3",
        "flags: PG_locked set, expected clear",
        "flags: PG_head clear, expected set",
    )
    assert differ(0, 0, 0, 1 << 40) == ("flags: bit 40 set, expected clear",)


def test_flags_of_an_unknown_layout_are_a_number() -> None:
    found = Decoder(PAGE, FOLIO, 0, 0, FlagsLayout()).differences(
        0, page(a=(0, 0)), page(a=(0, 1 << 40))
    )
    assert found == ("flags: 0x10000000000, expected 0",)


def test_what_was_not_written_is_called_so() -> None:
    before = np.arange(64, dtype=np.uint8)
    base = page(a=(8, 0xE000))
    assert DECODER.differences(0, base, before, before) == (
        "not initialized: the page is as it was before the call",
    )
    assert DECODER.differences(0, before, base, before) == (
        "written, expected to be left as it was before the call",
    )
    build = base.copy()
    build[40:48] = before[40:48]
    assert DECODER.differences(0, base, build, before) == ("private: not written, expected 0",)


@given(
    st.binary(min_size=64, max_size=64), st.binary(min_size=64, max_size=64), st.integers(0, 600)
)
def test_any_two_pages_differ_in_lines_or_not_at_all(a: bytes, b: bytes, number: int) -> None:
    pages = [np.frombuffer(raw, dtype=np.uint8) for raw in (a, b)]
    found = DECODER.differences(number, *pages)
    assert bool(found) == (a != b)
    assert len(set(found)) == len(found)
    assert all(len(line.splitlines()) == 1 for line in found)
