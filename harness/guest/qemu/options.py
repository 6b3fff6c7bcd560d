# SPDX-License-Identifier: GPL-2.0-only
"""QEMU options that virtme-ng does not have: persistent memory, accelerator, channel."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from harness.host.processes.process import Deadline, run
from harness.host.units import GIB

PROGRAM = "qemu-system-x86_64"
#: The name of the virtio-serial port that the agent looks for.
PORT = "memmap-harness"
#: Threads of vCPUs then have names.
DEBUG_THREADS = ("-name", "debug-threads=on")
CXL_DEVICE = "cxl-type3"
#: A CXL device's label area, in memory; the smallest that drivers/nvdimm/label.c accepts.
_LABEL_KIB = 128
#: Bus numbers of CXL host bridges, far enough apart for a port and a device behind each.
_BUSES_PER_BRIDGE = 32


class Device(msgspec.Struct, frozen=True):
    """An emulated NVDIMM or CXL device over the whole of a backing file."""

    backing: Path
    size_bytes: int


def value(text: str) -> str:
    """Return text escaped for a comma-separated option."""
    return text.replace(",", ",,")


def machine(
    accelerator: Literal["kvm", "tcg"], cpu_model: str, *, icount: bool = False
) -> list[str]:
    """Return options for accelerator and CPU.

    With one accelerator named, QEMU does not fall back to another. TCG's 40 address bits are too
    few for two 100 GiB NVDIMMs and their alignment; KVM uses the host's.

    With `icount` (TCG only) guest time is executed instructions, one per nanosecond, and an idle
    guest's clock jumps ahead.
    """
    bits = "host-phys-bits=on" if accelerator == "kvm" else "phys-bits=46"
    options = ["-machine", f"nvdimm=on,accel={accelerator}", "-cpu", f"{cpu_model},{bits}"]
    return [*options, "-icount", "shift=0,sleep=off"] if icount else options


def memory(memory_bytes: int, node: int | None, huge: str = "") -> list[str]:
    """Return options that bind the guest's memory to a NUMA node, and take it from hugetlbfs.

    `huge` is the size of its pages; empty for those that the host gives.
    """
    if node is None and not huge:
        return []
    kind = f"memory-backend-memfd,hugetlb=on,hugetlbsize={huge}" if huge else "memory-backend-ram"
    ram = f"{kind},id=ram,size={memory_bytes}{_bound(node)}"
    return ["-object", ram, "-machine", "memory-backend=ram"]


def _bound(node: int | None) -> str:
    return "" if node is None else f",host-nodes={node},policy=bind"


def nvdimms(
    memory_bytes: int, devices: Sequence[Device], node: int | None = None, *, reserve: bool = True
) -> list[str]:
    """Return options for the guest's memory and NVDIMMs; the first becomes region0, and so on.

    Without label-size: a label area would misalign the region, which ndctl refuses.
    They are bound to NUMA node `node` of the host, unless it is None. Huge pages are reserved for
    the whole of a sparse file without `reserve=off`.
    """
    if not devices:
        return ["-m", f"size={memory_bytes >> 20}M"]
    # QEMU may align each slot to the next GiB.
    most = memory_bytes + sum(d.size_bytes + GIB for d in devices) + GIB
    options = ["-m", f"size={memory_bytes >> 20}M,slots={len(devices)},maxmem={most >> 20}M"]
    for number, device in enumerate(devices):
        backing = _backing(number, device) + _bound(node)
        options += ["-object", backing if reserve else f"{backing},reserve=off"]
        options += ["-device", f"nvdimm,id=nvdimm{number},memdev=backing{number}"]
    return options


def _backing(number: int, device: Device) -> str:
    file = f"memory-backend-file,id=backing{number},share=on,size={device.size_bytes}"
    return f"{file},mem-path={value(str(device.backing))}"


def cxl(memory_bytes: int, devices: Sequence[Device]) -> list[str]:
    """Return options for the guest's memory and CXL devices; serial numbers start at 1.

    Each device has its own host bridge and address window: QEMU's bridges have one decoder, which
    serves one region.
    """
    windows = ["cxl=on"]
    options = ["-m", f"size={memory_bytes >> 20}M"]
    for number, device in enumerate(devices):
        bus = _BUSES_PER_BRIDGE * (number + 1)
        options += ["-object", _backing(number, device)]
        options += ["-object", f"memory-backend-ram,id=labels{number},size={_LABEL_KIB}K"]
        options += ["-device", f"pxb-cxl,id=bridge{number},bus=pcie.0,bus_nr={bus}"]
        options += ["-device", f"cxl-rp,id=port{number},bus=bridge{number},chassis=0,slot={number}"]
        memory = f"memdev=backing{number},lsa=labels{number},sn={number + 1}"
        options += ["-device", f"{CXL_DEVICE},id=cxl{number},bus=port{number},{memory}"]
        window = f"cxl-fmw.{number}"
        windows.append(f"{window}.targets.0=bridge{number}")
        windows.append(f"{window}.size={device.size_bytes >> 20}M")
    # In one option: QEMU 7.2 does not join several into one list.
    return [*options, "-machine", ",".join(windows)]


def offers(device: str, log: Path, deadline: Deadline) -> bool:
    """Return whether this QEMU has a device. Raises ToolMissing, ToolFailed, TimedOut."""
    listed = run([PROGRAM, "-device", "help"], log=log, deadline=deadline).stdout
    return f'name "{device}"' in listed


class _CpuDefinition(msgspec.Struct):
    name: str
    unavailable: tuple[str, ...] = msgspec.field(name="unavailable-features", default=())


class _Answer(msgspec.Struct):
    definitions: tuple[_CpuDefinition, ...] = msgspec.field(name="return")


def missing_features(
    work: Path, log: Path, deadline: Deadline
) -> dict[str, tuple[str, ...]] | None:
    """Return what each CPU model promises that the host's KVM lacks; None if QEMU does not say.

    `work` is a file for the questions. Raises ToolMissing and TimedOut.
    """
    commands = ("qmp_capabilities", "query-cpu-definitions", "quit")
    work.write_text("".join(f'{{"execute": "{command}"}}\n' for command in commands))
    argv = [PROGRAM, "-machine", "none,accel=kvm", "-nodefaults", "-display", "none"]
    done = run([*argv, "-qmp", "stdio"], log=log, deadline=deadline, ok=None, stdin=work)
    for line in done.stdout.splitlines():
        with contextlib.suppress(msgspec.MsgspecError):
            return {
                d.name: d.unavailable for d in msgspec.json.decode(line, type=_Answer).definitions
            }
    return None


def channel(file: Path) -> list[str]:
    """Return options for a virtio-serial port that writes into a file."""
    return [
        "-device",
        "virtio-serial-pci,id=agent-bus",
        "-chardev",
        f"file,id=agent,path={value(str(file))}",
        "-device",
        f"virtserialport,bus=agent-bus.0,chardev=agent,name={PORT}",
    ]
