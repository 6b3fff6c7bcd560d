# SPDX-License-Identifier: GPL-2.0-only
"""Huge pages for a guest, on fakes of /proc and /sys."""

from pathlib import Path

import msgspec
import pytest

from harness.guest.qemu import options as qemu
from harness.guest.qemu.huge_pages import for_memory, for_namespaces
from harness.host.digest import value_digest
from harness.host.units import GIB, MIB
from harness.project.guest import Guest, HugePages
from harness.workloads.zone_device.namespaces import Namespace

ROOM = 100 * MIB


def guest(hugepages: HugePages, memory: str = "1G", **options: str) -> Guest:
    namespaces = (Namespace(mode="fsdax", size="4G"),)
    return Guest("", memory, namespaces, hugepages=hugepages, **options)  # type: ignore[arg-type]


def host(root: Path, free: int | str, reserved: int = 0, size: str = "2M", kib: int = 2048) -> Path:
    """Make a host with that many free pages, and hugetlbfs mounted on `root/huge pages`."""
    pool = root / f"sys/kernel/mm/hugepages/hugepages-{kib}kB"
    pool.mkdir(parents=True)
    (pool / "free_hugepages").write_text(f"{free}\n")
    (pool / "resv_hugepages").write_text(f"{reserved}\n")
    (root / "huge pages").mkdir()
    (root / "proc").mkdir()
    mounted = str(root / "huge pages").replace(" ", "\\040")
    mounts = f"proc /proc proc rw 0 0\nnone {mounted} hugetlbfs rw,pagesize={size} 0 0\n"
    (root / "proc/mounts").write_text(mounts)
    return root


def test_a_pool_with_room_for_both(tmp_path: Path) -> None:
    root = host(tmp_path, 600)
    assert for_memory(guest("2M"), root) == "2M"
    assert for_namespaces(guest("2M"), ROOM, root) == tmp_path / "huge pages"


@pytest.mark.parametrize(
    ("free", "reserved", "memory", "namespaces"),
    [(512, 0, "2M", False), (511, 0, "", True), (600, 100, "", True), (49, 0, "", False)],
)
def test_a_pool_with_room_for_one_or_none(
    tmp_path: Path, free: int, reserved: int, memory: str, namespaces: bool
) -> None:
    root = host(tmp_path, free, reserved)
    assert for_memory(guest("2M"), root) == memory
    assert (for_namespaces(guest("2M"), ROOM, root) is not None) is namespaces


def test_other_pages_than_those_asked_for_are_not_used(tmp_path: Path) -> None:
    root = host(tmp_path, 600)
    assert for_memory(guest("1G"), root) == ""
    assert for_namespaces(guest("1G"), ROOM, root) is None
    assert for_memory(guest("none"), root) == ""
    unset = msgspec.structs.replace(guest("2M"), hugepages=msgspec.UNSET)
    assert for_namespaces(unset, ROOM, root) is None


def test_sizes_must_be_multiples_of_the_page(tmp_path: Path) -> None:
    root = host(tmp_path, 9, size="1G", kib=1 << 20)
    assert for_memory(guest("1G"), root) == "1G"
    assert for_memory(guest("1G", memory="1536M"), root) == ""
    small = msgspec.structs.replace(guest("1G"), namespaces=(Namespace(mode="fsdax", size="512M"),))
    assert for_namespaces(small, ROOM, root) is None


def test_namespaces_in_ram_have_no_files(tmp_path: Path) -> None:
    ram = Guest("", "1G", (Namespace("fsdax", "512M"),), provider="e820", hugepages="2M")
    assert for_namespaces(ram, ROOM, host(tmp_path, 2000)) is None


@pytest.mark.parametrize("free", ["", "many"])
def test_a_pool_that_cannot_be_read_is_empty(tmp_path: Path, free: str) -> None:
    assert for_memory(guest("2M"), host(tmp_path, free)) == ""
    assert for_memory(guest("2M"), tmp_path / "nothing") == ""


def test_a_mount_that_may_not_be_written_to_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.guest.qemu.huge_pages.os.access", lambda _path, _mode: False)
    assert for_namespaces(guest("2M"), ROOM, host(tmp_path, 600)) is None


def test_the_options_of_qemu(tmp_path: Path) -> None:
    assert qemu.memory(GIB, None) == []
    bound = qemu.memory(GIB, 1)
    assert f"memory-backend-ram,id=ram,size={GIB},host-nodes=1,policy=bind" in bound
    huge = " ".join(qemu.memory(GIB, None, "2M"))
    assert f"memory-backend-memfd,hugetlb=on,hugetlbsize=2M,id=ram,size={GIB}" in huge
    device = qemu.Device(tmp_path / "x", GIB)
    assert "reserve=off" not in " ".join(qemu.nvdimms(GIB, [device]))
    sparse = " ".join(qemu.nvdimms(GIB, [device], 0, reserve=False))
    assert "host-nodes=0,policy=bind,reserve=off" in sparse


def test_a_guest_that_does_not_say_has_the_digest_it_had() -> None:
    plain = Guest("", "1G", (Namespace(mode="fsdax", size="4G"),))
    assert value_digest(plain) != value_digest(guest("2M"))
    assert b"hugepages" not in msgspec.json.encode(plain)
