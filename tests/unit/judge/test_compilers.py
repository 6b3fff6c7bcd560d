# SPDX-License-Identifier: GPL-2.0-only
"""Replays with several compilers: gains and losses per compiler."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.judge.conclude import Conclusion, conclude
from harness.judge.runs.compilers import by_compiler
from harness.report import compilers
from tests.unit.replays import replay

NOISE = (1.0, 1.01, 0.99, 1.02, 0.98)
FASTER, SAME, SLOWER, OPEN = 0.5, (1.0, 1.0, 1.0, 1.0, 1.0), 1.5, (0.9, 1.1, 0.95, 1.05, 1.0)


def by(compiler: str, base: float, *tips: float | tuple[float, ...]) -> Conclusion:
    """A replay of base and a prefix for each of `tips`, its costs relative to base's."""
    costs = {"base": [base * n for n in NOISE]}
    for number, tip in enumerate(tips, 1):
        each = tip if isinstance(tip, tuple) else (tip,) * len(NOISE)
        costs[str(number)] = [base * n * t for n, t in zip(NOISE, each, strict=True)]
    made = replay(costs, kinds=("order0",), pages=1000)
    setup = msgspec.structs.replace(made.setup, compiler=compiler)
    return conclude(msgspec.structs.replace(made, setup=setup), ())


def said(*found: Conclusion) -> list[str]:
    return [f"{line.name}: {line.text}" for line in compilers.lines(by_compiler(found))]


def test_a_gain_with_one_compiler_only_is_named() -> None:
    (line,) = said(by("gcc", 4e6, FASTER, FASTER), by("clang-19", 3e6, FASTER, OPEN))
    assert line.startswith("2, order0: faster than base with gcc (0.500")
    assert "only; with clang-19 (" in line
    assert line.endswith("the interval holds 1")


def test_a_loss_with_one_compiler_is_named() -> None:
    (line,) = said(by("gcc", 4e6, SLOWER), by("clang-19", 3e6, FASTER))
    assert line.startswith("1, order0: faster than base with clang-19 (0.500")
    assert line.endswith("slower")


def test_gains_that_all_have_are_one_sentence() -> None:
    lines = said(by("gcc", 4e6, FASTER), by("clang-19", 3e6, FASTER), by("gcc-13", 4e6, FASTER))
    assert lines == ["compilers: each gain exists with all of them"]


def test_no_gain_with_either_is_no_disagreement() -> None:
    found = by_compiler([by("gcc", 4e6, OPEN), by("clang-19", 3e6, SLOWER)])
    assert not any(one.disagree for one in found)


def test_each_compiler_is_compared_with_its_own_base_and_with_the_first() -> None:
    base, tip = by_compiler([by("gcc", 4e6, FASTER), by("clang-19", 3e6, FASTER)])
    assert (base.build, tip.build) == ("base", "1")
    assert base.ratios == {}
    assert [ratio.value for ratio in tip.ratios.values()] == pytest.approx([0.5, 0.5])
    for one in (base, tip):
        assert one.beside_first["clang-19"].value == pytest.approx(0.75)


def test_a_build_that_one_compiler_lacks_is_left_out() -> None:
    found = by_compiler([by("gcc", 4e6, FASTER, FASTER), by("clang-19", 3e6, FASTER)])
    assert [one.build for one in found] == ["base", "1"]


def test_the_table_has_a_column_per_compiler_and_one_per_comparison() -> None:
    found = by_compiler([by("gcc", 4e6, FASTER), by("clang-19", 3e6, OPEN)])
    table = compilers.table(found)
    assert table.headings[2:] == ("gcc:\nto its base", "clang-19:\nto its base", "clang-19\nto gcc")
    base, tip = table.rows
    assert base[:4] == ("base", "order0", "", "")
    assert tip[2].startswith("0.500")
    assert all(len(row) == len(table.headings) for row in table.rows)


@given(st.floats(0.2, 5), st.floats(0.2, 5))
def test_the_order_of_compilers_inverts_the_comparison(one: float, other: float) -> None:
    pair = [by("gcc", 4e6 * one, FASTER), by("clang-19", 4e6 * other, FASTER)]
    forth, back = by_compiler(pair), by_compiler(pair[::-1])
    for a, b in zip(forth, back, strict=True):
        product = a.beside_first["clang-19"].value * b.beside_first["gcc"].value
        assert product == pytest.approx(1, rel=1e-3)


def test_base_alone_is_compared_between_compilers() -> None:
    found = by_compiler([by("gcc", 4e6), by("clang-19", 3e6)])
    table = compilers.table(found)
    assert table.headings == ("build", "kind", "clang-19\nto gcc")
    assert [row[0] for row in table.rows] == ["base"]
    assert list(compilers.lines(found)) == []


def test_a_replay_without_rounds_is_compared_with_none() -> None:
    gcc, clang = by("gcc", 4e6, FASTER), by("clang-19", 3e6, FASTER)
    nothing = msgspec.structs.replace(clang.record, passes=())
    assert by_compiler([gcc, conclude(nothing, ())]) == ()
