# SPDX-License-Identifier: GPL-2.0-only
"""Guests with namespaces other than NVDIMMs, and the checks of their boots."""

import hashlib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.guest import agent_log, console, qemu
from harness.host.units import GIB, MIB
from harness.measure import checks
from harness.project.expected_pages import PAGE_BYTES
from harness.project.guest import GAP_BYTES, Guest, Namespace, Provider
from harness.project.plan import Plan
from harness.project.project import Project
from tests.unit.builders import kernel
from tests.unit.guest.test_agent_log import BODY, raw

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


def test_each_cxl_device_has_a_bridge_and_a_window_of_its_own() -> None:
    files = [Path("/dev/shm/a,b/nd_pmem.img"), Path("/dev/shm/a,b/dax_pmem.img")]
    options = qemu.cxl(GIB, [qemu.Device(file, 512 * MIB) for file in files])
    flags, values = options[::2], options[1::2]
    assert set(flags) == {"-machine", "-m", "-object", "-device"}
    assert values[0] == "size=1024M"
    assert values[1].endswith("share=on,size=536870912,mem-path=/dev/shm/a,,b/nd_pmem.img")
    devices = [value for value in values if value.startswith("cxl-type3,")]
    assert [device.partition("sn=")[2] for device in devices] == ["1", "2"]
    (machine,) = [value for flag, value in zip(flags, values, strict=True) if flag == "-machine"]
    assert machine.split(",") == [
        "cxl=on",
        *("cxl-fmw.0.targets.0=bridge0", "cxl-fmw.0.size=512M"),
        *("cxl-fmw.1.targets.0=bridge1", "cxl-fmw.1.size=512M"),
    ]


def test_device_private_memory_needs_no_namespace() -> None:
    assert PROJECT.guest("hmm").booted_nr_pages == (65_536, 65_536)
    with pytest.raises(ValueError, match="namespaces"):
        Guest(description="", memory="1G", namespaces=())


def log(*booted: int, after: int | None = None) -> str:
    def line(pages: int) -> str:
        return f"[    0.9] memmap_init_zone_device initialised {pages} pages in 2ms"

    lines = [line(pages) for pages in booted]
    lines += ["[    1.0] memmap-harness: <started>"]
    lines += [line(after)] if after is not None else []
    return "\n".join(lines)


def test_reports_before_user_space_are_not_stray() -> None:
    found = console.bindings(log(131_072, 65_536), {})
    assert found.booted == (131_072, 65_536)
    assert found.problems == ()
    late = console.bindings(log(after=65_536), {})
    assert [p.kind for p in late.problems] == ["report outside any binding"]


def by_name(made: Guest, plan: Plan, said: bytes, kernel_log: str) -> dict[str, checks.Check]:
    asked = {n.driver: plan.rebinds + 1 for n in made.namespaces}
    bindings = console.bindings(kernel_log, asked)
    found = checks.checks(kernel(), "", made, plan, agent_log.parse(said), bindings)
    return {check.name: check for check in found}


PLAN = Plan(description="", guest="g", rebinds=1, kconfig=("x",))


@pytest.mark.parametrize(
    ("booted", "ok"), [((65_536, 65_536), True), ((65_536,), False), ((65_536, 65_535), False)]
)
def test_pages_before_user_space_must_be_those_expected(booted: tuple[int, ...], ok: bool) -> None:
    found = by_name(PROJECT.guest("hmm"), PLAN, raw(*BODY), log(*booted))
    assert found["pages before user space"].ok is ok
    assert found["no stray report"].ok


def test_unexpected_pages_before_user_space_are_stray() -> None:
    found = by_name(PROJECT.guest("pmem-4g"), PLAN, raw(*BODY), log(65_536))
    assert not found["no stray report"].ok
    assert "pages before user space" not in found


TRACED = msgspec.structs.replace(PLAN, page_ref=True)
PAGES = Namespace(mode="fsdax", size="1G").counted_nr_pages


def events(*counts: int) -> bytes:
    lines = [
        {"is": "events", "driver": "nd_pmem", "index": n, "count": count}
        for n, count in enumerate(counts)
    ]
    body = [*BODY[:2], {"is": "tracepoint", "state": "1"}, *BODY[3:], *lines]
    return raw(*body)


@pytest.mark.parametrize(
    ("counts", "ok"),
    [
        ((PAGES, PAGES), True),
        ((PAGES, PAGES - 1), False),
        ((PAGES, 2 * PAGES), False),
        ((PAGES,), False),
        ((), False),
        ((0, 0), False),
    ],
)
def test_every_page_of_every_binding_must_have_an_event(counts: tuple[int, ...], ok: bool) -> None:
    made = Guest(description="", memory="1G", namespaces=(Namespace(mode="fsdax", size="1G"),))
    found = by_name(made, TRACED, events(*counts), "")
    assert found["nd_pmem events"].ok is ok
    assert found["page_ref_set"].ok
    # A trace that the plan did not ask for invalidates the boot.
    untraced = by_name(made, PLAN, events(*counts), "")
    assert not untraced["page_ref_set"].ok
    assert "nd_pmem events" not in untraced
