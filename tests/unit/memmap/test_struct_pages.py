# SPDX-License-Identifier: GPL-2.0-only
"""Guests' memmaps read and compared: only addresses are ignored."""

import io
import struct

import msgspec
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.memmap import info_block, struct_pages
from harness.memmap.compare import Difference, Verified, verify
from harness.memmap.decode import Decoder
from harness.memmap.struct_layout import Layout, Member
from harness.memmap.struct_pages import Runs
from harness.record.record import Memmap, RunRecord
from tests.unit.builders import boot, record

Words = npt.NDArray[np.uint64]
ADDRESS, PGMAP = 0xFFEA_0000_0400_0000, 0xFF11_0000_01DD_6EB8
FIRST, ORDER = 64, 4
MEMBERS = [("flags", 0, 8), ("compound_info", 8, 8), ("lru.next", 8, 8), ("_refcount", 52, 4)]
PAGE = Layout("page", 64, tuple(Member(name, at, size) for name, at, size in MEMBERS))
FOLIO = Layout("folio", 128, (Member("page.flags", 0, 8), Member("_nr_pages", 124, 4)))


def memmap(compounds: int = 40, address: int = ADDRESS, pgmap: int = PGMAP) -> Words:
    """Return struct pages of a devdax namespace: reserved ones, then compound ones."""
    nr_pages = FIRST + (compounds << ORDER)
    words = np.zeros((nr_pages, 8), dtype=np.uint64)
    words[:, 0] = 3 << 54 | 0x2000
    words[:, 6] = 0xFFFF_FFFF
    for number in range(2, FIRST):
        words[number, 1:3] = address + number * 64 + 8
    heads = np.arange(FIRST, nr_pages, 1 << ORDER)
    at = heads.astype(np.uint64) * np.uint64(64) + np.uint64(address)
    words[heads, 0] |= np.uint64(0x40)
    words[heads, 1] = pgmap
    words[heads, 6] = 1 << 32 | 0xFFFF_FFFF
    for tail in range(1, 1 << ORDER):
        words[heads + tail, 1] = at + np.uint64(1)
    words[heads + 2, 2] = words[heads + 2, 3] = at + np.uint64(2 * 64 + 16)
    return words


def fold(words: Words, chunk: int = 1 << 10, address: int | None = None) -> Runs:
    if address is None:
        address = struct_pages.memmap_address(words[:FIRST])
    assert address is not None
    raw = io.BytesIO(words[FIRST:].tobytes())
    return struct_pages.read(raw, len(words) - FIRST, 64, address, FIRST, chunk)


def test_the_memmaps_address_is_found_from_pages_that_point_to_themselves() -> None:
    assert struct_pages.memmap_address(memmap()[:FIRST]) == ADDRESS
    assert struct_pages.memmap_address(np.zeros((FIRST, 8), dtype=np.uint64)) is None


def test_a_memmap_becomes_runs_of_few_different_pages() -> None:
    runs = fold(memmap())
    assert runs.nr_pages == 40 << ORDER
    assert len(runs.pages) == 3  # head, second tail, all other tails
    assert len(runs.which) == 40 * 4


@given(
    st.integers(1, 700),
    st.integers(0, 1 << 20).map(lambda n: n << 21),
    st.integers(0, 1 << 30).map(lambda n: n << 3),
)
def test_neither_chunks_nor_addresses_matter(chunk: int, moved: int, elsewhere: int) -> None:
    plain = fold(memmap())
    other = fold(memmap(address=ADDRESS + moved, pgmap=0xFF11_0000_0000_0000 + elsewhere), chunk)
    assert other.digest == plain.digest
    assert other.nr_pages == plain.nr_pages


@given(st.integers(0, (40 << ORDER) - 1), st.integers(0, 511))
def test_any_bit_outside_pointers_matters(page: int, bit: int) -> None:
    words = memmap()
    word = words[FIRST + page, bit // 64]
    changed = word ^ np.uint64(1 << bit % 64)
    both = {word, changed}
    if word != changed and any(int(w) >= struct_pages.POINTER_FROM for w in both):
        return  # a pointer to something else is for the next test
    words[FIRST + page, bit // 64] = changed
    assert fold(words).digest != fold(memmap()).digest


def test_a_tail_that_points_to_another_head_matters() -> None:
    words = memmap()
    words[FIRST + 5, 1] += np.uint64(64 << ORDER)
    assert fold(words).digest != fold(memmap()).digest


def test_a_head_with_another_pgmap_than_the_others_matters() -> None:
    words = memmap()
    words[FIRST + (3 << ORDER), 1] = PGMAP + 64
    assert fold(words).digest != fold(memmap()).digest


def test_a_file_that_ends_early_is_an_error() -> None:
    raw = io.BytesIO(memmap()[FIRST:].tobytes()[:-1])
    with pytest.raises(ValueError, match="ends in struct page 7"):
        struct_pages.read(raw, 40 << ORDER, 64, ADDRESS, FIRST, 100)


def test_an_uninitialized_memmap_is_an_error() -> None:
    words = np.random.default_rng(1).integers(0, 1 << 63, (1 << 17, 8), dtype=np.uint64)
    with pytest.raises(ValueError, match="not initialized"):
        fold(words, 1 << 16, ADDRESS)
    pointers = np.full((1 << 14, 8), 0, dtype=np.uint64)
    pointers[:, 1] = 0xFF11_0000_0000_0000 + np.arange(1 << 14, dtype=np.uint64) * 64
    with pytest.raises(ValueError, match="more than 4096 objects"):
        fold(pointers, 1 << 16, ADDRESS)


def block(**changed: int | bytes) -> bytes:
    signature = changed.get("signature", b"NVDIMM_DAX_INFO\0")
    assert isinstance(signature, bytes)
    said = {"flags": 0, "major": 1, "minor": 4, "dataoff": 0x4200000, "npfns": 1031680, "mode": 2}
    said |= {"start_pad": 0, "end_trunc": 0, "align": 2 << 20, "page_size": 4096, "size": 64}
    said |= {name: value for name, value in changed.items() if isinstance(value, int)}
    return signature + bytes(32) + struct.pack("<IHHQQIIIIIH", *said.values()) + bytes(100)


def test_the_info_block_of_a_4_gib_namespace() -> None:
    found = info_block.parse(block())
    assert (found.kind, found.first, found.npfns, found.in_namespace) == (
        "dax",
        16896,
        1031680,
        True,
    )
    assert not info_block.parse(block(mode=1)).in_namespace


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        (block(signature=bytes(16)), "signature"),
        (block(minor=3), "version 1.3"),
        (block(major=2), "version 2.4"),
        (block(page_size=65536), "65536 bytes"),
        (block(size=60), "struct pages of 60"),
        (block(npfns=0), "0 pages"),
        (block(dataoff=4096), "from byte 0x1000"),
        (block()[:80], "80 bytes"),
        (b"", "0 bytes"),
    ],
)
def test_an_invalid_info_block_is_refused(wrong: bytes, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        info_block.parse(wrong)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_block_or_refused(raw: bytes) -> None:
    try:
        info_block.parse(b"NVDIMM_PFN_INFO\0" + raw)
    except ValueError:
        return


def run_with(kinds: dict[str, Runs | str]) -> RunRecord:
    """Return a run whose builds' first boots left these memmaps of nd_pmem, or a problem."""
    boots = []
    for build, found in kinds.items():
        if isinstance(found, str):
            left = Memmap("nd_pmem", 0, "", found)
        else:
            left = Memmap("nd_pmem", found.nr_pages, found.digest)
        boots.append(msgspec.structs.replace(boot(build, 1, 100), memmaps=(left,)))
    return msgspec.structs.replace(record(), boots=tuple(boots))


def verified(base: Runs | str, tip: Runs | str) -> list[Verified]:
    builds = {"base": base, "tip": tip}

    def load(build: str, _number: int, _driver: str) -> Runs:
        found = builds[build]
        assert isinstance(found, Runs)
        return found

    found = verify(run_with(builds), load, lambda _: Decoder(PAGE, FOLIO, ORDER))
    return list(found)


def test_equal_memmaps_are_equal_in_all_pages() -> None:
    found = verified(fold(memmap()), fold(memmap(pgmap=PGMAP + 640)))
    assert [(v.build, v.compared, v.equal, v.ok) for v in found] == [
        ("base", 640, 640, True),
        ("tip", 640, 640, True),
    ]


def test_differences_are_counted_and_the_first_named() -> None:
    words = memmap()
    words[FIRST + 100, 6] = 0xFFFF_FFFF | 1 << 32  # _refcount 1
    words[FIRST + 33, 7] = 5 << 32  # the second page of the third compound
    _, tip = verified(fold(memmap()), fold(words))
    assert (tip.compared, tip.equal, tip.ok) == (640, 638, False)
    assert [(d.page, d.fields) for d in tip.first] == [
        (33, ("_nr_pages: 5, expected 0",)),
        (100, ("_refcount: 1, expected 0",)),
    ]
    assert isinstance(tip.first[0], Difference)


def test_another_number_of_pages_is_a_problem() -> None:
    _, tip = verified(fold(memmap()), fold(memmap(39)))
    assert tip.problem == "624 struct pages, base has 640"
    assert not tip.ok


@pytest.mark.parametrize(("base", "tip"), [("no block", "x"), ("x", "no block")])
def test_a_memmap_that_could_not_be_read_never_passes(base: str, tip: str) -> None:
    good = fold(memmap())
    found = verified(good if base == "x" else base, good if tip == "x" else tip)
    assert not all(v.ok for v in found)
    assert any("no block" in v.problem or "no boot of base" in v.problem for v in found)
