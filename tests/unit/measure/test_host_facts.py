# SPDX-License-Identifier: GPL-2.0-only
"""Parsers of /proc, /sys, nm and .config."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.kernel.kconfig import options
from harness.kernel.symbols import changed, sizes
from harness.measure.host_usage import Meter
from harness.measure.proc_stat import CpuTicks, cpu_ticks, load_1min
from harness.record.record import Symbol

STAT = "cpu  100 20 30 4000 50 6 7 8 90 10\ncpu0 1 2 3\nintr 5\n"


def test_guest_time_counts_once_and_iowait_does_not_count() -> None:
    assert cpu_ticks(STAT) == CpuTicks(busy=100 + 20 + 30 + 6 + 7, steal=8)
    assert load_1min("0.52 0.58 0.59 1/467 12345\n") == 0.52


@pytest.mark.parametrize(
    "text",
    ["", "cpu", "cpu 1 2 3", "intr 1 2 3 4 5 6 7 8", "cpu a b c d e f g h", "cpu 1 -2 3 4 5 6 7 8"],
)
def test_a_malformed_line_of_cpu_times_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a line of CPU times"):
        cpu_ticks(text)


@pytest.mark.parametrize("text", ["", "\n", "much\n"])
def test_a_malformed_load_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"load average|convert"):
        load_1min(text)


class FakeHost:
    """A fake /proc and /sys/devices/system/cpu."""

    def __init__(self, folder: Path) -> None:
        self.proc, self.cpus = folder / "proc", folder / "cpu"
        self.proc.mkdir()
        self.says(busy=1000, steal=10, load=0.5)

    def says(self, busy: int, steal: int, load: float) -> None:
        (self.proc / "stat").write_text(f"cpu {busy} 0 0 9 0 0 0 {steal} 0 0\n")
        (self.proc / "loadavg").write_text(f"{load} 0 0 1/2 3\n")

    def throttled(self, *counts: int) -> None:
        for number, count in enumerate(counts):
            folder = self.cpus / f"cpu{number}" / "thermal_throttle"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "core_throttle_count").write_text(f"{count}\n")
            (folder / "package_throttle_count").write_text(f"{count * 2}\n")

    def meter(self) -> Meter:
        return Meter(self.proc, self.cpus)


@pytest.fixture
def fake(tmp_path: Path) -> FakeHost:
    return FakeHost(tmp_path)


def test_usage_is_the_difference_of_two_readings(fake: FakeHost) -> None:
    fake.throttled(1, 5)
    meter = fake.meter()
    fake.says(busy=1500, steal=60, load=1.25)
    fake.throttled(2, 5)
    used = meter.used()
    # USER_HZ is 100 on every Linux that anyone runs.
    assert (used.busy_s, used.steal_s) == (5.0, 0.5)
    assert (used.load_before, used.load_after) == (0.5, 1.25)
    assert used.throttles == 3
    assert used.cpus >= 1 and used.wall_s >= 0 and used.own_s >= 0


def test_throttling_is_unknown_without_counters(fake: FakeHost) -> None:
    assert fake.meter().used().throttles is None
    fake.throttled(1)
    broken = fake.cpus / "cpu0/thermal_throttle/core_throttle_count"
    broken.write_text("many\n")
    assert fake.meter().used().throttles is None


def test_counters_that_decrease_count_as_zero(fake: FakeHost) -> None:
    fake.throttled(9)
    meter = fake.meter()
    fake.throttled(1)
    fake.says(busy=1000, steal=0, load=0)
    used = meter.used()
    assert (used.throttles, used.steal_s) == (0, 0)


def test_this_machine_can_be_read() -> None:
    used = Meter().used()
    assert used.load_before >= 0 and used.steal_s >= 0


NM = """\
ffffffff81000000 0000000000000010 T memmap_init_zone_device
ffffffff81000010 0000000000000008 t copy.constprop.0
ffffffff81000020 0000000000000008 t copy.constprop.3
ffffffff81000030 0000000000000004 r __func__.12
ffffffff81000040 0000000000000005 r __func__.7
ffffffff81000050 T _stext
0000000000000001 A no_size
ffffffff81000060 0000000000000038 d __UNIQUE_ID_ddebug_34.5
                 U undefined
"""


def test_symbols_with_compiler_numbers_are_added_up() -> None:
    assert sizes(NM) == {
        "memmap_init_zone_device": 16,
        "copy.constprop": 16,
        "__func__": 9,
        "__UNIQUE_ID_ddebug_": 0x38,
    }
    assert sizes("") == {}


def test_changed_sizes_are_sorted_by_difference() -> None:
    base = {"same": 1, "grew": 10, "gone": 3}
    assert changed(base, {"same": 1, "grew": 30, "new": 4}) == (
        Symbol("grew", 10, 30),
        Symbol("new", None, 4),
        Symbol("gone", 3, None),
    )
    assert changed(base, base) == ()


@given(st.dictionaries(st.text(min_size=1, max_size=3), st.integers(1, 99)))
def test_other_compiler_numbers_change_nothing(symbols: dict[str, int]) -> None:
    base = {f"f.{n}": size for n, size in enumerate(symbols.values())}
    moved = {f"f.{n + 7}": size for n, size in enumerate(symbols.values())}

    def nm(found: dict[str, int]) -> str:
        return "".join(f"00 {size:x} t {name}\n" for name, size in found.items())

    assert changed(sizes(nm(base)), sizes(nm(moved))) == ()


def test_a_configs_options_are_its_lines_without_comments() -> None:
    text = "#\n# Linux/x86 7.2.13\n#\nCONFIG_A=y\n# CONFIG_B is not set\n\n# a menu\nCONFIG_C=m\n"
    assert options(text) == {"CONFIG_A=y", "# CONFIG_B is not set", "CONFIG_C=m"}
    assert options("") == frozenset()
