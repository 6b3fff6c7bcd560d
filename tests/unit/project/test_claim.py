# SPDX-License-Identifier: GPL-2.0-only
"""What claims may say: units, directions, factors, and how much worse something may get."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import workloads
from harness.claims.statement import parse_claim
from harness.errors import InputError
from harness.judge.rule_syntax import parse_rule
from harness.project.claim import UNITS, Claim, Figures
from harness.project.project import Project
from harness.record.metric import Metric

NUMBERS = st.floats(min_value=0.01, max_value=1e6)
RATE = Metric("m", "B/s", "higher")


def claim(**stated: Any) -> Claim:
    return msgspec.convert({"version": 1, "metric": "m", "rebinds": 1, **stated}, Claim)


@pytest.mark.parametrize(
    ("stated", "percent", "words"),
    [
        ({"reduction_percent": 59.4}, 59.4, "59.4 % less"),
        ({"reduction_percent": -3}, -3, "-3 % less"),
        ({"increase_percent": 20}, 20, "20 % more"),
        ({"times": 2.5}, 60, "2.5 times"),
        ({"times": 4, "unit": "GB/s"}, 300, "4 times"),
        ({"times": 3, "percent_decimals": 1}, 66.7, "3.0 times"),
        ({"at_most_worse_percent": 2}, -2, "at most 2 % worse"),
        ({"at_most_worse_percent": 0}, 0, "not worse"),
        ({"base": {"mean_ms": 200}, "tip": {"mean_ms": 50}}, 75, ""),
        ({"unit": "us", "base": {"value": 200}, "tip": {"value": 50}}, 75, ""),
        ({"unit": "count", "base": {"value": 9}, "tip": {"value": 6}}, 33.3, ""),
        ({"unit": "/s", "base": {"value": 100}, "tip": {"value": 150}}, 50, ""),
        ({"unit": "MB/s", "base": {"value": 100}, "tip": {"value": 50}}, -50, ""),
    ],
)
def test_each_form_has_a_gain_in_percent(
    stated: dict[str, Any], percent: float, words: str
) -> None:
    found = claim(**stated)
    assert found.claimed_percent == percent
    assert found.stated == words


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ({"times": 1}, "times: 1.0; expected more than 1"),
        ({"times": 0.5}, "times: 0.5"),
        ({"times": float("inf")}, "times: inf"),
        ({"times": float("nan")}, "times: nan"),
        ({"times": "2x"}, "Expected `float | null`"),
        ({"increase_percent": -100}, "increase_percent: -100.0; expected more than -100"),
        ({"increase_percent": float("nan")}, "increase_percent: nan"),
        ({"at_most_worse_percent": -1}, "at_most_worse_percent: -1.0; expected 0 or more"),
        ({"at_most_worse_percent": float("inf")}, "at_most_worse_percent: inf"),
        ({"reduction_percent": 5, "times": 2}, "times: given with reduction_percent"),
        ({"increase_percent": 5, "at_most_worse_percent": 2}, "expected one of them"),
        ({"at_most_worse_percent": 2, "base": {"mean_ms": 1}}, "given with means"),
        ({"unit": "hours"}, "Invalid enum value 'hours'"),
        ({"unit": "us", "base": {"mean_ms": 1}}, "base: no value; expected it, as the unit is us"),
        ({"tip": {"value": 1}}, "tip: no mean_ms; expected it, as the unit is ms"),
        ({"tip": {}}, "mean_ms: missing; expected mean_ms, or value"),
        ({"unit": "s", "tip": {"value": 1, "mean_ms": 2}}, "expected mean_ms or value"),
        ({"unit": "s", "tip": {"value": 1, "first_ms": 2}}, "expected mean_ms or value"),
        ({"unit": "s", "tip": {"value": 0}}, "value: 0.0; expected a positive number"),
    ],
)
def test_other_claims_are_refused(stated: dict[str, Any], said: str) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        claim(**stated)
    assert said in str(caught.value)


@given(NUMBERS, NUMBERS, st.sampled_from(sorted(UNITS)))
def test_a_gain_is_positive_if_tip_is_better(base: float, tip: float, unit: str) -> None:
    key = "mean_ms" if unit == "ms" else "value"
    found = claim(unit=unit, base={key: base}, tip={key: tip})
    assert found.claimed_percent is not None
    is_better = tip > base if found.better == "higher" else tip < base
    assert (found.claimed_percent > 0) <= is_better
    assert found.is_not_of(Metric("m", UNITS[found.unit][0], found.better)) == ""


@given(st.floats(min_value=1.01, max_value=1e3))
def test_times_are_those_of_the_means(times: float) -> None:
    faster = claim(times=times).claimed_percent
    more = claim(times=times).gain_percent("higher")
    base = claim(base={"mean_ms": 1000 * times}, tip={"mean_ms": 1000})
    assert faster is not None and more is not None and base.claimed_percent is not None
    assert faster == pytest.approx(base.claimed_percent, abs=0.11)
    assert more == pytest.approx((times - 1) * 100, abs=0.06)


@pytest.mark.parametrize(
    ("stated", "metric", "said"),
    [
        ({"reduction_percent": 5}, Metric("m"), ""),
        ({"times": 5}, RATE, ""),
        ({"at_most_worse_percent": 5}, RATE, ""),
        ({"unit": "us", "base": {"value": 1}, "tip": {"value": 1}}, Metric("m"), ""),
        ({"reduction_percent": 5}, RATE, "higher is better of m: expected increase_percent"),
        ({"increase_percent": 5}, Metric("m"), "lower is better of m: expected reduction_percent"),
        ({"base": {"mean_ms": 1}, "tip": {"mean_ms": 1}}, RATE, "the claim is in ms, m in GB/s"),
        (
            {"unit": "GB/s", "base": {"value": 1}, "tip": {"value": 1}},
            Metric("m", "count"),
            "the claim is in GB/s, m in counts",
        ),
    ],
)
def test_a_claim_in_another_unit_or_direction_is_not_of_a_metric(
    stated: dict[str, Any], metric: Metric, said: str
) -> None:
    assert claim(**stated).is_not_of(metric) == said


def test_a_figure_is_positional_in_milliseconds() -> None:
    assert Figures(2.5).number == Figures(mean_ms=2.5).number == Figures(value=2.5).number


OWN = """\
title: t
workload: boot_message
function: f
object: x.o
port_of: 0
versions: []
messages: {scan_time: {pattern: 'took (?P<value>\\d+)ms', unit: ms}}
"""


def test_a_project_has_the_metrics_that_its_series_name(tmp_path: Path) -> None:
    project = Project(tmp_path)
    before = project.metrics()
    assert before == workloads.metrics()
    for slug, text in (("of-a-test", OWN), ("broken-in-a-test", "title: [")):
        project.series_file(slug).parent.mkdir(parents=True)
        project.series_file(slug).write_text(text)
    found = project.metrics()
    assert set(found) - set(before) == {"scan_time"}
    assert parse_claim("scan_time=2x", found).times == 2
    with pytest.raises(InputError, match="is about no metric; expected one of nd_pmem, dax_pmem"):
        parse_claim("scantime=2x", found)
    assert parse_rule("scan_time.ratio<0.9", found).kind == "scan_time"
    with pytest.raises(ValueError, match="no kind 'scantime'"):
        parse_rule("scantime.ratio<0.9", found)
