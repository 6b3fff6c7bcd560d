# SPDX-License-Identifier: GPL-2.0-only
"""doctor: one line per check, on machines that lack something."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from harness.doctor import doctor
from harness.doctor.diagnosis import Diagnosis
from harness.events import silent
from harness.guest import accelerator, backing_files, waits
from harness.guest.accelerator import CpuWish
from harness.host.cache import Cache
from harness.host.processes import programs, venv
from harness.project.project import Project

FAKES = Path(__file__).parents[2] / "fakes" / "bin"


class Usage(NamedTuple):
    """What shutil.disk_usage() returns."""

    total: int
    used: int
    free: int


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    monkeypatch.setenv("PATH", f"{FAKES}:{os.environ['PATH']}")
    monkeypatch.setattr(accelerator, "KVM", tmp_path / "kvm")
    return Cache(tmp_path / "cache")


def accelerator_line(cache: Cache, *, fresh: bool = False) -> Diagnosis:
    return doctor._accelerator(cache, CpuWish(), silent, fresh=fresh)


def examined(cache: Cache) -> dict[str, Diagnosis]:
    project = Project.find()
    wanted = project.plan("quick")
    found = list(doctor.examine(project, cache, wanted, project.guest(wanted.guest)))
    assert len({line.name for line in found}) == len(found)
    return {line.name: line for line in found}


def test_every_need_and_every_part_of_the_machine_has_a_line(cache: Cache) -> None:
    found = examined(cache)
    assert {"git", "gcc", "gelf.h", "qemu-system-x86_64", "vng", "b4", "ensurepip"} <= set(found)
    parts = {"architecture", "guest root", "sandbox", "disk", "memory", "cpu", "host", "load"}
    assert parts | {"accelerator"} <= set(found)
    assert found["ndctl"].text == "76.1"
    assert found["busybox"].text == "1.35.0"
    assert all(line.hint for line in found.values() if line.status != "ok")


def test_what_is_missing_says_which_package_brings_it(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "SBIN", ())
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    for release, hint in {
        "ID=debian": "apt-get install qemu-system-x86",
        "ID=fedora": "dnf install qemu-system-x86-core",
        "ID=arch": "pacman -S qemu-system-x86",
        "ID=slackware": "install qemu-system-x86_64",
    }.items():
        (tmp_path / "etc").mkdir(exist_ok=True)
        (tmp_path / "etc" / "os-release").write_text(release)
        monkeypatch.setenv("MEMMAP_HARNESS_SYSROOT", str(tmp_path))
        found = examined(cache)
        assert found["qemu-system-x86_64"].status == "missing"
        assert found["qemu-system-x86_64"].hint == hint
    assert found["gelf.h"].status == "missing"
    assert found["guest root"].status == "missing"
    assert found["shellcheck"].status == "warning", "only our tests need it"


def test_a_sandbox_that_does_not_work_is_a_warning_with_its_reason(cache: Cache) -> None:
    line = doctor._sandbox(cache)
    assert line.status == "warning"
    assert "No permissions to create new namespace" in line.text


def test_a_full_disk(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: Usage(1 << 40, 0, 3 << 30))
    line = doctor._disk(cache)
    assert line.status == "missing"
    assert line.text.startswith("3.0 GiB free in")
    kernel = cache.kernels / "x" / "bzImage"
    kernel.parent.mkdir(parents=True)
    kernel.touch()
    assert doctor._disk(cache).status == "ok", "with kernels built, less is left to write"


@pytest.mark.parametrize(
    ("available", "status"), [(1 << 34, "ok"), (3 << 30, "warning"), (1 << 30, "missing")]
)
def test_memory_against_the_plan(
    available: int, status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backing_files, "available_bytes", lambda: available)
    monkeypatch.setattr(backing_files.shutil, "disk_usage", lambda _: Usage(1 << 40, 0, 1 << 40))
    project = Project.find()
    line = doctor._memory(project.guest("pmem-100g"), project.plan("reproduce"))
    assert line.status == status


def test_without_kvm_tcg_is_a_warning(cache: Cache) -> None:
    line = accelerator_line(cache)
    assert line.status == "warning"
    assert "there is no /dev/kvm" in line.text


def test_kvm_is_proved_with_our_newest_kernel(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(venv.sysconfig, "get_path", lambda _name: str(FAKES))
    monkeypatch.setitem(waits.KERNEL_S, "kvm", 1.0)
    accelerator.KVM.touch()
    for age, name in enumerate(("new", "old")):
        folder = cache.kernels / name
        folder.mkdir(parents=True)
        (folder / "bzImage").write_text(json.dumps({"release": name, "build_id": "", "ms": 1}))
        os.utime(folder / "bzImage", (1e9 - age, 1e9 - age))
    monkeypatch.setenv("MEMMAP_HARNESS_FAKE_KVM", "hangs")
    line = accelerator_line(cache)
    assert (line.status, line.text.split(":")[0]) == ("warning", "TCG; KVM is unusable")
    monkeypatch.setenv("MEMMAP_HARNESS_FAKE_KVM", "works")
    monkeypatch.setenv("MEMMAP_HARNESS_FAKE_LACKS", '"gfni"')
    line = accelerator_line(cache)
    assert line.status == "warning", "a proof takes too long to repeat it each time"
    assert "(tried 0 minutes ago; --fresh tries again)" in line.text
    line = accelerator_line(cache, fresh=True)
    assert line.status == "ok"
    assert line.text.endswith("with CPU host; it lacks gfni of Icelake-Server")
    assert accelerator_line(cache).text.startswith("KVM; a kernel boots under it, with CPU host (")
    assert "Linux version new" in (cache.logs / "prove-kvm.log").read_text()


def test_kvm_without_a_kernel_is_unproved(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    accelerator.KVM.touch()
    monkeypatch.setattr(doctor, "_newest_image", lambda _cache: None)
    line = accelerator_line(cache)
    assert line.status == "warning"
    assert "KVM is not proved yet: no kernel is built" in line.text


def test_the_command(tmp_path: Path) -> None:
    code = "from harness.cli import main; main()"
    argv = [sys.executable, "-c", code, "doctor", "--plan", "quick"]
    env = os.environ | {"PATH": "/nonexistent", "XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run(argv, capture_output=True, text=True, env=env, check=False, timeout=120)
    decided, answer, *lines = done.stdout.splitlines()
    assert decided.startswith("this machine can decide the claim: no, because the plan cannot run")
    assert answer.startswith("plan quick cannot run here: ")
    found = [line.split()[:2] for line in lines]
    # Some may be in sbin, which is searched in addition to PATH.
    assert ["missing", "git"] in found
    assert done.returncode == 69
    assert done.stderr.splitlines()[-1].startswith(f"harness: {answer}")

    as_json = subprocess.run(
        [*argv, "--json"], capture_output=True, text=True, env=env, check=False, timeout=120
    )
    made = json.loads(as_json.stdout)
    assert as_json.returncode == 69
    assert (made["plan"], made["ok"], made["decides"]) == ("quick", False, False)
    assert made["because"].startswith("the plan cannot run: ")
    assert {"name", "status", "text", "hint"} == set(made["checks"][0])
