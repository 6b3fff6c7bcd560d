# SPDX-License-Identifier: GPL-2.0-only
"""Rows from passes: what counts as cost, what as equal, what as the limit."""

import msgspec
import pytest

from harness.analysis.replayed import fillings, null, rows
from harness.model.record import Comparison, Evidence, Pass, RunRecord
from tests.unit.builders import record, side

PAGES, SIZE = 1000, 64


def one(
    name: str, round_number: int, index: int, ns: int, kind: str = "order0", digest: str = ""
) -> Pass:
    return Pass(
        side=name,
        process=round_number * 10 + index,
        round=round_number,
        index=index,
        kind=kind,
        ns=ns * 2,  # somebody else had the CPU for half of it
        cpu_ns=ns,
        nr_pages=PAGES if name != "limit" else 0,
        nr_bytes=PAGES * SIZE,
        digest=digest,
    )


def replayed(passes: list[Pass], comparisons: tuple[Comparison, ...] = ()) -> RunRecord:
    evidence: Evidence = "replay"
    sides = (side("base", 0), side("1", 1))
    made = record(evidence)
    return msgspec.structs.replace(
        made, sides=sides, boots=(), passes=tuple(passes), comparisons=comparisons
    )


def usual(tip_digest: str = "d") -> list[Pass]:
    passes = []
    for r in range(5):
        passes += [one("base", r, 0, 9000), one("base", r, 1, 4000 + r), one("base", r, 2, 4400)]
        passes += [one("1", r, 0, 8000), one("1", r, 1, 3900), one("1", r, 2, 3000 + r)]
        passes += [one("limit", r, 1, 2500, "movnti"), one("limit", r, 2, 2000, "rep-stosb")]
    passes += [one("base", 0, 3, 4500, digest="d"), one("1", 0, 3, 4500, digest=tip_digest)]
    return passes


def test_the_fastest_pass_of_a_process_counts_and_the_first_is_apart() -> None:
    base, tip = (row.kinds["order0"] for row in rows(replayed(usual())))
    assert base.ns_per_page == pytest.approx(4.002)
    assert tip.ns_per_page == pytest.approx(3.002)
    assert base.first_ms == pytest.approx(0.009)
    assert tip.ratio == pytest.approx(0.75, abs=0.001)
    assert tip.ratio_low is not None and tip.ratio_high is not None
    assert tip.ratio_low <= tip.ratio <= tip.ratio_high
    assert (base.ratio, base.ratio_low, base.ratio_high) == (1, 1, 1)


def test_the_limit_is_the_best_that_leaves_the_cache_alone() -> None:
    found = replayed(usual())
    assert [(f.how, f.non_temporal) for f in fillings(found)] == [
        ("rep-stosb", False),
        ("movnti", True),
    ]
    tip = rows(found)[1].kinds["order0"]
    assert tip.limit_share == pytest.approx(2500 / 3002, rel=1e-3)


def test_without_a_limit_there_is_no_share_of_it() -> None:
    passes = [p for p in usual() if p.side != "limit"]
    assert rows(replayed(passes))[0].kinds["order0"].limit_share is None


def test_memmaps_are_equal_where_both_cases_and_digests_are() -> None:
    good = Comparison("1", 100, 1, equal=True, detail="")
    bad = Comparison("1", 100, 1, equal=False, detail="_refcount")

    def equal(digest: str, *compared: Comparison) -> bool | None:
        return rows(replayed(usual(digest), compared))[1].kinds["order0"].equal_memmap

    assert equal("d", good) is True
    assert equal("d", bad) is False
    assert equal("x", good) is False
    undigested = [msgspec.structs.replace(p, digest="") for p in usual()]
    assert rows(replayed(undigested))[1].kinds["order0"].equal_memmap is None


def test_base_against_itself_is_judged_try_by_try() -> None:
    passes = []
    for r in range(12):
        off = 1.0 if r < 6 else 1.5  # the second half is another machine
        passes += [one("base", r, 1, 4000 + r), one("1", r, 1, int((4000 - r) * off))]
    made = replayed(passes)
    made = msgspec.structs.replace(made, setup=msgspec.structs.replace(made.setup, boots=12))
    found = null(made, 2)["order0"]
    assert (found.tries, found.held) == (2, 1)
    with pytest.raises(ValueError, match="2 rounds a try"):
        null(made, 6)
