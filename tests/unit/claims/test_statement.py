# SPDX-License-Identifier: GPL-2.0-only
"""Claims stated with --claim."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.claims.statement import parse_claim, parse_claims
from harness.errors import InputError
from harness.project.claim import Claim, Figures


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nd_pmem=59.4%", {"metric": "nd_pmem", "reduction_percent": 59.4}),
        ("nd_pmem = 60 %", {"metric": "nd_pmem", "reduction_percent": 60}),
        ("dax_pmem=-3%", {"metric": "dax_pmem", "reduction_percent": -3}),
        (
            "nd_pmem=60.0%",
            {"metric": "nd_pmem", "reduction_percent": 60, "percent_decimals": 1},
        ),
        (
            "dax_pmem@4=313.45->256.56ms",
            {
                "metric": "dax_pmem",
                "after_patch": 4,
                "base": Figures(313.45),
                "tip": Figures(256.56),
            },
        ),
        (
            "nd_pmem=250.50 -> 100 ms, 60%",
            {
                "metric": "nd_pmem",
                "base": Figures(250.5, mean_decimals=2),
                "tip": Figures(100),
                "reduction_percent": 60,
            },
        ),
        ("nd_pmem=2.4x", {"metric": "nd_pmem", "times": 2.4}),
        ("nd_pmem=3.0 times", {"metric": "nd_pmem", "times": 3, "percent_decimals": 1}),
        ("dax_pmem@2=3.2 times faster", {"metric": "dax_pmem", "after_patch": 2, "times": 3.2}),
        ("nd_pmem=20% more", {"metric": "nd_pmem", "increase_percent": 20}),
        ("nd_pmem=20 % less", {"metric": "nd_pmem", "reduction_percent": 20}),
        ("nd_pmem=at most 2% worse", {"metric": "nd_pmem", "at_most_worse_percent": 2}),
        ("nd_pmem=not worse", {"metric": "nd_pmem", "at_most_worse_percent": 0}),
        *(
            (
                f"nd_pmem=2.5->1{unit}",
                {
                    "metric": "nd_pmem",
                    "unit": unit,
                    "base": Figures(value=2.5),
                    "tip": Figures(value=1),
                },
            )
            for unit in ("s", "us", "ns", "count", "/s", "MB/s", "GB/s")
        ),
        (
            "nd_pmem=100->240 GB/s, 2.4x",
            {
                "metric": "nd_pmem",
                "unit": "GB/s",
                "times": 2.4,
                "base": Figures(value=100),
                "tip": Figures(value=240),
            },
        ),
    ],
)
def test_a_claim_is_stated(text: str, expected: dict[str, object]) -> None:
    made = Claim(version=0, rebinds=1, quotes=(f"--claim {text}",), **expected)  # type: ignore[arg-type]
    assert parse_claim(text) == made


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nd_pmem",
        "nd_pmem=",
        "nd_pmem=,",
        "nd_pmem=59.4",
        "nd_pmem=101%",
        "nd_pmem=5 9%",
        "nd_pmem=59,4%",
        "nd_pmem=250->100",
        "nd_pmem=0->100ms",
        "nd_pmem=250->0.0ms",
        "nd_pmem=250->100ms,",
        "nd_pmem=,60%",
        "nd_pmem=250->100ms60%",
        "nd_pmem@0=5%",
        "nd_pmem@x=5%",
        "nvdimm=5%",
        "ND_PMEM=5%",
        "nd_pmem=1e3%",
        "nd_pmem=\u0661%",
        "nd_pmem=5%\nnd_pmem=6%",
        "nd_pmem=1x",
        "nd_pmem=0.5 times",
        "nd_pmem=-2x",
        "nd_pmem=x",
        "nd_pmem=2x slower",
        "nd_pmem=2x,60%",
        "nd_pmem=5% worse",
        "nd_pmem=at most 2 worse",
        "nd_pmem=at most -2% worse",
        "nd_pmem=not",
        "nd_pmem=5->3 min",
        "nd_pmem=5->3/h",
        "nd_pmem=5->3ms,not worse",
        "nd_pmem=5ms->3ms",
        "nd_pmem=-100% more",
        f"{'n' * 70}=5%",
    ],
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_claim(text)
    assert caught.value.where == "--claim"


def test_one_claim_per_driver_and_patch() -> None:
    assert len(parse_claims(["nd_pmem=5%", "nd_pmem@2=5%", "dax_pmem=5%"])) == 3
    with pytest.raises(InputError, match="about the same as '--claim nd_pmem=5%'"):
        parse_claims(["nd_pmem=5%", "nd_pmem=6%"])


@given(st.text(max_size=30))
def test_any_text_is_a_claim_or_refused(text: str) -> None:
    try:
        assert parse_claim(f"nd_pmem={text}").metric == "nd_pmem"
    except InputError as error:
        assert error.where == "--claim"


@given(st.decimals(0, 100, places=2), st.decimals("0.01", 10**6, places=2))
def test_figures_keep_their_digits(percent: Decimal, mean: Decimal) -> None:
    claim = parse_claim(f"nd_pmem={mean}->{mean}ms,{percent}%")
    assert claim.base is not None
    assert (str(claim.base.mean), str(claim.reduction)) == (str(mean), str(percent))
