# SPDX-License-Identifier: GPL-2.0-only
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.claims.audit import AuditResult, audit, counts
from harness.project.claim import Claim, Figures, decimal_text
from harness.project.project import Project

CLAIM = Claim(
    version=2,
    metric="nd_pmem",
    guest="pmem-100g",
    rebinds=30,
    base=Figures(mean_ms=273.52, first_ms=1486),
    tip=Figures(mean_ms=104.59, first_ms=1272),
    reduction_percent=61.8,
)


def findings(**changes: object) -> list[AuditResult]:
    (audited,) = audit([msgspec.structs.replace(CLAIM, **changes)])  # type: ignore[arg-type]
    return list(audited.findings)


def test_the_posted_versions_have_exactly_these_findings() -> None:
    found = {
        (a.claim.version, a.claim.metric, a.claim.after_patch, check.name, check.figure)
        for a in audit(Project.find().claims("memcpy-streaming"))
        for check in a.findings
    }
    assert found == {
        (2, "nd_pmem", None, "mean", "tip average 111.08 ms"),
        (2, "dax_pmem", 4, "mean", "tip average 256.56 ms"),
        (4, "dax_pmem", 5, "mean", "base average 229.12 ms"),
        (5, "dax_pmem", None, "mean", "tip average 119.04 ms"),
    }


def test_a_claim_that_fits_lists_its_checks() -> None:
    (audited,) = audit([CLAIM])
    assert not audited.findings
    assert [check.name for check in audited.checks] == [
        "percentage",
        "resolution",
        *("mean", "first-binding", "clock") * 2,
    ]
    assert all(check.said and not check.hint for check in audited.checks)


def test_an_impossible_mean_gets_possible_explanations() -> None:
    (found,) = findings(tip=Figures(mean_ms=111.08, first_ms=1389), reduction_percent=59.4)
    assert "29, 30 or 31" in found.said
    assert "111.07 and 111.10" in found.said
    assert "26 or 36 samples" in found.hint
    assert "finer than 1 ms" in found.hint


@pytest.mark.parametrize(
    ("percent", "decimals", "fits"),
    # It is 61.76 %.
    [
        (61.8, None, True),
        (61.7, None, False),
        (62, None, True),
        (62, 1, False),
        (60, -1, True),
        (60, None, False),
        (61.76, None, True),
        (61.77, None, False),
    ],
)
def test_a_percentage_follows_from_the_means_within_rounding(
    percent: float, decimals: int | None, fits: bool
) -> None:
    found = findings(reduction_percent=percent, percent_decimals=decimals)
    assert [check.name for check in found] == ([] if fits else ["percentage"])


def test_rounding_of_the_means_is_allowed_for() -> None:
    # 10 and 7 may be rounded from 10.4 and 6.6.
    means = {"base": Figures(mean_ms=10), "tip": Figures(mean_ms=7)}
    assert not [c for c in findings(**means, reduction_percent=36.5) if c.name == "percentage"]
    assert [c for c in findings(**means, reduction_percent=39.0) if c.name == "percentage"]


def test_a_wrong_percentage_gets_the_right_one() -> None:
    (found,) = findings(reduction_percent=71.8)
    assert found.hint.startswith("61.8 %")
    (found,) = findings(tip=Figures(mean_ms=180, first_ms=1000), reduction_percent=52)
    assert "how much longer base takes" in found.hint


@pytest.mark.parametrize(
    ("base", "tip", "said"),
    [
        (Figures(10_000, mean_decimals=-3), Figures(2_000, mean_decimals=-3), "73.7 to 85.7 %"),
        (Figures(10_000), Figures(2_000), "79.99 to 80.01 %"),
        (Figures(100), Figures(120), "-21.1 to -18.9 %"),
        # The tip takes at least 0 s.
        (Figures(3_000, mean_decimals=-3), Figures(400, mean_decimals=-3), "64.0 to 100.0 %"),
        # The base may be 0.
        (Figures(400, mean_decimals=-3), Figures(200), None),
        (None, Figures(200), None),
    ],
)
def test_the_percentages_that_the_digits_allow(
    base: Figures | None, tip: Figures, said: str | None
) -> None:
    (audited,) = audit([msgspec.structs.replace(CLAIM, base=base, tip=tip)])
    found = [check for check in audited.checks if check.name == "resolution"]
    assert [check.said for check in found] == ([f"the digits allow {said}"] if said else [])
    assert all(check.outcome == "fits" for check in found)


def test_a_percentage_alone_cannot_be_checked() -> None:
    (audited,) = audit([msgspec.structs.replace(CLAIM, base=None)])
    assert not audited.findings
    assert [c.outcome for c in audited.checks if c.name == "percentage"] == ["unchecked"]


def test_an_increase_is_called_one() -> None:
    (found,) = findings(base=CLAIM.tip, tip=CLAIM.base, reduction_percent=10)
    assert "161.52 % more" in found.said
    assert found.hint.startswith("-162 %")


def test_a_first_binding_that_is_not_the_longest_is_a_finding() -> None:
    (found,) = findings(tip=Figures(mean_ms=104.59, first_ms=104))
    assert (found.name, found.figure) == ("first-binding", "tip first binding 104 ms")
    assert found.hint


def test_a_clock_too_coarse_for_the_size_is_a_finding() -> None:
    found = findings(
        base=Figures(mean_ms=62, first_ms=90),
        tip=Figures(mean_ms=31, first_ms=40),
        reduction_percent=50,
    )
    assert [(c.name, c.figure) for c in found] == [("clock", "tip average 31 ms")]
    assert "3.2 %" in found[0].said
    assert "1.7 times" in found[0].hint


def test_at_hz_250_fewer_means_are_possible() -> None:
    found = [check for check in findings(resolution_ms=4) if check.name == "mean"]
    assert [check.figure for check in found] == ["tip average 104.59 ms"]
    assert "multiples of 4 ms" in found[0].said


def test_possible_numbers_of_samples() -> None:
    assert counts(30) == (29, 30, 31)
    assert counts(1) == (1, 2)


@settings(max_examples=40)
@given(
    st.lists(st.integers(50, 2000), min_size=29, max_size=29),
    st.lists(st.integers(50, 2000), min_size=29, max_size=29),
    st.integers(0, 2),
)
def test_honest_figures_never_have_a_finding(
    base: list[int], tip: list[int], decimals: int
) -> None:
    means = [Fraction(sum(build), 29) for build in (base, tip)]
    percent = (1 - means[1] / means[0]) * 100
    figures = [
        Figures(
            mean_ms=float(decimal_text(mean, 2)),
            first_ms=max(base + tip) + 1,
            mean_decimals=2,
        )
        for mean in means
    ]
    claimed = float(decimal_text(percent, decimals))
    assert not findings(
        base=figures[0], tip=figures[1], reduction_percent=claimed, percent_decimals=decimals
    )


@settings(max_examples=40)
@given(
    st.floats(1e-9, 1e12),
    st.floats(1e-9, 1e12),
    st.floats(-1e9, 100),
    st.integers(1, 10**9),
    st.integers(-10, 10) | st.none(),
)
def test_any_claim_that_loads_can_be_audited(
    base: float, tip: float, percent: float, rebinds: int, decimals: int | None
) -> None:
    audit(
        [
            Claim(
                version=1,
                metric="nd_pmem",
                guest="g",
                rebinds=rebinds,
                base=Figures(mean_ms=base, first_ms=tip, mean_decimals=decimals),
                tip=Figures(mean_ms=tip, first_ms=base, mean_decimals=decimals),
                reduction_percent=percent,
                percent_decimals=decimals,
            )
        ]
    )


@pytest.mark.parametrize(
    "change",
    [
        {"base": {"mean_ms": 0}},
        {"base": {"mean_ms": -1}},
        {"base": {"mean_ms": float("nan")}},
        {"base": {"mean_ms": 1, "first_ms": float("inf")}},
        {"base": {"mean_ms": 1, "mean_decimals": 99}},
        {"rebinds": 0},
        {"resolution_ms": 0},
        {"reduction_percent": 101},
        {"reduction_percent": float("nan")},
        {"percent_decimals": -11},
    ],
)
def test_invalid_claims_do_not_load(change: dict[str, object]) -> None:
    good = {"version": 1, "metric": "nd_pmem", "guest": "g", "rebinds": 30}
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(good | change, Claim)
