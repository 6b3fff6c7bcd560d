# SPDX-License-Identifier: GPL-2.0-only
"""The host's settings, from fakes of /proc and /sys."""

from pathlib import Path

import pytest

from harness.measure import host_settings
from harness.record.record import HostSettings

CPUS = "sys/devices/system/cpu"


def write(root: Path, **files: str) -> None:
    """Write files by path, with `__` for a slash."""
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")


def cpu(root: Path, name: str, text: str) -> None:
    path = root / CPUS / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{text}\n")


def test_a_host_that_says_nothing(tmp_path: Path) -> None:
    assert host_settings.read(tmp_path) == HostSettings(other_guests=0)


def test_a_host_that_says_everything(tmp_path: Path) -> None:
    for number, governor in enumerate(("performance", "powersave", "performance")):
        cpu(tmp_path, f"cpu{number}/cpufreq/scaling_governor", governor)
    cpu(tmp_path, "intel_pstate/no_turbo", "0")
    for state, (latency, disabled) in enumerate(((2, 0), (133, 0), (900, 1))):
        cpu(tmp_path, f"cpu0/cpuidle/state{state}/latency", str(latency))
        cpu(tmp_path, f"cpu0/cpuidle/state{state}/disable", str(disabled))
    cpu(tmp_path, "smt/active", "1")
    cpu(tmp_path, "vulnerabilities/meltdown", "Not affected")
    cpu(tmp_path, "vulnerabilities/spectre_v2", "Mitigation: Retpolines")
    write(
        tmp_path,
        proc__cpuinfo="processor\t: 0\nmicrocode\t: 0xd0003b9\n",
        proc__meminfo="MemTotal: 9 kB\nSwapTotal: 2048 kB\nSwapFree: 1024 kB",
        proc__17__comm="qemu-system-x86",
        proc__18__comm="bash",
    )
    assert host_settings.read(tmp_path) == HostSettings(
        governors=("performance", "powersave"),
        turbo=True,
        idle_us=133,
        smt=True,
        mitigations=("spectre_v2: Mitigation: Retpolines",),
        microcode="0xd0003b9",
        swap_bytes=1 << 20,
        other_guests=1,
    )


@pytest.mark.parametrize(
    ("file", "text", "turbo"),
    [
        ("intel_pstate/no_turbo", "1", False),
        ("cpufreq/boost", "1", True),
        ("cpufreq/boost", "0", False),
        ("cpufreq/boost", "perhaps", None),
    ],
)
def test_turbo_by_either_driver(tmp_path: Path, file: str, text: str, turbo: bool | None) -> None:
    cpu(tmp_path, file, text)
    assert host_settings.read(tmp_path).turbo is turbo


@pytest.mark.parametrize("meminfo", ["", "SwapTotal:\nSwapFree:", "SwapTotal: 4 kB"])
def test_swap_is_unknown_where_meminfo_has_other_lines(tmp_path: Path, meminfo: str) -> None:
    write(tmp_path, proc__meminfo=meminfo)
    assert host_settings.read(tmp_path).swap_bytes is None


def test_odd_files_are_unknown(tmp_path: Path) -> None:
    cpu(tmp_path, "cpu0/cpuidle/state1/latency", "soon")
    cpu(tmp_path, "smt/active", "notsupported")
    (tmp_path / CPUS / "cpu0/cpufreq/scaling_governor").mkdir(parents=True)
    found = host_settings.read(tmp_path)
    assert (found.idle_us, found.smt, found.governors) == (None, None, ())


def test_this_machine_can_be_read() -> None:
    assert host_settings.read().other_guests is not None
