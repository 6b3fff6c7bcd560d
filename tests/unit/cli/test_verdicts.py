# SPDX-License-Identifier: GPL-2.0-only
"""Less evidence never gives a stronger verdict."""

import json
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.cli import cli
from harness.errors import HarnessError
from harness.judge.conclude import conclude
from harness.judge.figures import percent_error
from harness.judge.verdict import Verdict
from harness.project.claim import Claim, Figures
from harness.project.project import Project as Inputs
from harness.record import store
from harness.record.record import HostUse, RunRecord
from tests.unit.builders import boot, claims, record
from tests.unit.replays import replay

replace = msgspec.structs.replace
ROOT = Inputs.find().root
#: Bears out what series.yaml says of both drivers.
HELD = record(tip_ms=[100, 101, 102])
#: A whole record is judged each time.
few = settings(max_examples=30)
RANK = {"inconclusive": 0, "untested": 0, "contradicted": 1, "reproduced": 1}


def run(base: Sequence[int], tip: Sequence[int]) -> RunRecord:
    return record(base_ms=base, tip_ms=tip, rebinds=6)


def of(rec: RunRecord, percent: float = 59.4, nulls: Sequence[RunRecord] = ()) -> Verdict:
    promised = [replace(claim, rebinds=rec.setup.rebinds) for claim in claims(percent)]
    return conclude(rec, promised, nulls).verdicts[0]


boots = st.lists(st.integers(60, 400), min_size=4, max_size=6)


@few
@given(boots, st.lists(st.booleans(), min_size=12, max_size=12))
def test_taking_boots_away_never_decides_a_claim(base: list[int], lost: list[bool]) -> None:
    rec = run(base, [ms // 2 for ms in base])
    fewer = tuple(
        replace(b, outcome="panicked", reason="Oops") if gone else b
        for b, gone in zip(rec.boots, lost, strict=False)
    )
    if fewer != rec.boots:
        assert of(replace(rec, boots=fewer), 50).verdict == "inconclusive"


@few
@given(boots, st.integers(0, 11), st.integers(1, 5))
def test_taking_samples_away_never_decides_a_claim(base: list[int], at: int, cut: int) -> None:
    rec = run(base, [ms // 2 for ms in base])
    for left in (0, 1, 5):
        hurt = list(rec.boots)
        left_over = hurt[at % len(hurt)].samples[:left]
        hurt[at % len(hurt)] = replace(hurt[at % len(hurt)], samples=left_over)
        assert of(replace(rec, boots=tuple(hurt)), 50).verdict == "inconclusive"
    gone = rec.boots[:-cut]
    assert of(replace(rec, boots=gone), 50).verdict == "inconclusive"


@few
@given(boots, st.integers(0, 95))
def test_a_claim_is_decided_by_the_whole_interval(base: list[int], percent: int) -> None:
    found = of(run(base, [ms // 2 for ms in base]), percent)
    assert found.effect is not None
    low, high = found.effect.low, found.effect.high
    assert low is not None and high is not None
    assert found.claim is not None
    ceiling = 1 - (percent - 5 - percent_error(found.claim)) / 100
    assert (found.verdict == "reproduced") == (high <= ceiling + 1e-12)
    assert (found.verdict == "contradicted") == (low > ceiling)


@few
@given(st.floats(0, 200))
def test_more_variance_never_decides_a_claim(spread: float) -> None:
    def spoilt(by: float) -> RunRecord:
        tip = [130, round(130 + by), max(1, round(130 - by / 3)), 130]
        return run([270, 272, 274, 276], tip)

    calm, wild = of(spoilt(0), 59.4), of(spoilt(spread), 59.4)
    assert RANK[wild.verdict] <= RANK[calm.verdict]


def test_a_machine_that_was_busier_for_one_build_decides_nothing() -> None:
    def host(steal_s: float) -> HostUse:
        return HostUse(
            wall_s=10, cpus=2, busy_s=9, own_s=9, steal_s=steal_s, load_before=1, load_after=1
        )

    rec = record()
    hosts = {"base": host(4), "tip": host(0)}
    rec = replace(rec, boots=tuple(replace(b, host=hosts[b.build]) for b in rec.boots))
    found = of(rec)
    assert found.verdict == "inconclusive"
    assert "hypervisor" in found.reason


def test_builds_that_differ_in_more_than_the_series_decide_nothing() -> None:
    rec = record()
    rec = replace(rec, builds=(rec.builds[0], replace(rec.builds[1], compiler="clang 14")))
    found = of(rec)
    assert found.verdict == "inconclusive"
    assert "compiler differs: base has gcc 12, tip has clang 14" in found.reason


def null(again: Sequence[int]) -> RunRecord:
    rec = record(tip_ms=again)
    builds = (rec.builds[0], replace(rec.builds[0], name="again"))
    renamed = tuple(replace(b, build="again") if b.build == "tip" else b for b in rec.boots)
    return replace(rec, run_id="the-null", started="2026-01-05", builds=builds, boots=renamed)


def test_a_null_run_with_a_difference_decides_nothing() -> None:
    quiet, noisy = null([270, 272, 274]), null([290, 292, 294])
    assert of(record(), nulls=[quiet]).verdict == "reproduced"
    capped = of(record(), nulls=[noisy])
    assert capped.verdict == "inconclusive"
    assert "the-null" in capped.reason
    assert conclude(record(), claims(), [noisy]).null is not None
    # A newer one that finds nothing lifts it.
    assert of(record(), nulls=[noisy, replace(quiet, started="2026-01-06")]).verdict == "reproduced"


def test_a_null_run_has_no_verdict() -> None:
    found = of(null([290, 292, 294]))
    assert (found.verdict, found.build) == ("untested", "again")
    assert "base against itself" in found.reason


def test_a_prefix_is_judged_by_its_own_claim() -> None:
    own = Claim(
        version=2,
        metric="nd_pmem",
        guest="pmem-100g",
        rebinds=30,
        base=Figures(mean_ms=270),
        tip=Figures(mean_ms=243),
        after_patch=1,
    )
    rec = record(tip_ms=[243, 244, 245])
    rec = replace(rec, builds=(rec.builds[0], replace(rec.builds[1], prefix=1)))
    nd_pmem, dax_pmem = conclude(rec, (*claims(), own)).verdicts
    assert (nd_pmem.verdict, nd_pmem.claimed_percent, nd_pmem.after_patch) == ("reproduced", 10, 1)
    assert (dax_pmem.verdict, dax_pmem.claim) == ("untested", None)


def of_replay(tip: float, spread: float = 0.0, percent: float = 59.4) -> Verdict:
    rounds = [1 + spread * n for n in range(5)]
    rec = replay({"base": [4000.0] * 5, "2": [4000 * tip * r for r in rounds]})
    return conclude(rec, claims(percent)).verdicts[0]


def test_a_replay_supports_or_doubts_and_never_decides() -> None:
    for tip, spread, word in ((0.38, 0, "supported"), (0.7, 0, "doubted"), (0.46, 0.1, "open")):
        found = of_replay(tip, spread)
        assert found.verdict == word
        assert found.reason.startswith("order0 on this CPU: reduction of ")
        assert ("above and below 54.3 %" if word == "open" else "claimed 59.4 %") in found.reason


def test_a_replay_judges_each_prefix_by_its_own_claim_and_no_variant() -> None:
    rec = replay(
        {"base": [4000.0] * 5, "1": [3600.0] * 5, "2": [1500.0] * 5, "memcpy": [9000.0] * 5},
        prefixes={"memcpy": 2},
    )
    own = replace(claims()[0], after_patch=1, reduction_percent=10.0)
    found = conclude(rec, (*claims(), own)).verdicts
    assert [(v.metric, v.build, v.after_patch) for v in found] == [
        ("nd_pmem", "1", 1),
        ("nd_pmem", "2", None),
        ("dax_pmem", "2", None),
    ]
    assert {v.verdict for v in found} == {"supported"}
    assert [v.effect.kind for v in found if v.effect] == ["order0", "order0", "order9"]


def test_a_replay_without_times_or_interrupted_says_so() -> None:
    rec = replay({"base": [4000.0] * 5, "2": [1500.0] * 5})
    (one, _) = conclude(replace(rec, passes=()), claims()).verdicts
    assert (one.verdict, one.reason) == ("untested", "no proxy for it was timed")
    (one, _) = conclude(replace(rec, outcome="failed", reason="trapped"), claims()).verdicts
    assert (one.verdict, one.reason) == ("open", "the run is failed: trapped")


@few
@given(st.integers(1, 6), st.integers(0, 6))
def test_any_number_of_boots_is_judged_without_an_error(planned: int, made: int) -> None:
    rec = record(base_ms=[270] * planned, tip_ms=[110] * planned)
    conclude(replace(rec, boots=rec.boots[:made]), claims())
    conclude(replace(rec, boots=(boot("base", 1, 0), boot("tip", 1, 0))), claims())


class Project:
    """A checkout with stored runs."""

    def __init__(self, root: Path) -> None:
        for name in ("series", "configs"):
            (root / name).symlink_to(ROOT / name)
        self.root = root

    def keep(self, rec: RunRecord, run_id: str) -> RunRecord:
        made = replace(rec, run_id=run_id)
        store.save(self.root / "results", made)
        return made


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("MEMMAP_HARNESS_ROOT", str(tmp_path))
    return Project(tmp_path)


def judged(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(cli, ["judge", *arguments])
    if isinstance(done.exception, HarnessError):
        return done.exception.exit_code, str(done.exception)
    return done.exit_code, done.output


def test_the_exit_code_of_judge(project: Project) -> None:
    project.keep(HELD, "20260101T000000-kvm000")
    assert judged()[0] == 0
    assert judged("--gate", "nd_pmem.ratio<0.6", "--require-verdict")[0] == 0
    assert judged("--gate", "nd_pmem.ratio<0.3")[0] == 1
    assert judged("--gate", "nd_pmem.ratio<0.6", "--gate", "memmap.equal")[0] == 1
    assert judged("20260101T000000-other0")[0] == 65
    project.keep(record("boot-tcg"), "20260102T000000-tcg000")
    assert judged()[0] == 1
    assert judged("--gate", "nd_pmem.ratio<0.6")[0] == 2
    assert judged("--gate", "nonsense")[0] == 2


def test_judge_prints_the_evidence(project: Project) -> None:
    project.keep(HELD, "20260101T000000-kvm000")
    _, text = judged("--gate", "nd_pmem.ratio<0.6")
    assert "nd_pmem: reproduced: reduction of" in text
    assert "rule nd_pmem.ratio<0.6: ok: ratio of tip is 0.371" in text
    _, raw = judged("--json")
    made = json.loads(raw)
    assert made["ok"] is True
    assert [v["verdict"] for v in made["verdicts"]] == ["reproduced", "reproduced"]
    assert {"evidence", "effects", "noise", "null", "alike", "gates"} <= set(made)


def test_a_replay_without_a_claim_fails_unless_a_rule_is_given(project: Project) -> None:
    project.keep(replay({"base": [4000.0] * 5, "1": [1500.0] * 5}), "20260101T000000-rep000")
    code, text = judged()
    assert code == 1 and "has no claim that this run measured" in text
    assert judged("--gate", "order0.ratio<0.5")[0] == 0


def test_a_null_run_limits_the_verdict_and_is_not_the_newest(project: Project) -> None:
    project.keep(HELD, "20260101T000000-kvm000")
    project.keep(null([290, 292, 294]), "20260105T000000-null00")
    code, text = judged()
    assert code == 1
    assert "inconclusive: base differs from itself" in text
    shown = CliRunner().invoke(cli, ["report", "--json"])
    assert json.loads(shown.output)["record"].endswith("20260101T000000-kvm000/record.json")
    assert "inconclusive" in shown.output


def test_compare_names_the_field_or_the_change(project: Project) -> None:
    rec = project.keep(record(), "20260101T000000-first0")
    slower = record(base_ms=[270, 272, 274], tip_ms=[120, 121, 122])
    project.keep(slower, "20260102T000000-second")
    project.keep(replace(rec, machine=replace(rec.machine, cpus=9)), "20260103T000000-third0")
    runs = ["20260101T000000-first0", "20260102T000000-second"]
    done = CliRunner().invoke(cli, ["compare", *runs])
    assert done.exit_code == 0
    assert "nd_pmem rebind: tip/base 0.404, then 0.445" in done.output
    done = CliRunner().invoke(cli, ["compare", *runs, "--json"])
    assert len(json.loads(done.output)["changes"]) == 4
    done = CliRunner().invoke(cli, ["compare", runs[0], "20260103T000000-third0"])
    assert isinstance(done.exception, HarnessError)
    assert done.exception.exit_code == 65
    assert "machine.cpus differs: 2 and 9" in str(done.exception)


def test_a_replay_is_compared_with_that_of_a_run_of_boots(project: Project) -> None:
    earlier = replay({"base": [4000.0] * 5, "1": [1500.0] * 5})
    project.keep(replace(earlier, outcome="complete"), "20260101T000000-replay")
    project.keep(record(), "20260102T000000-boots0")
    later = replay({"base": [4000.0] * 5, "1": [2000.0] * 5})
    folder = project.root / "results" / record().subject.slug / "20260102T000000-boots0"
    runs = ["20260101T000000-replay", "20260102T000000-boots0"]
    done = CliRunner().invoke(cli, ["compare", *runs])
    assert "evidence differs" in str(done.exception)
    store.save_replay(folder, replace(later, outcome="complete"))
    done = CliRunner().invoke(cli, ["compare", *runs])
    assert "order0 rebind: tip/base 0.375, then 0.5" in done.output, done.exception
    done = CliRunner().invoke(cli, ["compare", *reversed(runs)])
    assert "order0 rebind: tip/base 0.5" in done.output
