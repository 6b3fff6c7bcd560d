# SPDX-License-Identifier: GPL-2.0-only
"""Per-patch runs: each patch's effect, whether it holds, and the order that compiles least."""

from collections import Counter
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from harness.errors import NotComparable
from harness.jobs.per_patch import build_order
from harness.judge.conclude import conclude
from harness.judge.conditions.validity import gather, of_pair
from harness.judge.ratios.per_patch import cost_steps
from harness.judge.ratios.prefixes import PrefixResult
from harness.judge.rule_syntax import parse_rule
from harness.judge.runs import pair as pairs
from harness.judge.runs.run_diff import compare
from harness.judge.verdict import judge
from harness.memmap.compare import by_digest
from harness.project.claim import Claim
from harness.record.record import Boot, BootRun, Build, Check, Finding, Memmap, Unbuilt
from harness.report.formats.json import document
from harness.report.page.run_page import page
from harness.report.terminal.run import terminal
from tests.unit import builders, conclusions
from tests.unit.reports import FORMS

C, H = ("mm/mm_init.c",), ("include/linux/mm.h",)
#: The series on trial: patches 2, 5 and 6 change headers.
SERIES = (C, H, C, C, H, H, C, C)


def boot(build: str, ms: int, digest: str = "same") -> Boot:
    made = builders.boot(build, 1, ms)
    left = tuple(Memmap(driver, 9, digest) for driver in ("nd_pmem", "dax_pmem"))
    return msgspec.structs.replace(made, memmaps=left)


def record(*boots: Boot, warnings: Sequence[tuple[str, ...] | None] = ()) -> BootRun:
    """Base and two prefixes, one boot each."""
    made = builders.record("boot-tcg")
    builds = []
    for k in range(3):
        build = builders.build(str(k) if k else "base", k)
        new = warnings[k] if warnings else None
        builds.append(msgspec.structs.replace(build, new_warnings=new))
    setup = msgspec.structs.replace(made.setup, boots=1)
    return msgspec.structs.replace(made, setup=setup, builds=tuple(builds), boots=boots)


GOOD = (boot("base", 100), boot("1", 80), boot("2", 60))


def beside_base(made: BootRun, build: Build) -> BootRun:
    return pairs.beside_base(made, build, by_digest(made))


def results(made: BootRun, claims: Sequence[Claim]) -> tuple[PrefixResult, ...]:
    return conclude(made, claims).prefixes


def text(made: BootRun) -> str:
    console = Console(width=200, no_color=True, highlight=False)
    with console.capture() as captured:
        console.print(terminal(conclude(made, builders.claims())))
    return " ".join(captured.get().split())


def test_a_patchs_effect_is_relative_to_the_prefix_before() -> None:
    found = results(record(*GOOD), ())
    costs = [prefix.costs["nd_pmem"] for prefix in found]
    assert [c.mean_ms for c in costs] == [100, 80, 60]
    assert [c.below_base_percent for c in costs] == [None, pytest.approx(20), pytest.approx(40)]
    assert [c.below_parent_percent for c in costs] == [None, pytest.approx(20), pytest.approx(25)]
    assert all(prefix.holds for prefix in found)
    assert "bisectable" in text(record(*GOOD))


def test_a_claim_is_compared_with_its_own_prefix() -> None:
    made = results(record(*GOOD), builders.claims())
    assert [len(prefix.verdicts) for prefix in made] == [0, 0, 2]
    after = [msgspec.structs.replace(c, after_patch=1) for c in builders.claims()]
    made = results(record(*GOOD), after)
    assert [len(prefix.verdicts) for prefix in made] == [0, 2, 0]
    assert {v.verdict for v in made[1].verdicts} == {"untested"}


def with_follow_up(last: Boot) -> BootRun:
    made = record(*GOOD, last, warnings=(None, (), ()))
    own = msgspec.structs.replace(
        builders.build("follow-up", 2), new_warnings=(), own_patch_ids=("e" * 40,)
    )
    return msgspec.structs.replace(made, builds=(*made.builds, own))


def test_no_claim_is_about_a_follow_up() -> None:
    made = with_follow_up(boot("follow-up", 40))
    found = conclude(made, builders.claims())
    assert {verdict.build for verdict in found.verdicts} == {"2"}
    assert [len(prefix.verdicts) for prefix in found.prefixes] == [0, 0, 2, 0]
    last = found.prefixes[-1]
    assert (last.name, last.prefix, last.title, last.holds) == ("follow-up", 2, "", True)
    assert last.costs["nd_pmem"].below_base_percent == pytest.approx(60)
    assert last.costs["nd_pmem"].below_parent_percent == pytest.approx(100 / 3)
    for form in FORMS.values():
        assert "follow-up" in str(form(found))
    shown = text(made)
    assert "follow-up: memmap-harness's own, in no posted version: no claim is about it" in shown
    assert "bisectable: every prefix builds" in shown
    assert "no claim is about it" in page(found, has=lambda _: False)
    timed = msgspec.structs.replace(made, evidence="boot-kvm")
    (costs, *_) = cost_steps(conclude(timed, builders.claims()))
    assert [step.build for step in costs.steps] == ["1", "2"]


def test_a_follow_up_that_differs_leaves_the_series_bisectable() -> None:
    made = with_follow_up(boot("follow-up", 40, "other"))
    assert results(made, ())[-1].why == "its struct pages are not as base's"
    assert "bisectable" in text(made)
    assert "follow-up: its struct pages are not as base's" in text(made)


def test_a_failed_prefix_does_not_affect_others() -> None:
    lost = Boot(build="2", number=1, outcome="panicked", reason="oh")
    made = msgspec.structs.replace(record(*GOOD[:2], lost), outcome="failed", reason="2 is lost")
    assert beside_base(made, made.builds[1]).outcome == "complete"
    assert beside_base(made, made.builds[2]).outcome == "panicked"
    found = results(made, ())
    assert [prefix.boots for prefix in found] == [True, True, False]
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
def test_a_prefix_says_why_it_does_not_hold(second: Boot, memmaps: str, why: str) -> None:
    found = results(record(*GOOD[:2], second), ())
    assert (found[2].memmaps, found[2].why) == (memmaps, why)
    assert found[2].holds == (not why)
    assert found[1].holds


def test_missing_boots_are_named() -> None:
    found = results(record(*GOOD[:2]), ())
    assert found[2].why == "0 of 1 planned boots were run"
    assert not found[2].boots


def test_warnings_are_new_relative_to_the_prefix_before() -> None:
    made = record(*GOOD, warnings=(("old",), (), ("mm/x.c: [red]w[/red]",)))
    found = results(made, ())
    assert [prefix.new_warnings for prefix in found] == [None, (), ("mm/x.c: [red]w[/red]",)]
    assert [prefix.holds for prefix in found] == [True, True, False]
    assert "patch 2 adds a warning: mm/x.c: [red]w[/red]" in text(made)
    # Without the prefix between them, they may be either patch's.
    gap = msgspec.structs.replace(made, builds=(made.builds[0], made.builds[2]))
    assert results(gap, ())[1].new_warnings is None


def test_a_prefix_that_does_not_build_has_a_row() -> None:
    missing = Unbuilt(1, "does not build: no\nx.c:1: error")
    made = record(GOOD[0], GOOD[2])
    made = msgspec.structs.replace(
        made, builds=(made.builds[0], made.builds[2]), unbuilt=(missing,)
    )
    assert made.is_per_patch
    found = results(made, ())
    assert [(prefix.prefix, prefix.builds) for prefix in found] == [
        (0, True),
        (1, False),
        (2, True),
    ]
    assert found[1].why == "does not build: no"
    assert found[2].costs["nd_pmem"].below_parent_percent is None
    assert "patch 1: does not build: no" in text(made)
    assert "patch 1: x.c:1: error" in text(made)
    found_by_programs = document(conclude(made, ()), "r")
    assert not found_by_programs["bisectable"]
    assert found_by_programs["prefixes"][1]["metrics"] == {}
    assert found_by_programs["headline"] == "patch 1: does not build: no"


def test_base_and_tip_alone_are_not_a_per_patch_run() -> None:
    assert not builders.record().is_per_patch
    assert record().is_per_patch
    null = builders.record()
    again = msgspec.structs.replace(null.builds[1], name="again", prefix=0)
    assert not msgspec.structs.replace(null, builds=(null.builds[0], again)).is_per_patch


def test_differing_struct_pages_are_inconclusive() -> None:
    made = record(*GOOD[:2], boot("2", 60, "other"))
    part = beside_base(made, made.builds[2])
    assert part.outcome == "failed"
    assert "struct pages of nd_pmem, boot 1" in part.reason
    assert beside_base(made, made.builds[1]).outcome == "complete"
    kvm = msgspec.structs.replace(made, evidence="boot-kvm")
    assert {v.verdict for v in conclude(kvm, builders.claims()).verdicts} == {"inconclusive"}


def test_a_run_in_which_no_patch_builds_has_a_conclusion() -> None:
    missing = tuple(Unbuilt(k, "does not build") for k in (1, 2))
    made = record(GOOD[0])
    made = msgspec.structs.replace(made, builds=made.builds[:1], unbuilt=missing)
    found = conclude(made, builders.claims(), rules=[parse_rule("memmap.equal")])
    assert [prefix.builds for prefix in found.prefixes] == [True, False, False]
    assert found.verdicts == found.effects == ()
    assert [rule.reason for rule in found.rules] == ["patch 1 does not build"]
    for form in FORMS.values():
        assert form(found)
    assert page(found, has=lambda _: False)


def test_a_per_patch_run_is_compared_by_its_base_and_tip() -> None:
    run = conclusions.per_patch()
    other = msgspec.structs.replace(builders.record(), run_id="20260102T000000-abcdef")
    pair = beside_base(run, run.builds[2])
    assert compare(run, other) == compare(pair, other)
    (first, *_) = compare(run, other)
    assert (round(first.before, 2), round(first.after, 2)) == (0.25, 0.40)
    missing = msgspec.structs.replace(
        run, builds=run.builds[:2], unbuilt=(Unbuilt(2, "does not build"),)
    )
    with pytest.raises(NotComparable, match="has no tip: patch 2 does not build"):
        compare(missing, other)


def test_each_prefix_is_judged_as_in_a_run_of_two() -> None:
    run = conclusions.per_patch()
    found = conclude(run, conclusions.after_patches())
    assert [(v.build, v.after_patch, v.verdict) for v in found.verdicts] == [
        ("1", 1, "reproduced"),
        ("2", None, "reproduced"),
        ("2", None, "reproduced"),
    ]
    for verdict in found.verdicts:
        build = next(build for build in run.builds if build.name == verdict.build)
        pair = beside_base(run, build)
        assert verdict in judge(gather(pair), conclusions.after_patches())
        assert of_pair(gather(run), run, build) == gather(pair)


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
    assert build_order(SERIES, tuple(missing), last) == expected


@given(
    st.lists(st.sampled_from([C, H]), min_size=1, max_size=9).flatmap(
        lambda changed: st.tuples(
            st.just(changed),
            st.sets(st.integers(0, len(changed))),
            st.none() | st.integers(0, len(changed)),
        )
    )
)
def test_every_order_has_each_missing_prefix_once(
    drawn: tuple[list[tuple[str, ...]], set[int], int | None],
) -> None:
    changed, missing, last = drawn
    assert sorted(build_order(changed, tuple(missing), last)) == sorted(missing)


def test_each_boot_is_examined_once(monkeypatch: pytest.MonkeyPatch) -> None:
    run, looks = conclusions.per_patch(), Counter[tuple[str, int]]()
    counts = Boot.counts.fget  # type: ignore[attr-defined]

    def counted(boot: Boot) -> bool:
        looks[boot.build, boot.number] += 1
        return bool(counts(boot))

    monkeypatch.setattr(Boot, "counts", property(counted))
    assert conclude(run, conclusions.after_patches()).verdicts
    assert looks == {(boot.build, boot.number): 1 for boot in run.boots}
