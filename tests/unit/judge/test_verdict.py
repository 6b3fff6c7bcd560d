# SPDX-License-Identifier: GPL-2.0-only
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.judge.conclude import conclude
from harness.judge.conditions.validity import RunEvidence
from harness.judge.ratios.ratios import Effect
from harness.judge.summary import summarize
from harness.judge.tabulate import of_boots
from harness.judge.verdict import Verdict
from harness.memmap.compare import by_digest
from harness.project.claim import Claim
from harness.record.record import BootRun, Check, Comparison, Finding, Memmap, RunRecord
from harness.report import phrases
from tests.unit.builders import PAGES, claims, record
from tests.unit.replays import replay

replace = msgspec.structs.replace


def judge(rec: RunRecord, promised: Sequence[Claim]) -> tuple[Verdict, ...]:
    return conclude(rec, promised).verdicts


def words(rec: RunRecord, percent: float | None = 59.4) -> set[str]:
    return {v.verdict for v in judge(rec, claims(percent))}


def spoil(rec: RunRecord, **changes: object) -> RunRecord:
    first, *rest = rec.boots
    return replace(rec, boots=(replace(first, **changes), *rest))


def test_means_are_computed_as_in_the_cover_letter() -> None:
    nd_pmem, dax_pmem = summarize(of_boots(record(base_ms=[270], tip_ms=[108])))
    assert nd_pmem.base is not None
    assert (nd_pmem.base.first_ms, nd_pmem.base.rebind_mean_ms) == (1350, 270)
    assert (nd_pmem.base.rebinds, nd_pmem.base.nr_pages) == (30, PAGES)
    assert nd_pmem.gain_percent == pytest.approx(60)
    assert dax_pmem.gain_percent == pytest.approx((1 - 109 / 271) * 100)


def test_kvm_with_the_claims_guest_and_procedure_may_decide() -> None:
    assert words(record()) == {"reproduced"}
    assert words(record(tip_ms=[268, 270, 272])) == {"contradicted"}
    assert words(record(tip_ms=[60, 120, 200])) == {"inconclusive"}


@pytest.mark.parametrize("evidence", ["boot-tcg", "boot-icount"])
def test_no_other_evidence_decides_anything(evidence: str) -> None:
    assert words(record(evidence)) == {"untested"}  # type: ignore[arg-type]


def on_metal(hypervisor: str = "none", rebinds: int = 30) -> BootRun:
    measured = record("metal", rebinds=rebinds)
    return replace(measured, machine=replace(measured.machine, hypervisor=hypervisor))


def test_a_physical_machine_decides_claims_about_one() -> None:
    physical = tuple(replace(c, setup="physical") for c in claims())
    assert {v.verdict for v in judge(on_metal(), physical)} == {"reproduced"}
    for verdict in judge(on_metal(rebinds=29), physical):
        assert (verdict.verdict, "29 rebinds" in verdict.reason) == ("untested", True)
    for verdict in judge(on_metal(), claims()):
        assert (verdict.verdict, "claimed for a guest" in verdict.reason) == ("untested", True)


@pytest.mark.parametrize("hypervisor", ["kvm", "tcg", "unknown", ""])
def test_a_virtual_server_decides_nothing(hypervisor: str) -> None:
    physical = tuple(replace(c, setup="physical") for c in claims())
    for verdict in judge(on_metal(hypervisor), physical):
        assert verdict.verdict == "untested"
        assert "the server is itself a virtual machine" in verdict.reason
    assert "not fit to decide" in phrases.evidence(on_metal(hypervisor))
    assert not phrases.decides(on_metal(hypervisor))


def test_another_guest_or_fewer_rebinds_test_nothing() -> None:
    assert words(record(guest="pmem-4g")) == {"untested"}
    assert words(record(rebinds=29)) == {"untested"}


def test_a_claim_about_a_physical_host_is_not_judged_by_a_guests_boots() -> None:
    vm, host = (
        tuple(replace(c, setup=setup, reduction_percent=percent) for c in claims())
        for setup, percent in (("vm", 59.4), ("physical", 46.7))
    )
    assert words(record()) == {"reproduced"}
    (nd_vm, nd_host, dax_vm, dax_host) = judge(record(), (*host, *vm))
    assert [v.verdict for v in (nd_vm, dax_vm)] == ["reproduced", "reproduced"]
    for verdict in (nd_host, dax_host):
        assert verdict.verdict == "untested"
        assert "46.7 % is claimed for a physical host" in verdict.reason
        assert verdict.effect is None
        assert verdict.shown_percent is None
    assert {v.verdict for v in judge(record(), host)} == {"untested"}
    # A replay runs on this machine, without a guest.
    made = replay({"base": [100.0] * 6, "8": [30.0] * 6})
    asked = [replace(c, after_patch=8) for c in (*host, *vm)]
    assert [v.setup for v in judge(made, asked)] == ["vm", "physical"] * 2
    assert {v.verdict for v in judge(made, asked)} == {"supported"}


def test_a_claim_without_a_guest_is_untested() -> None:
    asked = [replace(c, guest="") for c in claims()]
    assert {(v.verdict, v.reason) for v in judge(record(), asked)} == {
        ("untested", "the claim does not describe a guest of guests/")
    }


@pytest.mark.parametrize(("low", "high"), [(0.4, None), (None, 0.4), (None, None)])
@pytest.mark.parametrize("evidence", ["boot-kvm", "replay"])
def test_a_missing_bound_is_not_a_saving(
    low: float | None, high: float | None, evidence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bound of 0 would be a saving of 100 %."""
    whole = RunEvidence.effect

    def effect(self: RunEvidence, *given: str) -> Effect | None:
        found = whole(self, *given)
        return found and replace(found, low=low, high=high, method="no interval")

    monkeypatch.setattr(RunEvidence, "effect", effect)
    run, asked = record(), claims()
    if evidence == "replay":
        run = replay({"base": [100.0] * 6, "8": [30.0] * 6})
        asked = tuple(replace(c, after_patch=8) for c in claims())
    verdicts = judge(run, asked)
    assert verdicts
    for verdict in verdicts:
        assert verdict.verdict == ("inconclusive" if evidence == "boot-kvm" else "open")
        assert "no interval" in verdict.reason
        assert verdict.claim is not None and verdict.effect is not None
        assert verdict.effect.gain is None


def test_too_few_boots_are_inconclusive() -> None:
    assert words(record(base_ms=[270, 270], tip_ms=[110, 110])) == {"inconclusive"}


def test_a_claim_without_a_percentage_is_judged_by_its_means() -> None:
    verdict = judge(record(), claims(None))[0]
    assert verdict.claimed_percent == 59.4
    assert verdict.verdict == "reproduced"


def test_the_series_claim_does_not_apply_to_a_prefix() -> None:
    rec = record()
    rec = replace(rec, builds=(rec.builds[0], replace(rec.builds[1], prefix=1)))
    assert words(rec) == {"untested"}


@pytest.mark.parametrize(
    ("spoiled", "said"),
    [
        (replace(record(), outcome="timed_out", reason="boot 0 hung"), "boot 0 hung"),
        (replace(record(), outcome="lost", reason="killed"), "killed"),
        (replace(record(), boots=()), "no boot"),
        (spoil(record(base_ms=[1], tip_ms=[1]), outcome="panicked", reason="Oops"), "Oops"),
        (
            spoil(record(base_ms=[1], tip_ms=[1]), findings=(Finding("WARNING", 3, "…"),)),
            "WARNING",
        ),
        (
            spoil(record(base_ms=[1], tip_ms=[1]), checks=(Check("build id", False, "other"),)),
            "build id",
        ),
        (spoil(record(base_ms=[1], tip_ms=[1]), samples=()), "no boot"),
    ],
)
def test_a_spoiled_run_is_inconclusive_and_says_why(spoiled: RunRecord, said: str) -> None:
    for verdict in judge(spoiled, claims()):
        assert verdict.verdict == "inconclusive"
        assert said in verdict.reason


def test_different_page_counts_are_not_compared() -> None:
    rec = record(base_ms=[270, 270, 270], tip_ms=[110, 110, 110])
    boots = tuple(
        replace(b, samples=tuple(replace(s, nr_pages=7) for s in b.samples))
        if b.build == "tip"
        else b
        for b in rec.boots
    )
    assert words(replace(rec, boots=boots)) == {"inconclusive"}


@settings(max_examples=25)
@given(
    st.lists(st.integers(1, 2000), min_size=3, max_size=6),
    st.lists(st.integers(1, 2000), min_size=3, max_size=6),
)
def test_a_verdict_is_a_function_of_the_record(base: list[int], tip: list[int]) -> None:
    rec = record(base_ms=base, tip_ms=tip)
    first, again = judge(rec, claims()), judge(rec, claims())
    assert first == again
    effect = first[0].effect
    assert effect is not None
    if first[0].verdict == "reproduced":
        assert effect.gain_percent >= 54.4
    if first[0].verdict == "contradicted":
        assert effect.gain_percent < 54.4


def test_other_struct_pages_spoil_the_times() -> None:
    left = {build: (Memmap("nd_pmem", "m", build, PAGES),) for build in ("base", "tip")}
    rec = record()
    other = replace(rec, boots=tuple(replace(b, memmaps=left[b.build]) for b in rec.boots))
    nd_pmem, dax_pmem = judge(other, claims())
    assert (nd_pmem.verdict, dax_pmem.verdict) == ("inconclusive", "inconclusive")
    assert "struct pages of tip" in nd_pmem.reason


def test_another_number_of_struct_pages_is_another_memmap() -> None:
    pages = {"base": PAGES, "tip": PAGES + 1}
    boots = tuple(
        replace(b, memmaps=(Memmap("nd_pmem", pages[b.build], "a" * 64),)) for b in record().boots
    )
    found = by_digest(replace(record(), boots=boots))
    assert {(v.build, v.ok) for v in found} == {("base", True), ("tip", False)}


def test_a_replay_with_other_struct_pages_supports_nothing() -> None:
    costs = {"base": [100.0] * 6, "8": [30.0] * 6}
    equal, other = replay(costs), replay(costs, digests={"8": "x"})
    unlike = replace(equal, comparisons=(Comparison("8", 9, 1, equal=False, detail="flags"),))
    asked = [replace(c, after_patch=8) for c in claims()]
    found = [{v.verdict for v in judge(rec, asked)} for rec in (equal, other, unlike)]
    assert found == [{"supported"}, {"open"}, {"open"}]
