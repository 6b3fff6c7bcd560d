# SPDX-License-Identifier: GPL-2.0-only
"""QEMU's options for what virtme-ng has none: NVDIMMs, an accelerator that must be, a channel."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from harness.model.units import GIB

PROGRAM = "qemu-system-x86_64"
#: The name of the virtio-serial port that the agent looks for.
PORT = "memmap-harness"


class Nvdimm(msgspec.Struct, frozen=True):
    """An emulated NVDIMM over the whole of a backing file."""

    backing: Path
    size_bytes: int


def value(text: str) -> str:
    """Return text as it may stand in a comma-separated option."""
    return text.replace(",", ",,")


def machine(
    accelerator: Literal["kvm", "tcg"], cpu_model: str, *, icount: bool = False
) -> list[str]:
    """Options for the accelerator and CPU.

    Naming one accelerator makes QEMU fail where it would fall back to another. TCG's 40 address
    bits are too few for two 100 GiB NVDIMMs and their alignment; KVM takes the host's.

    With `icount`, which is TCG's alone, guest time is executed instructions, one a nanosecond, and
    an idle guest's clock jumps ahead instead of waiting.
    """
    bits = "host-phys-bits=on" if accelerator == "kvm" else "phys-bits=46"
    options = ["-machine", f"nvdimm=on,accel={accelerator}", "-cpu", f"{cpu_model},{bits}"]
    return [*options, "-icount", "shift=0,sleep=off"] if icount else options


def nvdimms(memory_bytes: int, devices: Sequence[Nvdimm]) -> list[str]:
    """Options for the guest's memory and NVDIMMs; the first becomes region0, and so on.

    Without label-size: a label area makes the region misaligned, which ndctl refuses.
    """
    if not devices:
        return ["-m", f"size={memory_bytes >> 20}M"]
    # Each slot may be moved up to the next GiB.
    most = memory_bytes + sum(d.size_bytes + GIB for d in devices) + GIB
    options = ["-m", f"size={memory_bytes >> 20}M,slots={len(devices)},maxmem={most >> 20}M"]
    for number, device in enumerate(devices):
        backing = f"memory-backend-file,id=backing{number},share=on,size={device.size_bytes}"
        options += ["-object", f"{backing},mem-path={value(str(device.backing))}"]
        options += ["-device", f"nvdimm,id=nvdimm{number},memdev=backing{number}"]
    return options


def channel(file: Path) -> list[str]:
    """Options for a virtio-serial port that writes what the guest says into a file."""
    return [
        "-device",
        "virtio-serial-pci,id=agent-bus",
        "-chardev",
        f"file,id=agent,path={value(str(file))}",
        "-device",
        f"virtserialport,bus=agent-bus.0,chardev=agent,name={PORT}",
    ]
