# SPDX-License-Identifier: GPL-2.0-only
"""Runs whose figures are no times, or of which more is better, and claims about them."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.judge.conclude import conclude
from harness.judge.verdict import Verdict
from harness.project.claim import Claim, Figures
from harness.record.metric import Metric
from harness.record.record import BootRun
from harness.report.formats.json import document
from tests.unit.builders import claims, record
from tests.unit.reports import FORMS

replace = msgspec.structs.replace
RATE = Metric("nd_pmem", "B/s", "higher")
COUNT = Metric("nd_pmem", "count")


def run(metric: Metric, base: int, tip: int) -> BootRun:
    made = record(base_ms=[base, base + 1, base + 2], tip_ms=[tip, tip + 1, tip + 2])
    return replace(made, setup=replace(made.setup, metrics=(metric,)))


def judged(made: BootRun, **stated: Any) -> Verdict:
    common = claims(None)[0]
    asked = replace(common, base=None, tip=None, reduction_percent=None)
    found, _ = conclude(made, [replace(asked, **stated)]).verdicts
    return found


@pytest.mark.parametrize(
    ("metric", "base", "tip", "stated", "word"),
    [
        (RATE, 100, 200, {"increase_percent": 100.0}, "reproduced"),
        (RATE, 100, 200, {"times": 2.0}, "reproduced"),
        # 2 may be 1.5 and is held with 5 points less; 2.0 may be 1.95.
        (RATE, 100, 150, {"times": 2.0}, "reproduced"),
        (RATE, 100, 150, {"times": 2.0, "percent_decimals": 1}, "contradicted"),
        (RATE, 200, 100, {"increase_percent": 20.0}, "contradicted"),
        (RATE, 100, 99, {"at_most_worse_percent": 10.0}, "reproduced"),
        (RATE, 200, 100, {"at_most_worse_percent": 10.0}, "contradicted"),
        (RATE, 100, 98, {"at_most_worse_percent": 2.0}, "inconclusive"),
        (RATE, 100, 200, {"reduction_percent": 50.0}, "untested"),
        (COUNT, 200, 100, {"reduction_percent": 50.0}, "reproduced"),
        (COUNT, 200, 100, {"times": 2.0}, "reproduced"),
        (COUNT, 200, 100, {"increase_percent": 50.0}, "untested"),
        (COUNT, 100, 200, {"at_most_worse_percent": 2.0}, "contradicted"),
        (COUNT, 200, 100, {"base": Figures(200.0), "tip": Figures(100.0)}, "untested"),
        (Metric("nd_pmem"), 270, 110, {"times": 2.4}, "reproduced"),
        (Metric("nd_pmem"), 270, 200, {"times": 2.4}, "contradicted"),
        (Metric("nd_pmem"), 270, 110, {"at_most_worse_percent": 0.0}, "reproduced"),
        (Metric("nd_pmem"), 270, 290, {"at_most_worse_percent": 2.0}, "contradicted"),
    ],
)
def test_a_claim_is_judged_in_its_metrics_direction(
    metric: Metric, base: int, tip: int, stated: dict[str, Any], word: str
) -> None:
    found = judged(run(metric, base, tip), **stated)
    assert found.verdict == word, found.reason


def test_reasons_are_in_the_words_of_the_claim() -> None:
    assert "increase of 9" in judged(run(RATE, 100, 200), times=2.0).reason
    assert "claimed 100.0 % (2 times)" in judged(run(RATE, 100, 200), times=2.0).reason
    bound = judged(run(RATE, 100, 98), at_most_worse_percent=2.0)
    assert "is above and below -2.0 %, the claim itself" in bound.reason
    said = judged(run(COUNT, 200, 100), at_most_worse_percent=0.0).reason
    assert said.endswith("claimed not worse")
    assert judged(run(RATE, 100, 200), reduction_percent=50.0).reason == (
        "higher is better of nd_pmem: expected increase_percent"
    )


@settings(max_examples=40)
@given(st.integers(50, 400), st.integers(50, 400), st.floats(0, 50))
def test_a_bound_is_never_held_by_what_is_clearly_worse(base: int, tip: int, most: float) -> None:
    for metric in (RATE, COUNT):
        found = judged(run(metric, base, tip), at_most_worse_percent=most)
        assert found.effect is not None and found.effect.gain is not None
        low, high = found.effect.gain
        assert low <= found.effect.gain_percent + 1e-9 and found.effect.gain_percent <= high + 1e-9
        if found.verdict == "reproduced":
            assert low >= -most
        if found.verdict == "contradicted":
            assert high < -most


@pytest.mark.parametrize("metric", [RATE, COUNT, Metric("nd_pmem", "1/s", "higher")])
@pytest.mark.parametrize("form", sorted(FORMS))
def test_every_report_shows_such_a_run(metric: Metric, form: str) -> None:
    made = run(metric, 100, 200)
    claim = replace(claims(None)[0], base=None, tip=None, times=2.0)
    text = FORMS[form](conclude(made, [claim]))
    assert text


def test_a_program_gets_the_unit() -> None:
    made = run(RATE, 100_000, 200_000)
    found = document(conclude(made, []), "x")["metrics"]["nd_pmem"]
    assert found["base"] == {"mean": 100.0, "unit": "GB/s", "samples": 90}
    assert found["increase_percent"] == 100
    effects = document(conclude(made, []), "x")["effects"]
    assert [(e["cost_unit"], e.get("better")) for e in effects if e["kind"] == "nd_pmem"] == [
        ("B/s", "higher")
    ] * 2


def test_times_keep_their_milliseconds() -> None:
    found = document(conclude(record(), []), "x")
    assert "rebind_mean_ms" in found["metrics"]["nd_pmem"]["base"]
    assert all("better" not in effect for effect in found["effects"])


def test_a_claim_of_another_version_is_not_judged() -> None:
    claim = Claim(version=9, metric="nd_pmem", rebinds=1, times=2.0)
    assert {v.claim for v in conclude(record(), [claim]).verdicts} == {None}
