# SPDX-License-Identifier: GPL-2.0-only
"""Guests with namespaces other than NVDIMMs."""

import hashlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.host.units import GIB, MIB
from harness.project.guest import GAP_BYTES, Guest, Namespace, Provider
from harness.project.project import Project
from harness.workloads.zone_device.namespaces import PAGE_BYTES

#: Of guests/pmem-4g.yaml, as the records in results/ have it.
DIGEST = "b1c9bf297c7ff305d98c21d54fc4a5f8dca782fcb2bdbe935e76236a51755326"
PROJECT = Project.find()


def guest(provider: Provider, *sizes: str, memory: str = "1G") -> Guest:
    modes = ("fsdax", "devdax")
    made = tuple(Namespace(mode=mode, size=size) for mode, size in zip(modes, sizes, strict=False))  # type: ignore[arg-type]
    return Guest(description="", memory=memory, namespaces=made, provider=provider)


def test_guests_without_new_keys_keep_their_digest() -> None:
    """Records are compared by it, so a key that is not given must not be encoded."""
    encoded = msgspec.json.encode(PROJECT.guest("pmem-4g"))
    assert b"provider" not in encoded
    assert b"test_hmm" not in encoded
    assert hashlib.sha256(encoded).hexdigest() == DIGEST
    again = msgspec.json.decode(encoded, type=Guest)
    assert again == PROJECT.guest("pmem-4g")
    assert again.place == "nvdimm"


def test_persistent_ranges_have_gaps_so_that_they_are_not_merged() -> None:
    made = guest("e820", "512M", "512M")
    assert made.kernel_options == ("memmap=512M!1024M", "memmap=512M!1664M")
    assert made.ram_bytes == 2304 * MIB
    assert made.memory_bytes == GIB
    assert made.booted_nr_pages == (131_072, 131_072)
    assert made.memmap_bytes == 0


def test_ramdax_ranges_have_room_for_labels() -> None:
    made = guest("ramdax", "512M")
    assert made.kernel_options == ("memmap=640M!1024M",)


@given(st.sampled_from(["e820", "ramdax"]), st.integers(1, 6), st.integers(1, 6))
def test_ranges_never_touch_and_are_within_ram(provider: Provider, first: int, second: int) -> None:
    made = guest(provider, f"{first * 128}M", f"{second * 128}M", memory="512M")
    (a, size_a), (b, size_b) = made.carved
    assert a >= made.memory_bytes
    assert a + size_a + GAP_BYTES <= b
    assert made.ram_bytes == b + size_b + GAP_BYTES


def test_ranges_must_end_below_the_pci_hole() -> None:
    assert guest("e820", "1408M", memory="1279M").ram_bytes == 2815 * MIB
    with pytest.raises(
        ValueError, match=r"2816M of RAM; expected less than 2816M with provider e820"
    ):
        guest("e820", "1408M", memory="1280M")
    with pytest.raises(ValueError, match="provider ramdax"):
        guest("ramdax", "1408M", memory="1279M")
    # An NVDIMM is not RAM.
    assert guest("nvdimm", "100G", memory="4G").ram_bytes == 4 * GIB


def test_namespace_sizes_are_multiples_of_ndctls_minimum() -> None:
    assert Namespace(mode="fsdax", size="16M").nr_pages == 14 * MIB // PAGE_BYTES
    assert Namespace(mode="devdax", size="16M", map="mem").nr_pages == 16 * MIB // PAGE_BYTES
    with pytest.raises(ValueError, match="size: 24M; expected a multiple of 16M"):
        Namespace(mode="fsdax", size="24M")


def test_cxl_devices_have_sizes_that_cxl_allows() -> None:
    assert guest("cxl", "512M", "768M").memmap_bytes > 0
    with pytest.raises(ValueError, match="size 384M; expected a multiple of 256M"):
        guest("cxl", "512M", "384M")


def test_device_private_memory_needs_no_namespace() -> None:
    assert PROJECT.guest("hmm").booted_nr_pages == (65_536, 65_536)
    with pytest.raises(ValueError, match="namespaces"):
        Guest(description="", memory="1G", namespaces=())
