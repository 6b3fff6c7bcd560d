# SPDX-License-Identifier: GPL-2.0-only
"""A side a prefix: what each patch does, whether it holds, and the order that compiles least."""

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from harness.analysis.rungs import beside_base, is_ladder, rungs
from harness.engine.ladder import order
from harness.model.record import Boot, Check, Finding, Memmap, RunRecord, Unbuilt
from harness.report import ladder
from tests.unit import builders

C, H = ("mm/mm_init.c",), ("include/linux/mm.h",)
#: The series on trial: patches 2, 5 and 6 change headers.
SERIES = (C, H, C, C, H, H, C, C)


def boot(side: str, ms: int, digest: str = "same") -> Boot:
    made = builders.boot(side, 1, ms)
    left = tuple(Memmap(driver, 9, digest) for driver in ("nd_pmem", "dax_pmem"))
    return msgspec.structs.replace(made, memmaps=left)


def record(*boots: Boot, warnings: Sequence[tuple[str, ...] | None] = ()) -> RunRecord:
    """Base and two prefixes, one boot each."""
    made = builders.record("boot-tcg")
    sides = []
    for k in range(3):
        side = builders.side(str(k) if k else "base", k)
        told = warnings[k] if warnings else None
        sides.append(msgspec.structs.replace(side, title=f"patch {k}", new_warnings=told))
    setup = msgspec.structs.replace(made.setup, boots=1)
    return msgspec.structs.replace(made, setup=setup, sides=tuple(sides), boots=boots)


GOOD = (boot("base", 100), boot("1", 80), boot("2", 60))


def text(made: RunRecord) -> str:
    console = Console(width=200, no_color=True, highlight=False)
    with console.capture() as captured:
        console.print(ladder.table(made, rungs(made, builders.claims())))
    return " ".join(captured.get().split())


def test_what_a_patch_does_is_its_prefix_beside_the_one_before() -> None:
    found = rungs(record(*GOOD), ())
    costs = [rung.costs["nd_pmem"] for rung in found]
    assert [c.mean_ms for c in costs] == [100, 80, 60]
    assert [c.below_base_percent for c in costs] == [None, pytest.approx(20), pytest.approx(40)]
    assert [c.below_parent_percent for c in costs] == [None, pytest.approx(20), pytest.approx(25)]
    assert all(rung.holds for rung in found)
    assert "bisectable" in text(record(*GOOD))


def test_only_the_prefix_that_a_claim_is_made_after_answers_to_it() -> None:
    made = rungs(record(*GOOD), builders.claims())
    assert [len(rung.verdicts) for rung in made] == [0, 0, 2]
    after = [msgspec.structs.replace(c, after_patch=1) for c in builders.claims()]
    made = rungs(record(*GOOD), after)
    assert [len(rung.verdicts) for rung in made] == [0, 2, 0]
    assert {v.verdict for v in made[1].verdicts} == {"untested"}


def test_a_prefix_is_judged_though_another_failed() -> None:
    lost = Boot(side="2", number=1, outcome="panicked", reason="oh")
    made = msgspec.structs.replace(record(*GOOD[:2], lost), outcome="failed", reason="2 is lost")
    assert beside_base(made, made.sides[1]).outcome == "complete"
    assert beside_base(made, made.sides[2]).outcome == "failed"
    found = rungs(made, ())
    assert [rung.boots for rung in found] == [True, True, False]
    assert found[2].why == "boot 1 is panicked: oh"
    assert found[2].costs == {}


@pytest.mark.parametrize(
    ("second", "memmaps", "why"),
    [
        (boot("2", 60, "other"), "differs", "its struct pages are not as base's"),
        (
            msgspec.structs.replace(boot("2", 60), memmaps=(Memmap("nd_pmem", 0, "", "cut"),)),
            "unreadable",
            "its struct pages are unreadable",
        ),
        (msgspec.structs.replace(boot("2", 60), memmaps=()), "none", ""),
        (
            msgspec.structs.replace(boot("2", 60), findings=(Finding("warn", 3, "x"),)),
            "equal",
            "boot 1 shows warn on its console",
        ),
        (
            msgspec.structs.replace(boot("2", 60), checks=(Check("clock", False, "HZ=250"),)),
            "equal",
            "boot 1 fails the check clock: HZ=250",
        ),
    ],
)
def test_what_is_wrong_with_a_prefix_is_said(second: Boot, memmaps: str, why: str) -> None:
    found = rungs(record(*GOOD[:2], second), ())
    assert (found[2].memmaps, found[2].why) == (memmaps, why)
    assert found[2].holds == (not why)
    assert found[1].holds


def test_a_boot_that_was_not_made_is_missed() -> None:
    found = rungs(record(*GOOD[:2]), ())
    assert found[2].why == "0 of 1 boots were made"
    assert not found[2].boots


def test_warnings_count_against_the_prefix_before_alone() -> None:
    made = record(*GOOD, warnings=(("old",), (), ("mm/x.c: [red]w[/red]",)))
    found = rungs(made, ())
    assert [rung.new_warnings for rung in found] == [None, (), ("mm/x.c: [red]w[/red]",)]
    assert [rung.holds for rung in found] == [True, True, False]
    assert "patch 2 adds a warning: mm/x.c: [red]w[/red]" in text(made)
    # Without the prefix between them, they may be either patch's.
    gap = msgspec.structs.replace(made, sides=(made.sides[0], made.sides[2]))
    assert rungs(gap, ())[1].new_warnings is None


def test_a_prefix_that_does_not_build_has_a_row() -> None:
    missing = Unbuilt(1, "patch 1", "does not build: no\nx.c:1: error")
    made = record(GOOD[0], GOOD[2])
    made = msgspec.structs.replace(made, sides=(made.sides[0], made.sides[2]), unbuilt=(missing,))
    assert is_ladder(made)
    found = rungs(made, ())
    assert [(rung.prefix, rung.builds) for rung in found] == [(0, True), (1, False), (2, True)]
    assert found[1].why == "does not build: no"
    assert found[2].costs["nd_pmem"].below_parent_percent is None
    assert "patch 1: does not build: no" in text(made)
    document = ladder.document(made, "r", found)
    assert not document["bisectable"]
    assert document["rungs"][1]["drivers"] == {}


def test_base_and_tip_are_no_ladder() -> None:
    assert not is_ladder(builders.record())
    assert is_ladder(record())


@pytest.mark.parametrize(
    ("missing", "last", "expected"),
    [
        (range(9), None, tuple(range(9))),
        (range(1, 8), 8, (7, 6, 5, 4, 3, 2, 1)),
        (range(1, 8), 0, (1, 2, 3, 4, 5, 6, 7)),
        ((), 8, ()),
        ((4,), 1, (4,)),
    ],
)
def test_the_order_is_the_one_that_changes_headers_least(
    missing: Sequence[int], last: int | None, expected: tuple[int, ...]
) -> None:
    assert order(SERIES, tuple(missing), last) == expected


@given(
    st.lists(st.sampled_from([C, H]), min_size=1, max_size=9).flatmap(
        lambda changed: st.tuples(
            st.just(changed),
            st.sets(st.integers(0, len(changed))),
            st.none() | st.integers(0, len(changed)),
        )
    )
)
def test_every_order_has_what_is_missing_once(
    drawn: tuple[list[tuple[str, ...]], set[int], int | None],
) -> None:
    changed, missing, last = drawn
    assert sorted(order(changed, tuple(missing), last)) == sorted(missing)
