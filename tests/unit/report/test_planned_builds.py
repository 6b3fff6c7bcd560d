# SPDX-License-Identifier: GPL-2.0-only
"""Every report of a run whose builds the plan names shows each of them beside base."""

import io
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from harness.judge.conclude import Conclusion, conclude
from harness.record.record import BootEvidence
from harness.report import tables
from harness.report.formats import json, mail, markdown
from harness.report.page.run_page import page
from harness.report.rows import groups
from harness.report.terminal.run import terminal
from tests.unit.builders import boot, build, record

replace = msgspec.structs.replace
MS = {"base": 272, "one": 136, "two": 544}


def concluded(evidence: BootEvidence = "boot-kvm") -> Conclusion:
    made = record(evidence)
    builds = [replace(build(name, 0), kernel_options=(f"threads={name}",)) for name in MS]
    boots = [boot(name, number, ms) for number in range(3) for name, ms in MS.items()]
    argv = {name: ("run", f"--kopt=threads={name}") for name in MS}
    return conclude(
        replace(
            made,
            builds=tuple(builds),
            boots=tuple(replace(one, argv=argv[one.build]) for one in boots),
        ),
        (),
    )


def test_the_table_has_a_row_per_metric_and_build() -> None:
    rows = tables.builds(concluded()).rows
    # The clock's step alone makes the interval.
    assert rows[1] == ("", "one", "136.00", "0.500", "0.497-0.503")
    assert [row[:4] for row in rows] == [
        ("nd_pmem", "base", "272.00", ""),
        ("", "one", "136.00", "0.500"),
        ("", "two", "544.00", "2.000"),
        ("dax_pmem", "base", "273.00", ""),
        ("", "one", "137.00", "0.502"),
        ("", "two", "545.00", "1.996"),
    ]


def test_emulated_times_have_no_ratio() -> None:
    rows = tables.builds(concluded("boot-tcg")).rows
    assert [row[2:] for row in rows[:3]] == [
        ("272.00", "", ""), ("136.00", "-", "-"), ("544.00", "-", "-")
    ]  # fmt: skip


def text(conclusion: Conclusion) -> str:
    out = io.StringIO()
    Console(file=out, width=100).print(terminal(conclusion))
    return out.getvalue()


def test_a_terminal_names_the_plan_and_each_build() -> None:
    shown = text(concluded())
    assert "(port v7.2, builds of plan reproduce) on v7.2.13" in shown
    for name in ("nd_pmem of one", "nd_pmem of two", "dax_pmem of two"):
        assert f"\n{name}" in shown
    assert "untested: no claim is about it" in shown
    assert "base again" not in shown and "claim about this driver" not in shown


def test_programs_get_each_build_by_name() -> None:
    found = json.document(concluded(), Path("x"), {})["metrics"]["nd_pmem"]
    assert {name: one["rebind_mean_ms"] for name, one in found.items()} == MS
    assert (found["one"]["reduction_percent"], found["two"]["reduction_percent"]) == (50.0, -100.0)
    rows = groups(concluded())
    assert [row.name for row in rows["nd_pmem"]] == ["claim-one", "claim-two"]
    assert [row.build for row in rows["nd_pmem"]] == ["one", "two"]
    assert {row.status for row in rows["identity"]} == {"pass"}


@pytest.mark.parametrize("form", ["mail", "markdown", "page"])
def test_other_reports_have_the_same_table(form: str) -> None:
    found = concluded()
    made = {
        "mail": lambda: mail.mail(found, mail.Thread("x", "")).decode(),
        "markdown": lambda: markdown.markdown(found),
        "page": lambda: page(found, has=lambda _: False),
    }[form]()
    for cell in ("136.00", "0.500", "1.996", "builds of plan reproduce"):
        assert cell in made, form
    assert "With base again" not in made
