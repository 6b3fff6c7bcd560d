# SPDX-License-Identifier: GPL-2.0-only
"""Rows of a replay: costs, equality and the limit."""

from pathlib import Path

import msgspec
import pytest
from scipy.stats import binom

from harness.cli.commands.replay import _show_null
from harness.judge.conclude import conclude
from harness.judge.ratios.passes import by_slice, paired
from harness.judge.ratios.per_patch import cost_steps
from harness.judge.ratios.ratios import effects
from harness.judge.ratios.replay_ratios import (
    Null,
    ReplayRow,
    dealt,
    fewest_held,
    fillings,
    null,
)
from harness.judge.tabulate import of_passes, tabulate
from harness.record import store
from harness.record.record import Comparison, Pass, ReplayRun
from harness.report.phrases import is_whole
from tests.unit.builders import build, claims
from tests.unit.replays import blank, replay
from tests.unit.reports import as_terminal

PAGES, SIZE = 1000, 64


def one(
    name: str, round_number: int, index: int, ns: int, kind: str = "order0", digest: str = ""
) -> Pass:
    return Pass(
        build=name,
        process=round_number * 10 + index,
        round=round_number,
        index=index,
        kind=kind,
        ns=ns * 2,  # another program had the CPU for half of it
        cpu_ns=ns,
        nr_pages=PAGES if name != "limit" else 0,
        nr_bytes=PAGES * SIZE,
        digest=digest,
    )


def replayed(passes: list[Pass], comparisons: tuple[Comparison, ...] = ()) -> ReplayRun:
    builds = (build("base", 0), build("1", 1))
    return msgspec.structs.replace(
        blank(), builds=builds, passes=tuple(passes), comparisons=comparisons
    )


def rows(made: ReplayRun) -> tuple[ReplayRow, ...]:
    return conclude(made, ()).rows


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
    assert [(f.how, f.non_temporal) for f in fillings(of_passes(found))] == [
        ("rep-stosb", False),
        ("movnti", True),
    ]
    tip = rows(found)[1].kinds["order0"]
    assert tip.limit_share == pytest.approx(2500 / 3002, rel=1e-3)


def test_without_a_limit_there_is_no_share_of_it() -> None:
    passes = [p for p in usual() if p.build != "limit"]
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
    found = null(made, 2, 6, 1)["order0"]
    assert (found.tries, found.rounds, found.held) == (2, 12, 1)
    with pytest.raises(ValueError, match="2 rounds per try"):
        null(made, 6, 2, 1)


def test_the_least_number_of_tries_that_must_hold() -> None:
    for tries in (1, 2, 3, 14, 100, 200, 10_000):
        fewest = fewest_held(tries)
        assert binom.cdf(fewest - 1, tries, 0.95) < 0.001 <= binom.cdf(fewest, tries, 0.95)
    # "95 of 100" fails by chance in 38 % of runs.
    assert [fewest_held(n) for n in (1, 2, 3, 100)] == [0, 0, 1, 87]


@pytest.mark.parametrize(("held", "ok"), [(100, True), (94, True), (87, True), (86, False)])
def test_a_null_run_fails_only_where_its_intervals_are_too_narrow(held: int, ok: bool) -> None:
    passes = []
    for r in range(300):  # three rounds a try; in the last tries the build is slower by half
        off = 1.0 if r < 3 * held else 1.5
        passes += [one("base", r, 1, 4000 + r), one("1", r, 1, int((4000 + r) * off) + r % 3 - 1)]
    found = null(replayed(passes), 100, 3, 1)["order0"]
    assert (found.held, found.fewest, found.ok) == (held, 87, ok)


@pytest.mark.parametrize(("held", "ok"), [(94, True), (87, True), (86, False), (0, False)])
def test_the_message_about_a_null_run(
    held: int, ok: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = {"order0": Null(100, 200, held, 0.01, fewest_held(100))}
    monkeypatch.setattr("harness.judge.ratios.replay_ratios.null", lambda *_: made)
    assert _show_null(replayed([]), 100, 14, 1, as_json=False) == ok
    said = "holds 1 in fewer than 87 of 100 tries with a probability below 0.1%"
    assert (said in capsys.readouterr().out) != ok


def test_rounds_are_used_once_or_chosen_by_the_seed() -> None:
    rounds = list(range(1, 13))
    assert dealt(rounds, 2, 6, 1) == [rounds[:6], rounds[6:]]
    drawn = dealt(rounds, 50, 6, 1)
    assert all(len(set(found)) == 6 and set(found) <= set(rounds) for found in drawn)
    assert dealt(rounds, 50, 6, 1) == drawn != dealt(rounds, 50, 6, 2)
    with pytest.raises(ValueError, match="12 rounds are not enough for a try of 13"):
        dealt(rounds, 1, 13, 1)


def in_slices(tip: float = 0.5) -> list[Pass]:
    """Return a process per build on four times a slice's pages, then three rounds of slices."""
    replace = msgspec.structs.replace
    found = []
    for name, factor in (("base", 1.0), ("1", tip)):
        for index, ns in enumerate((9000, 4100, 4000)):
            p = one(name, 0, index, round(ns * 4 * factor))
            found.append(replace(p, nr_pages=4 * PAGES, nr_bytes=4 * PAGES * SIZE))
        for number in (1, 2, 3):
            # The machine is slower by half during slice 1: for both, as they are neighbours.
            for at, slower in enumerate((1.0, 1.5, 1.0)):
                cost = (5000 + number) * slower * factor
                found += [
                    replace(one(name, number, 2 * at, 1), slice=at, settles=True),
                    replace(one(name, number, 2 * at + 1, round(cost)), slice=at),
                ]
    return found


def test_slices_are_compared_and_the_whole_namespace_is_shown() -> None:
    base, tip = (row.kinds["order0"] for row in rows(replayed(in_slices())))
    assert base.ns_per_page == pytest.approx(5.002)
    assert base.gb_per_s == pytest.approx(SIZE / 5.002)
    assert (base.ms, base.first_ms) == (pytest.approx(0.016), pytest.approx(0.036))
    assert tip.ratio == pytest.approx(0.5, abs=0.001)
    assert tip.ratio_high is not None
    assert tip.ratio_high == pytest.approx(0.5, abs=0.001)


def test_a_slice_is_compared_with_its_neighbour() -> None:
    passes = [p for p in in_slices(1.0) if p.slice is not None]
    base, build = (by_slice([p for p in passes if p.build == name]) for name in ("base", "1"))
    # One slice of three that is disturbed on one build only is outvoted.
    build = {number: {**slices, 0: slices[0] * 2} for number, slices in build.items()}
    assert paired(base, build).value == pytest.approx(1)
    lacks = {number: {1: slices[1]} for number, slices in build.items() if number != 2}
    assert paired(base, lacks).value == pytest.approx(1)
    with pytest.raises(ValueError, match="form pairs"):
        paired(base, {9: {0: 1}})


def test_costs_of_slices_are_scaled_to_the_whole_namespace() -> None:
    made = replayed(in_slices())
    setup = msgspec.structs.replace(made.setup, nr_pages={"order0": 4 * PAGES})
    (found,) = [
        e for e in effects(tabulate(msgspec.structs.replace(made, setup=setup))) if e.op == "rebind"
    ]
    assert found.base_cost == pytest.approx(4 * 5002)
    assert (found.n_base, found.n_build) == (3, 3)
    assert found.ratio == pytest.approx(0.5, abs=0.001)
    assert "its slices'" in found.method


def test_without_a_call_on_the_whole_namespace_there_is_no_row() -> None:
    passes = [p for p in in_slices() if p.slice is not None]
    assert all(not row.kinds for row in rows(replayed(passes)))


def of_port(patches: int, *names: str) -> ReplayRun:
    """A replay of base, builds of a port with that many patches, and its follow-up."""
    costs = {name: [4000.0 if name == "base" else 1500.0] * 5 for name in ("base", *names)}
    made = replay(costs, prefixes={"follow-up": patches})
    subject = msgspec.structs.replace(
        made.subject, patch_ids=tuple(f"{n:040}" for n in range(patches)), source="port v7.2"
    )
    return msgspec.structs.replace(made, subject=subject)


def test_the_last_patch_of_a_port_answers_to_the_claims_and_its_follow_up_to_none() -> None:
    found = conclude(of_port(7, "3", "7", "follow-up"), claims())
    assert {(v.metric, v.build) for v in found.verdicts} == {("nd_pmem", "7"), ("dax_pmem", "7")}
    assert [row.build for row in found.rows] == ["base", "3", "7", "follow-up"]
    (costs, *_) = cost_steps(found)
    assert [step.build for step in costs.steps] == ["3", "7"]
    part = of_port(7, "3", "follow-up")
    assert not is_whole(part)
    assert [step.build for step in cost_steps(conclude(part, claims()))[0].steps] == ["3"]


def test_a_record_of_a_port_with_8_patches_is_read_as_it_was_made(tmp_path: Path) -> None:
    made = of_port(8, *map(str, range(1, 9)))
    loaded = store.load(store.save(tmp_path, made))
    assert loaded == made
    assert {v.build for v in conclude(loaded, claims()).verdicts} == {"8"}
    assert "8" in as_terminal(conclude(loaded, claims()))
