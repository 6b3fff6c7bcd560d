# SPDX-License-Identifier: GPL-2.0-only
"""KVM is used only if it boots the kernel."""

import json
import os
import time
from pathlib import Path

import pytest

from harness.errors import MachineError
from harness.events import Began, Event
from harness.guest import accelerator, boot
from harness.guest.accelerator import Accelerator, prove
from harness.host import venv
from harness.host.cache import Cache

FAKES = Path(__file__).parents[2] / "fakes" / "bin"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    monkeypatch.setenv("PATH", f"{FAKES}:{os.environ['PATH']}")
    monkeypatch.setattr(venv.sysconfig, "get_path", lambda _name: str(FAKES))
    monkeypatch.setattr(accelerator, "KVM", tmp_path / "kvm")
    # Longer than a busy machine takes to start the stand-in, which is a script.
    monkeypatch.setitem(boot.KERNEL_S, "kvm", 5.0)
    (tmp_path / "kvm").touch()
    return Cache(tmp_path / "cache")


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "bzImage"
    path.write_text(json.dumps({"release": "7.2.13", "build_id": "00", "ms": 1}))
    return path


def test_kvm_is_used_if_it_boots_the_image(
    cache: Cache, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMMAP_HARNESS_FAKE_KVM", "works")
    proved = prove(cache, image)
    assert proved.name == "kvm"
    assert proved == prove(cache, image), "records are compared by the proof"
    assert prove(cache, image, "kvm") == proved


def test_kvm_is_not_used_if_the_boot_hangs(
    cache: Cache, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMMAP_HARNESS_FAKE_KVM", "hangs")
    started = time.monotonic()
    proved = prove(cache, image)
    assert time.monotonic() - started < 30
    assert proved.name == "tcg"
    assert "unusable" in proved.proof
    assert "no sign of the kernel within 5 s" in proved.proof
    with pytest.raises(MachineError, match="KVM is unusable") as caught:
        prove(cache, image, "kvm")
    assert caught.value.exit_code == 69


def test_the_reason_of_a_failing_kvm_is_named(
    cache: Cache, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMMAP_HARNESS_FAKE_KVM", "fails")
    assert "failed to initialize kvm: Permission denied" in prove(cache, image).proof


def test_without_the_device_nothing_is_booted(cache: Cache, image: Path) -> None:
    accelerator.KVM.unlink()
    heard: list[Event] = []
    assert prove(cache, image, listen=heard.append).name == "tcg"
    assert heard == []


def test_tcg_on_request(cache: Cache, image: Path) -> None:
    assert prove(cache, image, "tcg") == Accelerator("tcg", "TCG was asked for")


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
    assert prove(cache, image, "kvm").name == "kvm"
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
