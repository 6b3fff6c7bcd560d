# SPDX-License-Identifier: GPL-2.0-only
import math
import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.judge.conclude import Conclusion, conclude
from harness.judge.ratios.per_patch import cost_steps
from harness.judge.ratios.ratios import Effect
from harness.record.record import Check
from harness.report.page.scale import scale
from harness.report.page.strips import draw_strip, strips
from harness.report.page.waterfall import draw_waterfall
from tests.unit.builders import build, claims, record
from tests.unit.conclusions import replay

replace = msgspec.structs.replace
FINITE = st.floats(-1e9, 1e9, allow_nan=False)


# --- axes ---


@given(st.lists(FINITE, min_size=1, max_size=20), st.booleans())
def test_an_axis_includes_all_values_and_some_ticks(values: list[float], zero: bool) -> None:
    axis = scale(values, zero=zero)
    assert all(0 <= axis.at(v) <= 100 for v in values)
    assert all(0 <= axis.at(tick) <= 100 for tick in axis.ticks)
    assert 1 <= len(axis.ticks) <= 12
    if zero:
        assert axis.low <= 0 <= axis.high


@given(st.floats(0.001, 1e6), st.floats(0.001, 1e6))
def test_labels_of_ticks_are_distinct(low: float, span: float) -> None:
    axis = scale([low, low + span])
    labels = [axis.label(tick) for tick in axis.ticks]
    assert len(set(labels)) == len(labels)


def test_a_single_value_has_an_axis() -> None:
    assert scale([110.0]).at(110.0) == 50
    assert scale([0.0]).at(0.0) == 50


@pytest.mark.parametrize("values", [[], [math.nan], [1.0, math.inf]])
def test_an_axis_needs_finite_values(values: list[float]) -> None:
    with pytest.raises(ValueError, match="no axis"):
        scale(values)


def test_ticks_are_round() -> None:
    axis = scale([109, 274])
    assert [axis.label(t) for t in axis.ticks] == ["150", "200", "250"]
    fine = scale([0.41, 1])
    assert fine.label(fine.ticks[0]) == "0.4"


# --- strips ---


def test_every_sample_is_in_a_strip() -> None:
    made = conclude(record(), claims())
    found = strips(made)
    assert [s.title for s in found] == [
        "nd_pmem: rebinds",
        "dax_pmem: rebinds",
        "nd_pmem: first bindings",
        "dax_pmem: first bindings",
    ]
    shown = sum(row.total for strip in found for row in strip.rows)
    assert shown == sum(len(boot.samples) for boot in made.record.boots)


def test_samples_of_a_boot_that_does_not_count_are_marked() -> None:
    made = record()
    first, *rest = made.boots
    bad = replace(first, checks=(Check("hz", ok=False, detail="100"),))
    found = strips(conclude(replace(made, boots=(bad, *rest)), claims()))
    dots = found[0].rows[0].dots
    assert [dot.counts for dot in dots] == [False, True, True]
    assert 'class="dot out"' in draw_strip(found[0]).rows[0].drawing


def test_equal_samples_are_one_dot_with_a_count() -> None:
    base = strips(CONCLUDED)[0].rows[0]
    assert [(d.ms, d.lane, d.count) for d in base.dots] == [
        (270, 0, 30),
        (272, 1, 30),
        (274, 2, 30),
    ]


def test_a_run_without_samples_has_no_strip() -> None:
    assert strips(Conclusion(replace(record(), boots=()))) == ()


def test_a_replays_passes_are_grouped_by_round_without_the_limit() -> None:
    found = strips(conclude(replay(), claims()))
    assert {strip.unit for strip in found} == {"round"}
    assert [row.build for row in found[0].rows] == ["base", "1", "2"]
    assert found[0].lanes == 5


def test_all_dots_are_within_the_picture() -> None:
    for made in (conclude(record(), claims()), conclude(replay(), claims())):
        for strip in map(draw_strip, strips(made)):
            for row in strip.rows:
                places = re.findall(r'cx="([0-9.]+)%" cy="([0-9.]+)"', row.drawing)
                assert len(places) == row.drawing.count("<circle")
                assert all(0 <= float(x) <= 100 and 0 < float(y) < strip.height for x, y in places)


# --- what each patch adds ---


def effect(prefix: int, ratio: float, **changes: object) -> Effect:
    made = Effect(
        kind="nd_pmem",
        op="rebind",
        build="tip" if prefix == 2 else str(prefix),
        prefix=prefix,
        cost_unit="ns",
        unit="boot",
        n_base=5,
        n_build=5,
        base_cost=270e6,
        build_cost=270e6 * ratio,
        ratio=ratio,
        low=ratio - 0.02,
        high=ratio + 0.02,
        p_value=None,
        method="",
        rank="",
    )
    return replace(made, **changes)


CONCLUDED = conclude(record(), claims())


def concluded(*effects: Effect) -> Conclusion:
    return replace(CONCLUDED, effects=effects)


def test_each_step_begins_where_the_one_before_ended() -> None:
    (costs,) = cost_steps(concluded(effect(2, 0.41), effect(1, 0.9)))
    assert [(s.prefix, s.before, s.share) for s in costs.steps] == [(1, 1.0, 0.9), (2, 0.9, 0.41)]
    assert sum(s.change for s in costs.steps) == pytest.approx(0.41 - 1)


def test_a_claim_belongs_to_its_own_build() -> None:
    (costs,) = cost_steps(concluded(effect(1, 0.9), effect(2, 0.41)))
    assert [s.claimed for s in costs.steps] == [None, pytest.approx(0.406)]


def test_a_claim_about_time_does_not_apply_to_instructions() -> None:
    (costs,) = cost_steps(concluded(effect(2, 0.41, cost_unit="instructions")))
    assert costs.steps[0].claimed is None


def test_each_kind_and_metric_of_rebinds_has_a_waterfall() -> None:
    found = cost_steps(
        concluded(
            effect(2, 0.5),
            effect(2, 0.6, kind="dax_pmem"),
            effect(2, 0.7, cost_unit="instructions"),
            effect(2, 0.8, op="first"),
        )
    )
    assert [(costs.kind, costs.cost_unit) for costs in found] == [
        ("nd_pmem", "ns"),
        ("dax_pmem", "ns"),
        ("nd_pmem", "instructions"),
    ]


def test_variants_and_base_again_are_not_steps() -> None:
    stores = [effect(2, 0.5, build="movnti"), effect(2, 0.6, build="memcpy")]
    (costs,) = cost_steps(concluded(*stores))
    assert [s.build for s in costs.steps] == ["movnti"]
    assert cost_steps(concluded(effect(0, 1.01, build="again"))) == ()


@given(
    st.lists(st.floats(0.05, 3), min_size=1, max_size=12),
    st.booleans(),
)
def test_all_bars_are_within_the_picture(shares: list[float], known: bool) -> None:
    effects = [
        effect(n, share) if known else effect(n, share, low=None, high=None)
        for n, share in enumerate(shares, 1)
    ]
    drawn = draw_waterfall(cost_steps(concluded(*effects))[0])
    assert len(drawn.bars) == len(shares)
    for bar in drawn.bars:
        assert 0 <= bar.x <= bar.x + bar.width <= 100.5
        assert (bar.low is None) == (not known)


def test_a_change_within_the_interval_is_unclear() -> None:
    drawn = draw_waterfall(
        cost_steps(concluded(effect(1, 0.99), effect(2, 0.5)))[0], ["one", "two"]
    )
    assert [(bar.style, bar.subject) for bar in drawn.bars] == [("same", "one"), ("saves", "two")]


def test_a_step_over_several_patches_names_all_of_them() -> None:
    made = replace(record(), builds=(build("base", 0), build("3", 3)))
    effects = (effect(3, 0.5, build="3"),)
    (costs,) = cost_steps(replace(conclude(made, claims()), effects=effects))
    assert draw_waterfall(costs).bars[0].label == "patches 1 to 3"
