# SPDX-License-Identifier: GPL-2.0-only
"""Rows for test systems: only what is reproduced passes."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.judge.conclude import Conclusion, conclude
from harness.judge.rules import RuleResult
from harness.judge.runs.null_runs import NullSeen
from harness.record.record import Boot, Check, Finding
from harness.report.row import ReportRow, Status, worst
from harness.report.rows import results
from tests.unit.builders import claims, record
from tests.unit.conclusions import broken, named

replace = msgspec.structs.replace
CONCLUSIONS = named()


def found(conclusion: Conclusion, group: str) -> dict[str, ReportRow]:
    return {r.name: r for r in results(conclusion) if r.group == group}


def statuses(conclusion: Conclusion, group: str) -> dict[str, Status]:
    return {name: result.status for name, result in found(conclusion, group).items()}


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("reproduced", "pass"),
        ("contradicted", "fail"),
        ("inconclusive", "error"),
        ("tcg", "skip"),
        ("failed", "error"),
        ("lost", "error"),
        ("replay", "done"),
        ("replay-doubts", "doubt"),
        ("replay-differs", "doubt"),
    ],
)
def test_a_claim_passes_only_if_reproduced(name: str, status: Status) -> None:
    for driver in ("nd_pmem", "dax_pmem"):
        assert statuses(CONCLUSIONS[name], driver) == {"claim": status}


def test_an_interrupted_run_is_a_miss() -> None:
    assert statuses(CONCLUSIONS["lost"], "run") == {"complete": "miss"}
    assert statuses(CONCLUSIONS["lost"], "boots") == {"base-0": "pass", "tip-0": "miss"}
    assert statuses(CONCLUSIONS["failed"], "run") == {"complete": "error"}


def test_a_splat_of_base_is_not_the_fault_of_the_series() -> None:
    splat = Finding("oops", 3, "BUG: unable to handle")

    def with_splat(build: str) -> Status:
        rec = record()
        boots = tuple(replace(b, findings=(splat,)) if b.build == build else b for b in rec.boots)
        made = found(conclude(replace(rec, boots=boots), claims()), "boots")[f"{build}-0"]
        assert "oops" in made.text
        assert made.log == splat.splat
        return made.status

    assert with_splat("tip") == "fail"
    assert with_splat("base") == "error"


@pytest.mark.parametrize("outcome", ["timed_out", "failed"])
def test_a_failed_boot_without_a_splat_is_an_error(outcome: str) -> None:
    rec = broken(record(), outcome=outcome, reason="no end marker")
    made = found(conclude(rec, claims()), "boots")["tip-2"]
    assert made.status == "error"
    assert "no end marker" in made.text


def test_a_boot_with_a_failed_check_does_not_pass() -> None:
    rec = broken(record(), checks=(Check("clock", ok=False, detail="HZ=250"),))
    made = found(conclude(rec, claims()), "boots")["tip-2"]
    assert (made.status, made.text) == ("error", "does not count: clock: HZ=250")


def test_differing_struct_pages_are_a_fault_of_the_series_but_not_of_base() -> None:
    made = statuses(CONCLUSIONS["memmaps-differ"], "memmaps")
    assert made == {
        "base-nd_pmem": "pass",
        "base-dax_pmem": "pass",
        "tip-nd_pmem": "fail",
        "tip-dax_pmem": "fail",
    }
    assert statuses(CONCLUSIONS["replay-differs"], "memmaps")["prefix-2-cases"] == "fail"


def test_emulated_time_has_no_interval() -> None:
    numbers = [n for r in results(CONCLUSIONS["tcg"]) for n in r.numbers]
    assert {n.name for n in numbers} == {"first", "rebind_mean", "reduction"}
    assert {n.name for r in results(CONCLUSIONS["reproduced"]) for n in r.numbers} >= {"ratio_low"}


def test_claimed_numbers_are_not_measured() -> None:
    for name in ("reproduced", "tcg", "replay"):
        numbers = found(CONCLUSIONS[name], "nd_pmem")["claim"].numbers
        assert [n.value for n in numbers if not n.measured] == [59.4]


def test_a_null_run_that_finds_a_difference_does_not_pass() -> None:
    made = replace(CONCLUSIONS["reproduced"], null=NullSeen("r", "nd_pmem differs"))
    assert statuses(made, "gates") == {"null": "error"}
    made = replace(
        made, null=NullSeen("r", ""), rules=(RuleResult("a<1", ok=False, value=None, reason=""),)
    )
    assert statuses(made, "gates") == {"null": "pass", "gate-1": "fail"}


@given(st.permutations(["pass", "done", "skip", "miss", "error", "fail"]))
def test_the_worst_is_the_worst_in_any_order(order: list[Status]) -> None:
    while order:
        gravest = worst(ReportRow("g", "n", status, "") for status in order)
        assert gravest == max(order, key=["pass", "done", "skip", "miss", "error", "fail"].index)
        order.remove(gravest)


@pytest.mark.parametrize("name", CONCLUSIONS)
def test_names_are_unique_per_group_and_groups_are_contiguous(name: str) -> None:
    made = results(CONCLUSIONS[name])
    places = [(r.group, r.name) for r in made]
    assert len(set(places)) == len(places)
    groups = [r.group for r in made]
    assert [g for n, g in enumerate(groups) if n == 0 or groups[n - 1] != g] == list(
        dict.fromkeys(groups)
    )


def test_an_empty_run_has_a_row() -> None:
    empty = replace(record(), boots=(), outcome="lost", reason="")
    assert worst(results(conclude(empty, ()))) in ("error", "miss")
    again = replace(record(), boots=(Boot("tip", 1), Boot("tip", 1)))
    assert set(statuses(conclude(again, ()), "boots")) == {"tip-1", "tip-1-again-2"}
