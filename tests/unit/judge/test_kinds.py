# SPDX-License-Identifier: GPL-2.0-only
"""Kinds of evidence side by side, and pairs whose intervals do not overlap."""

from collections.abc import Sequence

import msgspec
import pytest

from harness.judge.runs.kinds import disagreements, side_by_side
from harness.record.record import RunRecord
from harness.report.terminal.kinds import sentences, table
from tests.unit.builders import record
from tests.unit.conclusions import replay, reported

replace = msgspec.structs.replace


def shown(*records: RunRecord) -> list[tuple[str, str, str]]:
    return [(s.metric, s.evidence, s.run_id) for s in side_by_side(records)]


def named(rec: RunRecord, run_id: str, day: int = 1) -> RunRecord:
    return replace(rec, run_id=run_id, started=f"2026-01-{day:02}T00:00:00+00:00")


def said(*records: RunRecord) -> list[str]:
    savings = side_by_side(records)
    return list(sentences(savings, disagreements(savings)))


KVM, LOGS, REPLAY = (
    named(record(), "kvm"),
    named(reported(), "logs"),
    named(replay(), "replay"),
)


def test_each_kind_has_a_row_per_driver_with_its_cpu() -> None:
    assert shown(LOGS, REPLAY, KVM) == [
        (driver, evidence, run)
        for driver in ("nd_pmem", "dax_pmem")
        for evidence, run in (("boot-kvm", "kvm"), ("replay", "replay"), ("reported", "logs"))
    ]
    rows = table(side_by_side([LOGS, REPLAY, KVM])).rows
    assert rows[1][:4] == ("nd_pmem", "replay (order0)", REPLAY.machine.cpu, "v7.2.13")
    assert rows[0] == ("nd_pmem", "boot-kvm", "Some Xeon", "v7.2.13", "59.6 %", "59.3 to 59.8")


def test_only_the_newest_run_of_a_kind_and_cpu_is_shown() -> None:
    later = named(record(), "later", 2)
    other = replace(later, run_id="other", machine=replace(later.machine, cpu="Another"))
    assert {run for _, _, run in shown(later, KVM)} == {"later"}
    assert {run for _, _, run in shown(KVM, later, other)} == {"later", "other"}


@pytest.mark.parametrize(
    "rec",
    [
        record("boot-tcg"),
        record("boot-icount"),
        replace(record(), outcome="failed"),
        replace(record(), builds=(record().builds[0], replace(record().builds[0], name="again"))),
        replace(record(), builds=(record().builds[0], replace(record().builds[1], prefix=1))),
        replace(record(), machine=replace(record().machine, hypervisor="tcg")),
    ],
    ids=["tcg", "icount", "failed", "null", "prefix", "emulated host"],
)
def test_runs_that_timed_no_cpu_or_not_the_series_are_left_out(rec: RunRecord) -> None:
    assert shown(rec) == []


@pytest.mark.parametrize(
    ("tip_ms", "apart"), [((109, 110, 111), False), ((139, 140, 141), True), ((9, 110, 300), False)]
)
def test_disjoint_intervals_disagree(tip_ms: Sequence[int], apart: bool) -> None:
    other = named(record(tip_ms=tip_ms), "other")
    other = replace(other, machine=replace(other.machine, cpu="Another"))
    lines = said(LOGS, other)
    assert any("do not overlap" in line and line.startswith("nd_pmem") for line in lines) == apart
    assert ("no disagreement between runs" in lines) == (not apart)
    if apart:
        assert "boot-kvm on Another" in lines[0]
        assert "reported on Some Xeon" in lines[0]


def test_a_spoiled_or_short_run_disagrees_with_nothing() -> None:
    short = named(record(base_ms=(270,), tip_ms=(140,)), "short")
    lines = said(LOGS, short)
    assert any("boot-kvm: not usable: 1 boot(s)" in line for line in lines)
    assert not any("disagree" in line for line in lines)


def test_nothing_to_compare() -> None:
    assert said() == []
    assert said(KVM) == []
