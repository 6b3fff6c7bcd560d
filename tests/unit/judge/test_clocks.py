# SPDX-License-Identifier: GPL-2.0-only
"""Two clocks on the same bindings: their comparison, and that it decides nothing."""

from collections.abc import Sequence

import msgspec
import pytest

from harness.judge.clocks import Clocks, clocks
from harness.judge.conclude import conclude
from harness.record.record import PROBES, Boot, BootRun, Check, Finding, FineClock
from tests.unit.builders import boot, claims, record

replace = msgspec.structs.replace
MS = 1_000_000


def probed(build: str, ms: int, late_ns: Sequence[int] = (200_000,)) -> Boot:
    """Return a boot whose probes measured that much more than the kernel printed, in turn."""
    printed = boot(build, 1, ms)
    fine = tuple(
        replace(
            s,
            ns=s.ns + late_ns[min(s.index, len(late_ns) - 1)],
            resolution_ns=1000,
            source=PROBES,
        )
        for s in printed.samples
    )
    return replace(printed, samples=printed.samples + fine)


def with_clocks(*boots: Boot) -> BootRun:
    made = record()
    return replace(made, fine_clock=FineClock(made.builds, boots))


def compared(*boots: Boot) -> list[Clocks]:
    return list(clocks(with_clocks(*boots)))


def test_a_run_without_such_boots_compares_nothing() -> None:
    assert list(clocks(record())) == []
    assert conclude(record(), claims()).clocks == ()


def test_means_and_the_largest_difference_of_each_build_and_driver() -> None:
    found = compared(probed("base", 270, (100_000, -900_000, 300_000)), probed("tip", 110))
    assert [(c.build, c.metric) for c in found] == [
        (build, driver) for build in ("base", "tip") for driver in ("nd_pmem", "dax_pmem")
    ]
    first, *_, last = found
    assert (first.bindings, first.printed_ns, first.step_ns) == (31, 270 * MS, MS)
    assert first.probed_ns == pytest.approx(270 * MS + (29 * 300_000 - 900_000) / 30)
    assert first.apart_ns == 900_000
    assert last.probed_ns == 111.2 * MS
    assert all(c.agree for c in found)


def test_a_difference_beyond_the_step_is_noise_that_names_it() -> None:
    late = with_clocks(probed("base", 270, (0, 0, 1_100_000)), probed("tip", 110))
    made = conclude(late, claims())
    assert [c.agree for c in made.clocks] == [False, False, True, True]
    found = [n for n in made.noise if n.kind == "clocks"]
    assert [n.where for n in found] == ["nd_pmem on base", "dax_pmem on base"]
    assert "differ by 1.100 ms, more than the clock's step, 1 ms" in found[0].text
    assert not any(n.spoils for n in found)


def test_such_boots_decide_nothing() -> None:
    plain, clocked = (
        conclude(record(), claims()),
        conclude(with_clocks(probed("tip", 999)), claims()),
    )
    assert clocked.verdicts == plain.verdicts
    assert clocked.effects == plain.effects
    assert [n for n in clocked.noise if n.kind != "clocks"] == list(plain.noise)
    assert clocked.memmaps == plain.memmaps


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"outcome": "panicked", "reason": "a panic"}, "panicked: a panic"),
        ({"outcome": "timed_out", "reason": "not over"}, "timed out: not over"),
        ({"checks": (Check("probes", ok=False, detail="30 of 31"),)}, "probes: 30 of 31"),
        ({"findings": (Finding("warn", 3, "WARNING"),)}, "the console shows: warn"),
        ({"samples": ()}, "no rebind was timed by both clocks"),
        ({"samples": boot("base", 1, 270).samples}, "no rebind was timed by both clocks"),
    ],
)
def test_a_boot_that_does_not_count_says_why(changes: dict[str, object], problem: str) -> None:
    found = compared(replace(probed("base", 270), **changes), probed("tip", 110))
    assert [c.problem for c in found] == [problem, problem, "", ""]
    assert not found[0].agree


def test_a_missing_boot_is_named() -> None:
    assert [c.problem for c in compared()] == ["was not booted"] * 4
