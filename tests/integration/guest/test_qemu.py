# SPDX-License-Identifier: GPL-2.0-only
"""A real QEMU accepts the options, without running a guest."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.guest import boot
from harness.guest.qemu import options as qemu
from harness.host.processes.process import Deadline, run
from harness.host.units import GIB, MIB

MAKERS = {"nvdimm": qemu.nvdimms, qemu.CXL_DEVICE: qemu.cxl}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


def test_whether_qemu_has_a_device(log: Path) -> None:
    assert qemu.offers("nvdimm", log, Deadline(60))
    assert not qemu.offers("nvdim", log, Deadline(60))


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("device", MAKERS)
def test_qemu_starts_with_each_device(tmp_path: Path, log: Path, device: str, count: int) -> None:
    if not qemu.offers(device, log, Deadline(60)):
        pytest.skip(f"this QEMU has no {device}")
    devices = [qemu.Device(tmp_path / f"a,b {n}", 512 * MIB) for n in range(count)]
    for made in devices:
        with made.backing.open("wb") as file:
            file.truncate(made.size_bytes)
    asked = tmp_path / "asked"
    asked.write_text("info memdev\nqom-list /machine/peripheral\nquit\n")
    argv = [qemu.PROGRAM, "-nodefaults", "-display", "none", "-S", "-monitor", "stdio"]
    argv += ["-machine", "q35", *qemu.machine("tcg", "Icelake-Server")]
    argv += MAKERS[device](GIB, devices)
    said = run(argv, log=log, deadline=Deadline(60), stdin=asked).stdout
    assert [f"memory backend: backing{n}" in said for n in range(3)] == [
        n < count for n in range(3)
    ]
    assert said.count(f"(child<{device}>)") == count


def test_qemu_names_what_the_hosts_kvm_lacks(tmp_path: Path, log: Path) -> None:
    found = qemu.missing_features(tmp_path / "questions", log, Deadline(60))
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        assert found is None
    elif found is not None:  # a /dev/kvm that opens may still be refused
        assert found["host"] == ()
        assert "Icelake-Server" in found


def test_a_program_without_huge_pages_has_none() -> None:
    show = "print([l for l in open('/proc/self/status') if 'THP' in l])"
    argv = [sys.executable, "-c", boot._WITHOUT_HUGE_PAGES, sys.executable, "-c", show]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60)
    # Kernels before 6.x do not say.
    assert done.stdout.strip() in ("[]", "['THP_enabled:\\t0\\n']")
