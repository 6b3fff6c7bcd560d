# SPDX-License-Identifier: GPL-2.0-only
"""What this machine itself runs on: bare metal, a hypervisor, or an emulator."""

import ctypes
import mmap
import platform
from collections.abc import Callable
from pathlib import Path

from harness.host.files import text_of

#: What a hypervisor calls itself in CPUID leaf 0x40000000 (Linux: arch/x86/kernel/cpu/*.c; QEMU:
#: target/i386/cpu.c).
_SIGNATURES = {
    b"KVMKVMKVM\0\0\0": "kvm",
    b"TCGTCGTCGTCG": "tcg",
    b"VMwareVMware": "vmware",
    b"Microsoft Hv": "hyper-v",
    b"XenVMMXenVMM": "xen",
    b"bhyve bhyve ": "bhyve",
}
#: DMI vendors and products of virtual machines, for hypervisors that hide themselves from CPUID.
_DMI = (
    *("qemu", "vmware", "virtualbox", "kvm", "xen", "bochs", "virtual machine", "openstack"),
    *("amazon ec2", "google compute engine", "bhyve"),
)
#: Machines of these clouds that have no hypervisor say so in the product's name.
_METAL = ".metal"
_LEAF = 0x4000_0000
_EXECUTABLE = mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
#: void cpuid(unsigned leaf, unsigned ebx_ecx_edx[3]), as machine code.
_CPUID = bytes.fromhex("53 89f8 31c9 0fa2 891e 894e04 895608 5b c3")


def hypervisor(root: Path = Path("/"), leaf: Callable[[], bytes] | None = None) -> str:
    """Return `none` (bare metal), `tcg` (an emulated CPU), `kvm`, `vmware`, …, or `unknown`.

    `unknown` is a virtual machine of a kind that is not known. `leaf` reads the signature.
    """
    cpuinfo = text_of(root / "proc/cpuinfo")
    if "QEMU TCG" in cpuinfo:
        return "tcg"
    flags = next((line for line in cpuinfo.splitlines() if line.startswith("flags")), "").split()
    if "hypervisor" in flags:
        return _SIGNATURES.get((leaf or _signature)(), "unknown")
    if kind := text_of(root / "sys/hypervisor/type").strip():
        return kind
    names = [
        text_of(root / "sys/class/dmi/id" / name).lower() for name in ("sys_vendor", "product_name")
    ]
    said = " ".join(names)
    is_virtual = _METAL not in said and any(word in said for word in _DMI)
    return "unknown" if is_virtual else "none"


def _signature() -> bytes:
    """Return the hypervisor's signature; empty where the instruction cannot be executed."""
    if platform.machine() != "x86_64":
        return b""
    try:
        with mmap.mmap(-1, mmap.PAGESIZE, prot=_EXECUTABLE) as page:
            page.write(_CPUID)
            start = (ctypes.c_char * len(_CPUID)).from_buffer(page)
            function = ctypes.CFUNCTYPE(None, ctypes.c_uint32, ctypes.c_void_p)
            found = (ctypes.c_uint32 * 3)()
            function(ctypes.addressof(start))(_LEAF, ctypes.addressof(found))
            del start
            return bytes(found)
    except OSError:  # a security module forbids executable memory
        return b""
