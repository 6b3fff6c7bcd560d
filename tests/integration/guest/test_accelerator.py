# SPDX-License-Identifier: GPL-2.0-only
"""KVM is used only if it boots the kernel."""

import json
import os
import time
from pathlib import Path

import pytest

from harness.errors import MachineError
from harness.events import Began, Ended, Event
from harness.guest import accelerator, waits
from harness.guest.accelerator import Accelerator, BootChoice, CpuWish, prove
from harness.guest.qemu.cpu_models import SAFE_HOST, CpuModel
from harness.host import speed
from harness.host.cache import Cache
from harness.host.processes import venv

KVM_ALONE = BootChoice("kvm")
FAKES = Path(__file__).parents[2] / "fakes" / "bin"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    monkeypatch.setenv("PATH", f"{FAKES}:{os.environ['PATH']}")
    monkeypatch.setattr(venv.sysconfig, "get_path", lambda _name: str(FAKES))
    monkeypatch.setattr(accelerator, "KVM", tmp_path / "kvm")
    # Longer than a busy machine takes to start the stand-in, which is a script.
    monkeypatch.setitem(waits.KERNEL_S, "kvm", 5.0)
    monkeypatch.setattr(speed, "slowness", lambda: 1.0)
    (tmp_path / "kvm").touch()
    return Cache(tmp_path / "cache")


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "bzImage"
    path.write_text(json.dumps({"release": "7.2.13", "build_id": "00", "ms": 1}))
    return path


def ended(heard: list[Event]) -> str:
    (text,) = [event.text for event in heard if isinstance(event, Ended)]
    return text


def test_kvm_is_used_if_it_boots_the_image(
    cache: Cache, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMMAP_HARNESS_FAKE_KVM", "works")
    proved = prove(cache, image)
    assert proved.name == "kvm"
    assert proved.cpu == CpuModel("Icelake-Server")
    again = prove(cache, image, KVM_ALONE)
    assert (again.name, again.proof) == ("kvm", proved.proof), "records are compared by it"


def test_kvm_is_not_used_if_the_boot_hangs(
    cache: Cache, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMMAP_HARNESS_FAKE_KVM", "hangs")
    started = time.monotonic()
    proved = prove(cache, image)
    assert time.monotonic() - started < 30
    assert proved.name == "tcg"
    assert "unusable" in proved.proof
    assert proved.proof.endswith("no sign of the kernel"), "seconds would differ from run to run"
    waited = r"no sign of the kernel within 5 s \(--patience 2 waits twice as long\)"
    with pytest.raises(MachineError, match=waited) as caught:
        prove(cache, image, KVM_ALONE)
    assert caught.value.exit_code == 69


def test_the_reason_of_a_failing_kvm_is_named(
    cache: Cache, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMMAP_HARNESS_FAKE_KVM", "fails")
    assert "failed to initialize kvm: Permission denied" in prove(cache, image).proof


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("busy", "initialize kvm: Input/output error); another hypervisor may be using it"),
        ("resets", "nothing was printed; the guest was reset without a message, as by a triple"),
    ],
)
def test_a_kvm_that_is_in_use_and_a_guest_that_is_reset_are_named(
    cache: Cache, image: Path, monkeypatch: pytest.MonkeyPatch, mode: str, reason: str
) -> None:
    monkeypatch.setenv("MEMMAP_HARNESS_FAKE_KVM", mode)
    assert reason in prove(cache, image).proof


def test_without_the_device_nothing_is_booted(cache: Cache, image: Path) -> None:
    accelerator.KVM.unlink()
    heard: list[Event] = []
    assert prove(cache, image, listen=heard.append).name == "tcg"
    assert heard == []


def test_tcg_on_request(cache: Cache, image: Path) -> None:
    assert prove(cache, image, BootChoice("tcg")) == Accelerator("tcg", "TCG was asked for")


def test_a_failure_is_remembered_for_an_hour_and_one_image(
    cache: Cache, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMMAP_HARNESS_FAKE_KVM", "hangs")
    first = prove(cache, image)
    # Were it tried again, it would be found to work.
    monkeypatch.setenv("MEMMAP_HARNESS_FAKE_KVM", "works")
    heard: list[Event] = []
    assert prove(cache, image, listen=heard.append) == first
    assert not any(isinstance(event, Began) for event in heard)

    other = image.with_name("other")
    other.write_text(image.read_text() + "\n")
    assert prove(cache, other).name == "kvm"
    assert prove(cache, image, KVM_ALONE).name == "kvm"
    now = time.time()
    monkeypatch.setattr(accelerator.time, "time", lambda: now + accelerator.REMEMBERED_S)
    assert prove(cache, image).name == "kvm"


def test_a_failure_is_forgotten_after_a_reboot(
    cache: Cache, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMMAP_HARNESS_FAKE_KVM", "hangs")
    assert prove(cache, image).name == "tcg"
    monkeypatch.setenv("MEMMAP_HARNESS_FAKE_KVM", "works")
    monkeypatch.setattr(accelerator, "host_boot", lambda: "another")
    assert prove(cache, image).name == "kvm"


def test_a_damaged_memory_of_failures_is_ignored(
    cache: Cache, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMMAP_HARNESS_FAKE_KVM", "works")
    cache.root.mkdir()
    (cache.root / accelerator.MEMORY).write_text('{"image')
    assert prove(cache, image).name == "kvm"


def test_patience_lengthens_the_deadlines(
    cache: Cache, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMMAP_HARNESS_FAKE_KVM", "hangs")
    heard: list[Event] = []
    proved = prove(cache, image, BootChoice(patience=0.2), heard.append)
    assert "no sign of the kernel within 1 s (--patience 0.4 waits" in ended(heard)
    assert proved.waits.patience == 0.2, "so do those of the boots that follow"


def test_a_slow_machine_gets_more_time(
    cache: Cache, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMMAP_HARNESS_FAKE_KVM", "hangs")
    monkeypatch.setitem(waits.KERNEL_S, "kvm", 0.5)
    monkeypatch.setattr(speed, "slowness", lambda: 3.0)
    heard: list[Event] = []
    prove(cache, image, listen=heard.append)
    assert "within 2 s (--patience 2 waits twice as long; the machine is slow: 3.0" in ended(heard)


def test_the_times_of_the_proof_are_shown(
    cache: Cache, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMMAP_HARNESS_FAKE_KVM", "works")
    shown = prove(cache, image).waits.shown
    assert shown.kernel_s is not None and 0 <= shown.kernel_s < 5
    assert shown.user_s is not None and shown.user_s < 5


@pytest.mark.parametrize(
    ("mode", "lacks", "expected"),
    [
        ("works", '"hle","rtm"', CpuModel("Icelake-Server-noTSX", ("hle", "rtm"))),
        ("works", '"hle","rtm","gfni"', CpuModel("host", ("hle", "rtm", "gfni"))),
        ("xsave", "", CpuModel(SAFE_HOST, ("xsave", "erms", "fsrm"))),
        ("xsave", '"gfni","erms"', CpuModel(SAFE_HOST, ("gfni", "erms", "xsave", "fsrm"))),
        # The kernel is to blame, not the model.
        ("warns", "", CpuModel("Icelake-Server")),
    ],
)
def test_the_guest_gets_the_best_cpu_model_that_boots_clean(
    cache: Cache,
    image: Path,
    monkeypatch: pytest.MonkeyPatch,
    mode: str,
    lacks: str,
    expected: CpuModel,
) -> None:
    monkeypatch.setenv("MEMMAP_HARNESS_FAKE_KVM", mode)
    monkeypatch.setenv("MEMMAP_HARNESS_FAKE_LACKS", lacks)
    proved = prove(cache, image)
    assert (proved.name, proved.cpu) == ("kvm", expected)


def test_without_any_model_that_boots_kvm_is_unusable(
    cache: Cache, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMMAP_HARNESS_FAKE_KVM", "dies")
    proved = prove(cache, image)
    assert proved.name == "tcg"
    assert "Kernel panic - not syncing: Fatal exception" in proved.proof


def test_the_model_that_a_plan_asks_for_is_the_only_one(
    cache: Cache, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMMAP_HARNESS_FAKE_KVM", "xsave")
    asked = CpuWish("Icelake-Server", only=True)
    assert prove(cache, image, cpu=asked).name == "tcg"
    assert prove(cache, image).cpu.option == SAFE_HOST, "the failure was with another model"
    assert prove(cache, image, cpu=CpuWish(SAFE_HOST, only=True)).cpu == CpuModel(SAFE_HOST)
