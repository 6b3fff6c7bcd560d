# SPDX-License-Identifier: GPL-2.0-only
"""The table in fastpath's form: what is marked, and what is not shown."""

import re

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.judge.conclude import conclude
from harness.report.formats.fastpath import COLUMNS, fastpath
from tests.unit import replays
from tests.unit.builders import claims, record
from tests.unit.reports import CONCLUSIONS, made

replace = msgspec.structs.replace
CHANGE = re.compile(r"(\([IR]\) )?(-?[0-9.]+)% \[(-?[0-9.]+), (-?[0-9.]+)\]")


def rows(text: str) -> list[list[str]]:
    """Return the cells of all lines of tables, headings included."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_a_table_has_the_base_value_and_the_change_with_its_interval() -> None:
    assert rows(made("reproduced", "fastpath.txt"))[:3] == [
        ["Benchmark", "Result Class", "7.2.13 (base)", "series"],
        ["boot-kvm/nd_pmem", "rebind (ms)", "272.00", "(I) 59.56% [59.30, 59.82]"],
        ["", "first (ms)", "1360.00", "(I) 59.56% [59.33, 59.79]"],
    ]


def test_a_slower_build_is_a_regression() -> None:
    slower = conclude(record(tip_ms=(300, 302, 304)), claims())
    _, of_rebind, *_ = rows(fastpath(slower))
    assert of_rebind[3].startswith("(R) -11.03% [-11.")


@pytest.mark.parametrize("form", ["boot", "replay"])
@settings(max_examples=30)
@given(costs=st.lists(st.integers(900, 1100), min_size=3, max_size=6))
def test_only_an_interval_without_0_is_marked(form: str, costs: list[int]) -> None:
    base = [1000 + number for number in range(len(costs))]
    if form == "boot":
        found = conclude(record(base_ms=base, tip_ms=costs), claims())
    else:
        found = conclude(replays.replay({"base": base, "1": costs}), claims())
    changes = CHANGE.findall(fastpath(found))
    assert len(changes) == len(found.effects)
    for (mark, value, low, high), effect in zip(changes, found.effects, strict=True):
        assert float(low) <= float(value) <= float(high)
        assert bool(mark) == effect.differs
        if mark:
            assert mark == ("(I) " if effect.ratio < 1 else "(R) ")


def test_too_few_boots_give_a_change_without_a_mark() -> None:
    cells = [row[3] for row in rows(made("inconclusive", "fastpath.txt"))[1:]]
    assert cells
    assert all(re.fullmatch(r"[0-9.]+% \[too few\]", cell) for cell in cells)


def test_emulated_time_has_no_table() -> None:
    text = made("tcg", "fastpath.txt")
    assert "boot-tcg" in text
    assert "%" not in text
    assert not rows(text)


def test_many_builds_are_in_tables_of_few_columns() -> None:
    # The record's series has two patches.
    costs = {"base": [40.0, 41.0, 42.0]} | {str(k): [40.0 - k] * 3 for k in range(1, 9)}
    found = conclude(replays.replay(costs), claims())
    headings = [row for row in rows(fastpath(found)) if row[0] == "Benchmark"]
    assert [len(row) - 3 for row in headings] == [COLUMNS, COLUMNS, 2]
    assert headings[0][3:] == ["patch 1", "series", "patches 1-3"]


def test_a_build_that_was_not_measured_has_a_dash() -> None:
    found = conclude(replays.replay({"base": [40.0] * 3, "1": [30.0] * 3, "2": [20.0] * 3}), ())
    effects = tuple(e for e in found.effects if (e.build, e.op) != ("1", "first"))
    of_first = [row for row in rows(fastpath(replace(found, effects=effects))) if "first" in row[1]]
    assert all(row[3] == "-" and row[4] != "-" for row in of_first)
    assert len(of_first) == 2


@pytest.mark.parametrize("name", CONCLUSIONS)
def test_every_table_names_its_evidence(name: str) -> None:
    evidence = CONCLUSIONS[name].record.evidence
    for row in rows(made(name, "fastpath.txt")):
        assert row[0] in ("Benchmark", "") or row[0].startswith(f"{evidence}/")


def test_what_spoils_the_run_is_below_the_table() -> None:
    table, below = made("everything", "fastpath.txt").rsplit("+--", 1)
    assert "(I)" in table
    assert "slower by 4.1 % from first to last; hint: idle" in below


def test_fewer_instructions_are_not_called_faster() -> None:
    text = fastpath(conclude(record("boot-icount"), claims()))
    assert "(I)" in text
    assert ">0 is fewer instructions" in text
    assert "faster" not in text
