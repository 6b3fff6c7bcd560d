# SPDX-License-Identifier: GPL-2.0-only
"""Properties of effects."""

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.judge.ratios.ratios import Effect, effects
from harness.judge.tabulate import tabulate
from harness.record.record import Count, RunRecord
from tests.unit.builders import boot, record, samples
from tests.unit.replays import replay

replace = msgspec.structs.replace
#: A whole record is worked out each time.
few = settings(max_examples=25)
times = st.lists(st.integers(50, 2000), min_size=3, max_size=6)


def one(rec: RunRecord, kind: str = "nd_pmem", op: str = "rebind") -> Effect:
    (found,) = [e for e in effects(tabulate(rec)) if (e.kind, e.op) == (kind, op)]
    return found


def run(base: Sequence[int], tip: Sequence[int]) -> RunRecord:
    return record(base_ms=base, tip_ms=tip, rebinds=4)


def rescaled(rec: RunRecord, factor: int) -> RunRecord:
    boots = [
        replace(
            b,
            samples=tuple(
                replace(s, ns=s.ns * factor, resolution_ns=s.resolution_ns * factor)
                for s in b.samples
            ),
        )
        for b in rec.boots
    ]
    return replace(rec, boots=tuple(boots))


@few
@given(times, st.integers(1, 9))
def test_swapping_the_builds_inverts_the_ratio(base: list[int], shift: int) -> None:
    tip = [ms + shift * n for n, ms in enumerate(base)]
    there, back = one(run(base, tip)), one(run(tip, base))
    assert there.ratio * back.ratio == pytest.approx(1)
    assert there.low is not None and back.high is not None
    # Not quite 1 where the clock's step, which is no interval of logarithms, decides.
    assert there.low * back.high == pytest.approx(1, rel=0.05)
    assert there.p_value == back.p_value
    assert (there.base_cost, there.build_cost) == (back.build_cost, back.base_cost)


@few
@given(times, times, st.sampled_from([2, 1000, 7_919]))
def test_another_unit_of_time_changes_nothing(base: list[int], tip: list[int], factor: int) -> None:
    rec = run(base, tip)
    before, after = one(rec), one(rescaled(rec, factor))
    assert after.ratio == pytest.approx(before.ratio)
    assert (after.low, after.high) == pytest.approx((before.low, before.high))
    assert after.p_value == before.p_value
    assert after.build_cost == pytest.approx(before.build_cost * factor)


@few
@given(times, st.randoms(use_true_random=False))
def test_the_order_of_boots_in_the_record_changes_nothing(base: list[int], rng: object) -> None:
    rec = run(base, [ms // 2 for ms in base])
    mixed = list(rec.boots)
    rng.shuffle(mixed)  # type: ignore[attr-defined]
    assert set(effects(tabulate(replace(rec, boots=tuple(mixed))))) == set(effects(tabulate(rec)))


@few
@given(times, times)
def test_the_interval_includes_the_ratio_and_the_clocks_error(
    base: list[int], tip: list[int]
) -> None:
    found = one(run(base, tip))
    assert found.low is not None and found.high is not None
    assert 0 <= found.low < found.ratio < found.high


def test_equal_readings_of_a_coarse_clock_have_an_interval() -> None:
    found = one(run([10, 10, 10], [10, 10, 10]))
    assert found.low is not None and found.high is not None
    assert found.low < 0.96 and found.high > 1.04
    assert not found.differs


def test_costs_are_medians_of_boots_and_the_first_binding_is_apart() -> None:
    rec = run([270, 272, 400], [100, 110, 112])
    rebind, first = one(rec), one(rec, op="first")
    assert (rebind.base_cost, rebind.build_cost) == (272e6, 110e6)
    assert (first.base_cost, first.build_cost) == (272e6 * 5, 110e6 * 5)
    assert (rebind.unit, rebind.n_base, rebind.n_build) == ("boot", 3, 3)
    assert rebind.p_value is None and "cannot reach" in rebind.rank
    assert rebind.gain_percent == pytest.approx(100 - 100 * rebind.ratio)


def test_four_boots_can_reach_the_threshold() -> None:
    found = one(run([270, 271, 272, 273], [110, 111, 112, 113]))
    assert found.p_value == pytest.approx(2 / 70)


@pytest.mark.parametrize(("base", "tip"), [([270], [110]), ([270, 271], [110, 111])])
def test_few_boots_have_a_ratio_and_no_interval(base: list[int], tip: list[int]) -> None:
    found = one(run(base, tip))
    assert (found.low, found.high, found.p_value) == (None, None, None)
    assert not found.differs
    assert "too few" in found.method


def test_boots_that_do_not_count_have_no_effect() -> None:
    rec = run([270, 271, 272], [110, 111, 112])
    assert effects(tabulate(replace(rec, boots=()))) == ()
    hurt = tuple(replace(b, outcome="panicked") if b.build == "tip" else b for b in rec.boots)
    assert effects(tabulate(replace(rec, boots=hurt))) == ()


def test_different_numbers_of_pages_have_no_ratio() -> None:
    rec = run([270, 271, 272], [110, 111, 112])
    boots = tuple(
        replace(b, samples=tuple(replace(s, nr_pages=7) for s in b.samples))
        if b.build == "tip"
        else b
        for b in rec.boots
    )
    assert effects(tabulate(replace(rec, boots=boots))) == ()


def test_a_clock_that_shows_0_gives_no_ratio() -> None:
    rec = run([1, 1, 1], [1, 1, 1])
    boots = [replace(boot("tip", n, 1), samples=samples("nd_pmem", 1, [0, 0])) for n in range(3)]
    rec = replace(rec, boots=(*[b for b in rec.boots if b.build == "base"], *boots))
    assert [(e.kind, e.op) for e in effects(tabulate(rec))] == [("nd_pmem", "first")]


def test_instructions_are_per_page_and_exact_to_the_clocks_step() -> None:
    rec = record("boot-icount", base_ms=[37, 37], tip_ms=[20, 20])
    found = one(rec)
    assert found.cost_unit == "instructions"
    assert found.base_cost == pytest.approx(37e6 / 25_804_288)
    assert found.ratio == pytest.approx(20 / 37)
    assert found.low is not None and found.high is not None
    assert found.low == pytest.approx(19 / 38) and found.high == pytest.approx(21 / 36)


def test_instructions_of_a_metric_without_struct_pages_are_as_counted() -> None:
    rec = record("boot-icount", base_ms=[37, 37], tip_ms=[20, 20])
    boots = [
        replace(b, samples=tuple(replace(s, nr_pages=0) for s in b.samples)) for b in rec.boots
    ]
    found = one(replace(rec, boots=tuple(boots)))
    assert (found.base_cost, found.build_cost) == (37e6, 20e6)


def test_a_replay_pairs_its_rounds_but_not_its_first_passes() -> None:
    drifting = [4000.0 * 1.1**n for n in range(5)]
    rec = replay({"base": drifting, "7": [c * 0.5 for c in drifting]})
    found = one(rec, "order0")
    assert (found.build, found.prefix, found.unit) == ("7", 7, "process")
    assert (found.ratio, found.low, found.high) == pytest.approx((0.5, 0.5, 0.5), rel=1e-3)
    first = one(rec, "order0", "first")
    assert first.low is not None and first.high is not None
    assert first.high - first.low > 0.1


def test_a_replays_counts_are_effects_of_their_own() -> None:
    rec = replay({"base": [4000.0] * 5, "1": [3000.0] * 5})
    counts = tuple(Count(s, "order0", "valgrind", n) for s, n in (("base", 36.0), ("1", 20.0)))
    found = [
        e for e in effects(tabulate(replace(rec, counts=counts))) if e.cost_unit == "instructions"
    ]
    assert [(e.kind, e.build, e.base_cost, e.build_cost) for e in found] == [
        ("order0", "1", 36, 20)
    ]
    assert found[0].low == found[0].ratio == found[0].high == pytest.approx(20 / 36)
    alone = replace(rec, passes=(), counts=counts)
    assert [e.cost_unit for e in effects(tabulate(alone))] == ["instructions"]
    assert effects(tabulate(replace(alone, counts=counts[:1]))) == ()
