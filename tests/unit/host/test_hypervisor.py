# SPDX-License-Identifier: GPL-2.0-only
"""What a machine runs on, from fakes of /proc and /sys."""

from pathlib import Path

import pytest

from harness.host.hypervisor import hypervisor

VIRTUAL = "flags\t\t: fpu hypervisor sse2\n"
METAL = "flags\t\t: fpu sse2\n"


def fake(root: Path, cpuinfo: str, **files: str) -> Path:
    (root / "proc").mkdir()
    (root / "proc/cpuinfo").write_text(cpuinfo)
    for name, text in files.items():
        folder = root / ("sys/hypervisor" if name == "type" else "sys/class/dmi/id")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"{text}\n")
    return root


@pytest.mark.parametrize(
    ("cpuinfo", "leaf", "files", "expected"),
    [
        (METAL, b"", {}, "none"),
        (METAL, b"", {"sys_vendor": "Dell Inc.", "product_name": "PowerEdge R750"}, "none"),
        (METAL, b"", {"sys_vendor": "Amazon EC2", "product_name": "m6i.metal"}, "none"),
        (METAL, b"", {"sys_vendor": "Amazon EC2", "product_name": "m6i.large"}, "unknown"),
        (METAL, b"", {"sys_vendor": "QEMU", "product_name": "Standard PC (Q35)"}, "unknown"),
        (METAL, b"", {"type": "xen"}, "xen"),
        (VIRTUAL, b"KVMKVMKVM\0\0\0", {}, "kvm"),
        (VIRTUAL, b"TCGTCGTCGTCG", {"sys_vendor": "QEMU"}, "tcg"),
        (VIRTUAL, b"VMwareVMware", {}, "vmware"),
        (VIRTUAL, b"Something...", {}, "unknown"),
        (VIRTUAL, b"", {}, "unknown"),
        ("model name\t: QEMU TCG CPU version 2.5+\n" + VIRTUAL, b"", {}, "tcg"),
        ("", b"", {}, "none"),
    ],
)
def test_what_the_machine_says(
    tmp_path: Path, cpuinfo: str, leaf: bytes, files: dict[str, str], expected: str
) -> None:
    assert hypervisor(fake(tmp_path, cpuinfo, **files), lambda: leaf) == expected


def test_this_machine_is_of_some_kind() -> None:
    """The instruction is executed here; a container sees the flags of its host."""
    here = hypervisor()
    assert here
    virtual = "hypervisor" in Path("/proc/cpuinfo").read_text().split()
    assert not virtual or here != "none"
