# SPDX-License-Identifier: GPL-2.0-only
"""Rules: an invalid one is refused; one about something not measured fails."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import InputError
from harness.judge.conclude import conclude
from harness.judge.rule_syntax import METRICS, TRAFFIC, Rule, parse_rule
from harness.judge.rules import RuleResult
from harness.record.record import Count, Lines, Memmap, ReplayRun, RunRecord, Traffic
from tests.unit.builders import record
from tests.unit.replays import replay

replace = msgspec.structs.replace


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("nd_pmem.rebind.ratio<0.6", ("nd_pmem", "", "rebind", "ratio", "<", 0.6)),
        ("order9.ratio_high<=0.8", ("order9", "", "rebind", "ratio_high", "<=", 0.8)),
        (" dax_pmem.first.ratio < 1.05 ", ("dax_pmem", "", "first", "ratio", "<", 1.05)),
        ("order0@each.ratio>=1", ("order0", "each", "rebind", "ratio", ">=", 1.0)),
        ("order0@rep-movsb.first.ms>3", ("order0", "rep-movsb", "first", "ms", ">", 3.0)),
        ("order0.traffic.ordinary==0", ("order0", "", "traffic", "ordinary", "==", 0.0)),
        ("order9@7.traffic.whole>=0.99", ("order9", "7", "traffic", "whole", ">=", 0.99)),
        ("order0.instructions==14", ("order0", "", "rebind", "instructions", "==", 14.0)),
        ("memmap.equal", ("", "", "rebind", "memmap.equal", "<", 0.0)),
    ],
)
def test_a_rule_is_parsed(text: str, parts: tuple[object, ...]) -> None:
    rule = parse_rule(text)
    assert (rule.kind, rule.build, rule.op, rule.metric, rule.relation, rule.bound) == parts
    assert rule.text == text.strip()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is not a rule"),
        ("nd_pmem.ratio", "is not a rule"),
        ("nd_pmem.ratio=0.6", "is not a rule"),
        ("nd_pmem.ratio==0.6", "ratio is measured, never exactly equal"),
        ("order0.ms==0.6", "ms is measured, never exactly equal"),
        ("order0.traffic.ratio<1", "expected one of whole, partial, ordinary, twice, read_back"),
        ("order0.ordinary==0", "expected one of ratio, ratio_low"),
        ("order0.traffic==0", "expected one of ratio, ratio_low"),
        ("order0.traffic.ordinary=0", "is not a rule"),
        ("order0.traffic.ordinary===0", "is not a rule"),
        ("nd_pmem.ratio<1<2", "is not a rule"),
        ("nd_pmem.ratio<", "is not a number"),
        ("nd_pmem.ratio<x", "is not a number"),
        ("nd_pmem.ratio<-1", "is not a number"),
        ("nd_pmem.ratio<1e3", "is not a number"),
        ("nd_pmem.ratio<nan", "is not a number"),
        ("nd_pmem.ratio<inf", "is not a number"),
        ("nd_pmem.ratio<٣", "is not a number"),
        ("nd_pmem<1", "names nothing"),
        ("<1", "names nothing"),
        ("nd_pmem@.ratio<1", "names nothing"),
        ("nd_pmem .ratio<1", "names nothing"),
        ("nd_pmen.ratio<1", "expected one of nd_pmem, dax_pmem, order0, order9"),
        ("nd_pmem.second.ratio<1", "expected one of rebind, first"),
        ("order0.speed<1", "expected one of ratio, ratio_low"),
        ("order0.first.instructions<1", "counted for rebinds"),
        ("memmap.equals", "is not a rule"),
        ("memmap.equal<1", "no kind 'memmap'"),
        ("x" * 5000, "is not a rule"),
    ],
)
def test_an_invalid_rule_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match="expected") as caught:
        parse_rule(text)
    message = str(caught.value)
    assert said in message and "expected" in message
    assert len(message) < 250 and "\n" not in message


@given(st.text(max_size=60))
def test_any_text_is_a_rule_or_one_line(text: str) -> None:
    try:
        rule = parse_rule(text)
    except ValueError as error:
        assert len(str(error).splitlines()) == 1
    else:
        assert rule.metric in {*METRICS, *TRAFFIC, "memmap.equal"}


@given(st.floats(0.01, 5), st.floats(0.01, 5))
def test_exactly_one_of_two_opposite_rules_holds(value: float, bound: float) -> None:
    below = Rule("", relation="<", bound=bound)
    for relation, other in (("<", ">="), ("<=", ">")):
        pair = [replace(below, relation=r) for r in (relation, other)]
        assert [r.holds(value) for r in pair].count(True) == 1
        assert not any(r.holds(float("nan")) for r in pair)


def held(rec: RunRecord, *texts: str, nulls: tuple[RunRecord, ...] = ()) -> list[RuleResult]:
    return list(conclude(rec, (), nulls, [parse_rule(t) for t in texts]).rules)


def test_rules_on_boots() -> None:
    gates = held(
        record(),
        "nd_pmem.rebind.ratio<0.6",
        "nd_pmem.ratio<0.3",
        "dax_pmem.first.ratio<1.05",
        "nd_pmem.ms<=110",
        "nd_pmem.ns_per_page<5",
        "nd_pmem@tip.ratio_high<0.5",
    )
    assert [g.ok for g in gates] == [True, False, True, True, True, True]
    assert gates[0].value == pytest.approx(0.404, abs=0.001)
    assert "0.404" in gates[0].reason
    assert gates[3].value == 110


def test_rules_on_a_replay_take_the_last_build_or_each() -> None:
    rec = replay({"base": [4000.0] * 5, "1": [4100.0] * 5, "2": [2000.0] * 5})
    gates = held(
        rec,
        "order0.ratio<0.6",
        "order0@1.ratio<1.02",
        "order0@each.ratio<1.02",
        "order9@each.ratio<1.03",
        "memmap.equal",
    )
    assert [g.ok for g in gates] == [True, False, False, True, True]
    assert "of 1 is 1.025" in gates[2].reason
    own = replay({"base": [4000.0] * 5, "1": [2000.0] * 5, "follow-up": [4100.0] * 5})
    gates = held(own, "order0.ratio<0.6", "order0@follow-up.ratio<0.6", "order0@each.ratio<0.6")
    assert [g.ok for g in gates] == [True, False, False]


@pytest.mark.parametrize(
    ("rec", "text", "said"),
    [
        (record(), "order0.ratio<2", "the run has nd_pmem.rebind, nd_pmem.first"),
        (record(), "nd_pmem@5.ratio<2", "no build '5'; the run has tip"),
        (record(), "nd_pmem.instructions<200", "was not measured"),
        (record(), "memmap.equal", "no struct pages were compared"),
        (record(base_ms=[270] * 2, tip_ms=[110] * 2), "nd_pmem.ratio<2", "too few"),
        (replace(record(), boots=()), "nd_pmem.ratio<2", "was not measured; the run has none"),
        (replace(record(), outcome="lost", reason="killed"), "nd_pmem.ratio<2", "lost: killed"),
        (replace(record(), outcome="failed", reason="x"), "memmap.equal", "failed: x"),
        (record(base_ms=[8] * 3, tip_ms=[4] * 3), "nd_pmem.ratio<2", "clock's step"),
    ],
)
def test_a_rule_without_a_usable_value_fails(rec: RunRecord, text: str, said: str) -> None:
    (gate,) = held(rec, text)
    assert not gate.ok
    assert gate.value is None
    assert said in gate.reason


def test_one_boot_that_does_not_count_fails_every_time() -> None:
    rec = record(base_ms=[270] * 4, tip_ms=[110] * 4)
    rec = replace(
        rec, boots=(replace(rec.boots[0], outcome="panicked", reason="Oops"), *rec.boots[1:])
    )
    (gate,) = held(rec, "nd_pmem.ratio<2")
    assert not gate.ok and "Oops" in gate.reason


def test_emulated_times_are_refused_but_not_the_memmaps() -> None:
    rec = record("boot-tcg")
    with pytest.raises(InputError, match="emulated") as caught:
        held(rec, "nd_pmem.ratio<0.6")
    assert caught.value.exit_code == 2
    boots = tuple(replace(b, memmaps=(Memmap("nd_pmem", 9, "a"),)) for b in rec.boots)
    assert [g.ok for g in held(replace(rec, boots=boots), "memmap.equal")] == [True]


def test_one_memmap_that_differs_or_cannot_be_read_fails() -> None:
    rec = record("boot-tcg")
    boots = [replace(b, memmaps=(Memmap("nd_pmem", 9, "a"),)) for b in rec.boots]
    for bad in (Memmap("nd_pmem", 9, "b"), Memmap("nd_pmem", 0, "", "no info block")):
        last = replace(boots[-1], memmaps=(bad,))
        (gate,) = held(replace(rec, boots=(*boots[:-1], last)), "memmap.equal")
        assert not gate.ok and "nd_pmem of tip" in gate.reason
    differing = replay({"base": [4000.0] * 5, "1": [4000.0] * 5}, digests={"1": "other"})
    assert not held(differing, "memmap.equal")[0].ok


def test_rules_apply_to_counted_instructions_of_any_source() -> None:
    icount = record("boot-icount", base_ms=[37], tip_ms=[20])
    gates = held(icount, "nd_pmem.rebind.ratio<0.6", "nd_pmem.instructions_ratio<0.5")
    assert [g.ok for g in gates] == [True, False]
    rec = replay({"base": [4000.0] * 5, "1": [4000.0] * 5})
    counts = tuple(Count(s, "order0", "valgrind", n) for s, n in (("base", 36.0), ("1", 20.0)))
    rec = replace(rec, counts=counts)
    gates = held(rec, "order0.instructions<21", "order0.instructions_ratio<0.5", "order0.ratio<0.9")
    assert [(g.ok, g.value) for g in gates] == [
        (True, 20),
        (False, pytest.approx(20 / 36)),
        (False, pytest.approx(1)),
    ]


def test_a_null_run_that_differs_fails_the_rules_on_that_kind() -> None:
    rec = replay({"base": [4000.0] * 5, "1": [2000.0] * 5})
    same = replay({"base": [4000.0] * 5, "again": [4400.0] * 5}, kinds=("order0",))
    same = replace(same, run_id="20260102T000000-null00", setup=rec.setup)
    gates = held(rec, "order0.ratio<0.6", "order9.ratio<0.6", nulls=(same,))
    assert [g.ok for g in gates] == [False, True]
    assert "20260102T000000-null00" in gates[0].reason


def with_traffic() -> ReplayRun:
    """A replay of base, which stores each line by ordinary stores, and of two prefixes."""
    rec = replay({"base": [4000.0] * 5, "1": [4000.0] * 5, "2": [2000.0] * 5})
    lines = {
        "base": Lines(whole=0, partial=0, ordinary=1, twice=0, read_back=0),
        "1": Lines(whole=0.5, partial=0, ordinary=0.5, twice=0, read_back=0),
        "2": Lines(whole=1, partial=0, ordinary=0, twice=0, read_back=0),
    }
    return replace(rec, traffic=tuple(Traffic(b, "order0", found) for b, found in lines.items()))


def test_rules_on_traffic() -> None:
    gates = held(
        with_traffic(),
        "order0.traffic.ordinary==0",
        "order0@1.traffic.ordinary==0",
        "order0@each.traffic.whole>=0.5",
        "order0@each.traffic.whole==1",
        "order0.traffic.twice<0.01",
    )
    assert [(g.ok, g.value) for g in gates] == [
        (True, 0),
        (False, 0.5),
        (True, 0.5),
        (False, 0.5),
        (True, 0),
    ]
    assert gates[1].reason == "ordinary of 1 is 0.5 lines per page: == 0 fails"


@pytest.mark.parametrize(
    ("rec", "text"),
    [
        (with_traffic(), "order9.traffic.ordinary==0"),
        (replay({"base": [4000.0] * 5, "1": [4000.0] * 5}), "order0.traffic.ordinary==0"),
        (record(), "nd_pmem.traffic.ordinary==0"),
    ],
)
def test_traffic_that_was_not_counted_fails_a_rule(rec: RunRecord, text: str) -> None:
    (gate,) = held(rec, text)
    assert (gate.ok, gate.value) == (False, None)
    assert "was not counted; see `harness replay count`" in gate.reason
