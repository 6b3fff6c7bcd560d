# SPDX-License-Identifier: GPL-2.0-only
"""The other figures of a claim: first bindings, and times."""

from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.judge.conclude import conclude
from harness.judge.figures import error_ms, percent_error
from harness.judge.verdict import Verdict
from harness.project.claim import Claim, Figures, PostedNumber
from harness.record.record import BootRun
from tests.unit.builders import claims, record

replace = msgspec.structs.replace
ICE_LAKE = "GenuineIntel 6 106"
CLAIM = replace(
    claims()[0],
    cpu=ICE_LAKE,
    base=Figures(mean_ms=273.52, first_ms=1350),
    tip=Figures(mean_ms=111.08, first_ms=555),
)
TIMES = st.floats(1, 1000).map(lambda ms: round(ms, 2))


def run(base_ms: int = 273, tip_ms: int = 111, boots: int = 5, **machine: str) -> BootRun:
    rec = record(base_ms=[base_ms] * boots, tip_ms=[tip_ms] * boots)
    host = {"hypervisor": "none", "cpu_id": ICE_LAKE} | machine
    return replace(rec, machine=replace(rec.machine, **host))


def verdict(rec: BootRun, claim: Claim = CLAIM) -> Verdict:
    return conclude(rec, [claim]).verdicts[0]


def test_every_posted_time_is_compared() -> None:
    found = verdict(run()).figures
    assert [(one.name, one.posted) for one in found] == [
        ("base, mean rebind", "273.52 ms"),
        ("base, first binding", "1350 ms"),
        ("tip, mean rebind", "111.08 ms"),
        ("tip, first binding", "555 ms"),
    ]
    assert {one.verdict for one in found} == {"as the author's"}
    assert found[0].reason.startswith("within 0.3%: 272.9 to 273.1 ms (95 %), posted 273.52 ms")


@pytest.mark.parametrize(
    ("base_ms", "word"), [(240, "not as the author's"), (320, "not as the author's")]
)
def test_a_time_that_differs_by_more_than_a_tenth(base_ms: int, word: str) -> None:
    assert verdict(run(base_ms)).figures[0].verdict == word


def test_a_time_near_the_limit_is_undecided() -> None:
    rec = record(base_ms=[280, 290, 300, 310, 320], tip_ms=[111] * 5)
    one = verdict(replace(rec, machine=run().machine)).figures[0]
    assert one.verdict == "inconclusive"
    assert "posted 273.52 ms" in one.reason


@pytest.mark.parametrize(
    ("rec", "why"),
    [
        (run(cpu_id="AuthenticAMD 25 17"), "on another CPU than claimed"),
        (run(cpu_id=""), "on another CPU than claimed (Some Xeon, unknown"),
        (run(hypervisor="tcg"), "is itself emulated"),
        (replace(run(), evidence="boot-tcg"), "emulated time"),
        (replace(run(), outcome="failed", reason="x"), "the run is failed"),
        (replace(run(), boots=run().boots[1:]), "planned boots"),
    ],
)
def test_times_of_another_kind_are_untested(rec: BootRun, why: str) -> None:
    found = verdict(rec).figures
    assert {one.verdict for one in found} == {"untested"}
    assert why in found[0].reason


def test_times_of_a_claim_that_names_no_cpu_are_untested() -> None:
    found = verdict(run(), replace(CLAIM, cpu=""))
    assert {one.reason for one in found.figures} == {"the claim names no CPU"}
    assert found.first is not None and found.first[0] == "reproduced"


def test_two_boots_have_no_interval() -> None:
    assert {one.verdict for one in verdict(run(boots=2)).figures} == {"inconclusive"}


def test_the_first_binding_has_a_verdict_of_its_own() -> None:
    # The builders' first bindings take five times as long as rebinds.
    found = verdict(run()).first
    assert found is not None and found[0] == "reproduced"
    assert found[1].endswith("claimed 58.9 %")
    claimed = replace(CLAIM, tip=Figures(mean_ms=111.08, first_ms=100))
    found = verdict(run(), claimed).first
    assert found is not None and found[0] == "contradicted"
    found = verdict(run(cpu_id="AuthenticAMD 25 17"), claimed).first
    assert found is not None and found[0] == "untested"
    assert "on another CPU than claimed" in found[1]
    assert verdict(run(), claims()[0]).first is None, "its times were not posted"


def test_a_claims_error_is_digits_clock_and_number_of_samples() -> None:
    whole = PostedNumber(Fraction(1486), 0)
    assert error_ms(whole, 1, 1) == pytest.approx(0.5 + 0.816, abs=1e-3)
    mean = PostedNumber.of(273.52)
    assert error_ms(mean, 29, 1) == pytest.approx(0.005 + 0.1516, abs=1e-3)
    assert error_ms(mean, 29, 4) == pytest.approx(0.005 + 0.6065, abs=1e-3)


def test_a_reduction_that_misses_by_the_claims_own_error_is_not_contradicted() -> None:
    exact = replace(CLAIM, base=None, tip=None, reduction_percent=59.0, percent_decimals=0)
    assert percent_error(exact) == 0.5
    means = replace(CLAIM, reduction_percent=None)
    assert 0.05 < percent_error(means) < 0.2


@given(TIMES, TIMES, st.integers(2, 60), st.sampled_from([1, 4, 10]))
def test_an_error_is_positive_and_falls_with_the_number_of_samples(
    base: float, tip: float, rebinds: int, step: int
) -> None:
    claim = replace(
        CLAIM,
        base=Figures(mean_ms=base),
        tip=Figures(mean_ms=tip),
        rebinds=rebinds,
        resolution_ms=step,
        reduction_percent=None,
    )
    more = replace(claim, rebinds=rebinds * 4)
    assert percent_error(claim) >= percent_error(more) > 0
