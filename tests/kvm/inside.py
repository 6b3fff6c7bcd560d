# SPDX-License-Identifier: GPL-2.0-only
"""Tests of the harness under a KVM that works. tests/boot/test_kvm.py runs them in the machine."""

import os
import re
import stat
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.guest import accelerator
from harness.host.cache import Cache
from harness.record import store
from harness.record.record import BootRun

CACHE = Cache(Path("/cache/memmap-harness"))
ROOT = Path(os.environ.get("MEMMAP_HARNESS_ROOT", "."))
PLAN = ("--plan", "kvm", "--accelerator", "kvm")
#: EFER, and its bit that enables SVM.
EFER, SVME = 0xC000_0080, 1 << 12


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the disk as cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(CACHE.root.parent))


def started(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [str(Path(sys.executable).parent / "harness"), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(child: subprocess.Popen[str]) -> tuple[int, str, str]:
    output, errors = child.communicate()
    print(output, errors, sep="\n")
    return child.returncode, output, errors


def printed(child: subprocess.Popen[str], pattern: str) -> bool:
    """Return whether the child prints such a line on stderr; return once it does."""
    assert child.stderr is not None
    for line in child.stderr:
        print(line, end="")
        if re.match(pattern, line):
            return True
    return False


def wait_for(child: subprocess.Popen[str], pattern: str) -> None:
    if not printed(child, pattern):
        pytest.fail(f"{pattern!r} was not printed")


def qemus() -> list[str]:
    found = []
    for comm in Path("/proc").glob("[0-9]*/comm"):
        try:
            if comm.read_text().startswith("qemu-system"):
                found.append(comm.parent.name)
        except OSError:
            continue
    return found


def image() -> Path:
    return max(CACHE.kernels.glob("*/bzImage"), key=lambda path: path.stat().st_mtime)


def last_run() -> tuple[BootRun, Path]:
    file = max((ROOT / "results").glob("*/*/record.json"), key=lambda path: path.stat().st_mtime)
    return store.load_boots(file.parent), file.parent


def test_a_user_without_permission_is_told() -> None:
    accelerator.KVM.chmod(0o600)
    question = "from harness.guest import accelerator; print(accelerator.closed())"
    argv = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable, "-c"]
    done = subprocess.run([*argv, question], capture_output=True, text=True, check=True)
    assert "may not be opened by this user" in done.stdout


@pytest.fixture
def _busy() -> Iterator[None]:
    """Enable SVM on all CPUs, as another hypervisor does: KVM then finds it in use."""
    msrs = [os.open(path, os.O_RDWR) for path in Path("/dev/cpu").glob("*/msr")]
    assert msrs
    before = [os.pread(msr, 8, EFER) for msr in msrs]
    for msr, data in zip(msrs, before, strict=True):
        os.pwrite(msr, struct.pack("<Q", struct.unpack("<Q", data)[0] | SVME), EFER)
    yield
    for msr, data in zip(msrs, before, strict=True):
        os.pwrite(msr, data, EFER)
        os.close(msr)


@pytest.mark.usefixtures("_busy")
def test_kvm_in_use_by_another_hypervisor_is_unusable() -> None:
    proof = accelerator.proof(CACHE, image())
    # KVM_CREATE_VM fails with EBUSY in older kernels.
    assert re.search(
        "failed to initialize kvm: (Input/output error|Device or resource busy)", proof.reason
    )
    assert "another hypervisor" in proof.reason


def test_a_triple_fault_is_named(tmp_path: Path) -> None:
    bad = tmp_path / "bzImage"
    bad.write_bytes(triple_fault())
    proof = accelerator.proof(CACHE, bad)
    assert "reset" in proof.reason
    assert not qemus()


def triple_fault() -> bytes:
    """Return an image in the format of Documentation/arch/x86/boot.rst whose code, in real mode,
    loads an empty interrupt table and raises an interrupt."""
    sectors = 4
    data = bytearray(512 * (1 + sectors) + 4096)
    data[0x1F1] = sectors
    data[0x1FE:0x202] = b"\x55\xaa\xeb\x6a"  # jump to 0x26c
    data[0x202:0x206] = b"HdrS"
    struct.pack_into("<HI", data, 0x206, 0x020C, 0)
    data[0x211] = 1  # loaded high
    struct.pack_into("<I", data, 0x214, 0x100000)
    # lidt cs:[0x280], which is 0; int3
    data[0x26C:0x273] = b"\x2e\x0f\x01\x1e\x80\x00\xcc"
    return bytes(data)


def test_a_panic_is_named_and_ended() -> None:
    code, _, errors = ended(started("measure", "--plan", "panics", "--accelerator", "kvm"))
    assert code == 69
    assert re.search(r"boot 1 of 2, \w+: panicked: Kernel panic - not syncing: VFS: Unable", errors)
    assert not qemus()


def test_a_hang_is_named_and_ended() -> None:
    code, _, errors = ended(
        started("measure", "--plan", "hangs", "--accelerator", "kvm", "--patience", "0.2")
    )
    assert code == 69
    assert re.search(r"boot 1 of 2, \w+: timed out: ", errors)
    assert not qemus()


def test_a_killed_run_resumes_and_is_judged() -> None:
    child = started("reproduce", "--no-replay", *PLAN)
    wait_for(child, "boot 2 of 2, ")
    child.kill()
    ended(child)
    end = time.monotonic() + 20
    while qemus() and time.monotonic() < end:
        time.sleep(0.5)
    assert not qemus()
    first, _ = last_run()
    assert len(first.boots) == 1

    code, output, errors = ended(started("reproduce", "--no-replay", *PLAN, "--require-verdict"))
    assert code == 1  # no claim is reproduced: this host's CPU is emulated
    assert f"resuming run {first.run_id}" in errors
    assert "without bubblewrap" not in errors
    said = " ".join(output.split())
    assert "nd_pmem, dax_pmem: untested: the host's CPU is itself emulated" in said
    record, folder = last_run()
    assert record.run_id == first.run_id
    assert record.boots[0] == first.boots[0]
    assert (record.outcome, record.evidence) == ("complete", "boot-kvm")
    assert (record.machine.accelerator, record.machine.hypervisor) == ("kvm", "tcg")
    assert sorted(boot.build for boot in record.boots) == ["base", "tip"]
    for boot in record.boots:
        assert {check.name: check.detail for check in boot.checks if not check.ok} == {}
        assert boot.findings == ()
        assert len(boot.samples) == 2 * (record.setup.rebinds + 1)
        assert len(boot.memmaps) == 2
        assert "bwrap" in boot.argv
        assert "/dev/kvm" in boot.argv
        (console,) = [log.path for log in boot.logs if "console" in log.path]
        assert "Hypervisor detected: KVM" in (folder / console).read_text()


def test_kvm_gone_after_its_proof_is_an_error_of_the_machine() -> None:
    device = accelerator.KVM.stat()
    arguments = ("measure", "--plan", "panics", "--accelerator", "kvm")
    child = started(*arguments)
    if not printed(child, r"\s*KVM works"):
        # QEMU's emulated SVM resets a guest now and then, and this is not about the proof.
        ended(child)
        for file in CACHE.root.glob("kvm-*.json"):
            file.unlink()
        child = started(*arguments)
        wait_for(child, r"\s*KVM works")
    accelerator.KVM.unlink()
    try:
        code, _, errors = ended(child)
    finally:
        os.mknod(accelerator.KVM, stat.S_IFCHR | 0o600, device.st_rdev)
    assert code == 69
    assert re.search(r"boot 1 of 2, \w+: lost: QEMU started no kernel .*No such file", errors)
