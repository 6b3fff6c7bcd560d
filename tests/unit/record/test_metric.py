# SPDX-License-Identifier: GPL-2.0-only
import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from harness.errors import RecordError
from harness.record import store
from harness.record.metric import Metric, gain_percent
from tests.unit.builders import record

RATIOS = st.floats(min_value=1e-6, max_value=1e6)


@pytest.mark.parametrize(
    ("metric", "amount", "shown", "unit"),
    [
        (Metric("t"), 273_520_000, 273.52, "ms"),
        (Metric("faults", "count"), 1234, 1234, ""),
        (Metric("ops", "1/s", "higher"), 1234, 1234, "/s"),
        (Metric("bandwidth", "B/s", "higher"), 12_300_000_000, 12.3, "GB/s"),
    ],
)
def test_amounts_are_shown_in_the_unit_of_reports(
    metric: Metric, amount: int, shown: float, unit: str
) -> None:
    assert (metric.shown(amount), metric.shown_unit) == (shown, unit)


@given(RATIOS)
def test_a_gain_is_positive_in_the_direction_that_is_better(ratio: float) -> None:
    lower, higher = gain_percent(ratio, "lower"), gain_percent(ratio, "higher")
    assert lower == -higher
    assert (lower > 0) == (ratio < 1)


def test_a_metric_without_a_description_is_a_time() -> None:
    setup = record().setup
    assert setup.metric("nd_pmem") == Metric("nd_pmem", "ns", "lower")
    other = Metric("nd_pmem", "count", "higher")
    assert replace(setup, metrics=(other,)).metric("nd_pmem") == other


def test_a_record_keeps_its_metrics(tmp_path: Path) -> None:
    made = record()
    other = (Metric("faults", "count"),)
    made = replace(made, setup=replace(made.setup, metrics=other))
    path = store.save(tmp_path, made)
    assert store.load_boots(path).setup.metrics == other
    plain = json.loads(path.read_bytes())
    del plain["setup"]["metrics"]
    path.write_text(json.dumps(plain))
    assert store.load_boots(path).setup.metrics == ()


@pytest.mark.parametrize(
    "metric",
    [
        {"name": "x", "unit": "hours"},
        {"name": "x", "better": "bigger"},
        {"name": 1},
        {"unit": "ns"},
        {"name": "x", "decimals": 2},
    ],
)
def test_a_metric_that_is_none_is_damage(tmp_path: Path, metric: dict[str, object]) -> None:
    path = store.save(tmp_path, record())
    plain = json.loads(path.read_bytes())
    plain["setup"]["metrics"] = [metric]
    path.write_bytes(msgspec.json.encode(plain))
    with pytest.raises(RecordError, match=r"is damaged: .*setup.metrics"):
        store.load(path)
