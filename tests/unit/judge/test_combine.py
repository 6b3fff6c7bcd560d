# SPDX-License-Identifier: GPL-2.0-only
"""Boots with a replay beside them: one verdict per claim, and its evidence."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import InputError
from harness.judge.conclude import Conclusion, conclude
from harness.judge.exit_code import judge_exit_code, reproduce_exit_code
from harness.judge.rule_syntax import parse_rule
from harness.report.formats.tested_by import withheld
from harness.report.verdict_line import answer, headline
from tests.unit import replays
from tests.unit.builders import claims, record
from tests.unit.conclusions import after_patches, memmaps, per_patch, posted, replay
from tests.unit.reports import FORMS, PERSON, as_terminal

replace = msgspec.structs.replace
TCG, KVM = memmaps(record("boot-tcg")), posted(memmaps(record()))
PREFIX = replace(claims()[0], after_patch=1, reduction_percent=10.0)


def both(boots: object = TCG, ratio: float = 0.45, percent: float = 59.4) -> Conclusion:
    pages = 1 << 20
    costs = {"base": [4.0 * pages] * 5, "1": [3.6 * pages] * 5, "2": [4.0 * ratio * pages] * 5}
    beside = replays.replay(costs, pages=pages)
    return conclude(boots, claims(percent), replay=beside)  # type: ignore[arg-type]


@pytest.mark.parametrize(("percent", "word"), [(59.4, "supported"), (90.0, "doubted")])
def test_if_boots_leave_a_claim_untested_the_replay_gives_the_verdict(
    percent: float, word: str
) -> None:
    found = both(percent=percent)
    for verdict in found.verdicts:
        assert (verdict.verdict, verdict.evidence) == (word, "replay")
        assert "kernel's own function in user space; boots: emulated, not timed" in verdict.reason
        assert verdict.boots is not None and verdict.boots.verdict == "untested"
        assert verdict.replay is not None and verdict.replay.verdict == word
        assert verdict.disagrees == ""
    assert reproduce_exit_code(found) == 0
    assert reproduce_exit_code(found, "supported") == (word == "doubted")
    assert reproduce_exit_code(found, "reproduced") == 1
    assert f"nd_pmem {word} by replay" in headline(found)
    assert answer(found).word == word.capitalize()


def test_boots_decide_where_they_can_and_a_replay_that_disagrees_is_named() -> None:
    found = both(KVM, ratio=0.404)
    assert [(v.verdict, v.evidence) for v in found.verdicts] == [("reproduced", "boot-kvm")] * 2
    assert all("replay: supported, a reduction of 59.6 %" in v.reason for v in found.verdicts)
    assert found.verdicts[0].disagrees == ""
    other = both(KVM, ratio=0.9)
    assert {v.verdict for v in other.verdicts} == {"reproduced"}
    for verdict in other.verdicts:
        assert "the replay a reduction of 10.0 % to 10.0 %" in verdict.disagrees
    text = " ".join(as_terminal(other).split())
    assert "boots show a reduction of 59.3 % to 59.8 %, the replay a reduction of 10.0 %" in text


def test_emulated_boots_cannot_disagree() -> None:
    assert {v.disagrees for v in both(TCG, ratio=0.9).verdicts} == {""}
    host = replace(KVM.machine, hypervisor="tcg")
    assert {v.disagrees for v in both(replace(KVM, machine=host), ratio=0.9).verdicts} == {""}


def test_a_claim_that_only_the_replay_measured_follows_and_withholds_nothing() -> None:
    found = conclude(KVM, (*claims(), PREFIX), replay=replay())
    assert [(v.metric, v.after_patch, v.verdict) for v in found.verdicts] == [
        ("nd_pmem", None, "reproduced"),
        ("dax_pmem", None, "reproduced"),
        ("nd_pmem", 1, "supported"),
    ]
    assert withheld(found, PERSON) == ""
    assert reproduce_exit_code(found, "reproduced") == 0
    assert judge_exit_code(found) == 0
    assert reproduce_exit_code(found, "supported") == 0
    doubted = conclude(KVM, (*claims(), replace(PREFIX, reduction_percent=50)), replay=replay())
    assert reproduce_exit_code(doubted) == 0
    assert reproduce_exit_code(doubted, "supported") == 1


def test_other_struct_pages_in_the_replay_fail_the_run() -> None:
    found = conclude(KVM, claims(), replay=replay(differ=True))
    assert reproduce_exit_code(found) == 1
    assert answer(found).word == "Struct pages differ"
    assert "not identical" in withheld(found, PERSON)


def test_a_replay_that_failed_before_it_had_programs_is_named_and_changes_no_verdict() -> None:
    broken = replace(replays.blank(), builds=(), outcome="failed", reason="no compiler")
    found = conclude(KVM, claims(), replay=broken)
    assert found.verdicts == conclude(KVM, claims()).verdicts
    for name, form in FORMS.items():
        assert "no compiler" in form(found) or name in ("github.txt", "fastpath.txt"), name
    rule = conclude(KVM, claims(), rules=[parse_rule("order0.ratio<1")], replay=broken).rules[0]
    assert (rule.ok, rule.reason) == (False, "the replay is failed: no compiler")


def test_rules_are_held_against_the_run_that_measured_their_kind() -> None:
    texts = ["order0@1.ratio<0.95", "nd_pmem.ratio<0.5", "memmap.equal", "order9@2.ratio<0.1"]
    found = conclude(KVM, claims(), rules=list(map(parse_rule, texts)), replay=replay())
    assert [(one.rule, one.ok) for one in found.rules] == [
        (text, ok) for text, ok in zip(texts, (True, True, True, False), strict=True)
    ]
    differs = conclude(
        KVM, claims(), rules=[parse_rule("memmap.equal")], replay=replay(differ=True)
    )
    assert [one.ok for one in differs.rules] == [False]
    with pytest.raises(InputError, match="emulated times"):
        conclude(TCG, claims(), rules=[parse_rule("nd_pmem.ratio<1")], replay=replay())
    assert (
        conclude(TCG, claims(), rules=[parse_rule("order0@1.ratio<1")], replay=replay()).rules[0].ok
    )


def test_a_per_patch_run_has_the_combined_verdicts_at_its_patches() -> None:
    run = replace(per_patch(), evidence="boot-tcg")
    found = conclude(run, after_patches(), replay=replay())
    assert {v.verdict for one in found.prefixes for v in one.verdicts} <= {"supported", "doubted"}
    assert any(one.verdicts for one in found.prefixes)


@pytest.mark.parametrize("form", FORMS)
def test_every_format_shows_both_kinds(form: str) -> None:
    text = " ".join(FORMS[form](both(percent=90.0)).split())
    assert "boot-tcg" in text or "emulated" in text
    assert "replay" in text and "doubted" in text
    assert "reproduced" not in text and "contradicted" not in text


@settings(max_examples=20, deadline=None)
@given(st.floats(0.2, 1.2), st.sampled_from([10.0, 50.0, 59.4, 90.0]))
def test_combining_never_reproduces_what_boots_did_not(ratio: float, percent: float) -> None:
    for boots in (TCG, KVM):
        alone = {v.metric: v.verdict for v in conclude(boots, claims(percent)).verdicts}
        for verdict in both(boots, ratio, percent).verdicts:
            if alone[verdict.metric] != "untested":
                assert verdict.verdict == alone[verdict.metric]
            else:
                assert verdict.verdict in ("supported", "doubted", "open")
