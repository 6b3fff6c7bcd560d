# SPDX-License-Identifier: GPL-2.0-only
"""Guests with namespaces other than NVDIMMs."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.host.digest import value_digest
from harness.host.units import GIB, MIB
from harness.project.guest import GAP_BYTES, Guest, Provider
from harness.project.project import Project
from harness.workloads.zone_device.namespaces import Namespace

#: Of the files in guests/, as records have them.
DIGESTS = {
    "cxl": "da0d64f13f6416509174625740821eb31290a4fd34d35b92cf5129debea74baf",
    "hmm": "d39649253ea87205eebb622df5be635e59ed56c841d7d2861b47edfa3de8ef51",
    "pmem-100g": "5ae69c85bf2cf9f93cf4274b337d451337df8a9ecc986872442ed43fe51c13ca",
    "pmem-1g": "48071d38b047ba5a4ffbb6cca058edc3a7e6fb01b2bcf782dbbf77ba21797d3c",
    "pmem-4g": "b1c9bf297c7ff305d98c21d54fc4a5f8dca782fcb2bdbe935e76236a51755326",
    "pmem-align-1g": "022f01bf1ac49b577532f519d86876b996ae5a9eb698fd4819383d1a56aa293b",
    "pmem-legacy": "83ce15115157d362714fff913f4cbe27e51b828462d6c851ba023ae2691cef83",
    "pmem-mem": "667c0ed2e58892783b4d863f307e29fbab7c9d7b4f6e8effeb72a82403fa294f",
    "pmem-mem-16m": "d984027e5fc519dce8e88e4083c3b372d9cf9d03d269be4ee6a434a1e7de872e",
    "ramdax": "794b0f11a2261ed138c6f7894414df0141dafd7ca640d8d1c6118a01cc84e3ec",
}
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
    again = msgspec.json.decode(encoded, type=Guest)
    assert again == PROJECT.guest("pmem-4g")
    assert again.place == "nvdimm"


def test_each_guest_keeps_its_digest() -> None:
    found = {name: value_digest(PROJECT.guest(name)) for name in DIGESTS}
    assert found == DIGESTS


def test_persistent_ranges_have_gaps_so_that_they_are_not_merged() -> None:
    made = guest("e820", "512M", "512M")
    assert made.kernel_options == ("memmap=512M!1024M", "memmap=512M!1664M")
    assert made.ram_bytes == 2304 * MIB
    assert made.memory_bytes == GIB
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


def test_cxl_devices_have_sizes_that_cxl_allows() -> None:
    assert guest("cxl", "512M", "768M").memmap_bytes > 0
    with pytest.raises(ValueError, match="size 384M; expected a multiple of 256M"):
        guest("cxl", "512M", "384M")


def test_a_guest_needs_no_namespace() -> None:
    """Whether there is anything to measure in it, its workload knows."""
    made = Guest(description="", memory="1G", namespaces=())
    assert (made.memmap_bytes, made.carved, made.ram_bytes) == (0, (), GIB)


def test_no_two_namespaces_have_the_same_driver() -> None:
    twice = (Namespace(mode="fsdax", size="1G"), Namespace(mode="fsdax", size="2G"))
    with pytest.raises(ValueError, match="namespaces: 2 given; expected one fsdax, one devdax, or"):
        Guest(description="", memory="1G", namespaces=twice)
