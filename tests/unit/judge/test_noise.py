# SPDX-License-Identifier: GPL-2.0-only
"""Each kind of noise is found with a hint; a quiet run has no findings."""

import random
from collections.abc import Callable, Sequence

import msgspec
import pytest

from harness.judge.conditions.noise import Noise, watched
from harness.judge.conditions.noise import noise as findings
from harness.judge.stats.distribution import far, modes, trend
from harness.judge.tabulate import tabulate
from harness.record.record import Boot, HostUse, RunRecord
from tests.unit.builders import boot, record, samples
from tests.unit.replays import replay

replace = msgspec.structs.replace
MS = 1_000_000


def noise(rec: RunRecord) -> tuple[Noise, ...]:
    table = tabulate(rec)
    return findings(table, watched(table))


def quiet() -> RunRecord:
    return record(base_ms=[270, 271, 272, 270, 271], tip_ms=[110, 110, 111, 110, 111])


def changed(rec: RunRecord, change: Callable[[Boot], Boot]) -> RunRecord:
    return replace(rec, boots=tuple(change(b) for b in rec.boots))


def with_rebinds(rec: RunRecord, times: Callable[[Boot], Sequence[int]]) -> RunRecord:
    """Return the record with these times of nd_pmem."""

    def change(b: Boot) -> Boot:
        others = tuple(s for s in b.samples if s.metric == "dax_pmem")
        return replace(b, samples=samples("nd_pmem", 1350, times(b)) + others)

    return changed(rec, change)


def with_host(rec: RunRecord, **by_build: HostUse) -> RunRecord:
    return changed(rec, lambda b: replace(b, host=by_build[b.build]))


def host(others_s: float = 0.1, steal_s: float = 0.0, throttles: int | None = 0) -> HostUse:
    return HostUse(
        wall_s=10,
        cpus=2,
        busy_s=9 + others_s,
        own_s=9,
        steal_s=steal_s,
        load_before=1,
        load_after=1,
        throttles=throttles,
    )


def found(rec: RunRecord) -> list[tuple[str, bool]]:
    return [(n.kind, n.spoils) for n in noise(rec)]


def test_a_quiet_run_has_none() -> None:
    assert noise(quiet()) == ()
    assert noise(with_host(quiet(), base=host(), tip=host())) == ()
    assert noise(replay({"base": [4000, 4001, 4003, 4002, 4004], "1": [3000.0] * 5})) == ()


def test_instructions_have_no_noise_and_an_empty_run_no_findings() -> None:
    assert noise(replace(quiet(), evidence="boot-icount")) == ()
    assert noise(replace(quiet(), boots=())) == ()


def test_every_finding_says_where_and_what_to_do() -> None:
    rec = with_host(record(base_ms=[270], tip_ms=[110]), base=host(5), tip=host(5, 1, 3))
    for n in noise(rec):
        assert n.where and n.text and n.remedy


@pytest.mark.parametrize(
    ("rec", "expected"),
    [
        (record(base_ms=[270] * 2, tip_ms=[110] * 2), [("too-few", False)] * 2),
        (with_host(quiet(), base=host(5), tip=host(5)), [("load", False)]),
        (with_host(quiet(), base=host(5), tip=host()), [("load", True)]),
        (with_host(quiet(), base=host(0, 1), tip=host(0, 1)), [("steal", False)]),
        (with_host(quiet(), base=host(0, 0), tip=host(0, 3)), [("steal", True)]),
        (with_host(quiet(), base=host(0, 0, 4), tip=host(0, 0, 4)), [("throttled", False)]),
        (with_host(quiet(), base=host(0, 0, 0), tip=host(0, 0, 4)), [("throttled", True)]),
        (with_host(quiet(), base=host(0, 0, None), tip=host(0, 0, None)), []),
        (record(base_ms=[20] * 3, tip_ms=[20] * 3), [("coarse-clock", False)] * 2),
        (record(base_ms=[20] * 3, tip_ms=[4] * 3), [("coarse-clock", True)] * 2),
    ],
)
def test_what_was_found(rec: RunRecord, expected: list[tuple[str, bool]]) -> None:
    assert found(rec) == expected


@pytest.mark.parametrize(
    ("lacks", "shown"),
    [
        (("hle", "rtm"), "hle, rtm"),
        (("a", "b", "c", "d"), "a, b, c, d"),
        (("a", "b", "c", "d", "e", "f"), "a, b, c, d and 2 more"),
    ],
)
def test_a_guest_cpu_that_lacks_features_is_named_under_kvm_alone(
    lacks: tuple[str, ...], shown: str
) -> None:
    rec = quiet()
    machine = replace(rec.machine, guest_cpu="host", guest_cpu_lacks=lacks)
    (one,) = noise(replace(rec, machine=machine))
    assert (one.kind, one.where, one.spoils) == ("guest-cpu", "host", False)
    assert one.text == f"lacks {shown} of the guest file's CPU model"
    assert noise(replace(rec, machine=replace(machine, accelerator="tcg"))) == ()


def test_without_counters_the_load_average_is_used() -> None:
    rec = changed(quiet(), lambda b: replace(b, load_1min=1.5))
    assert found(rec) == [("load", False)]
    assert found(changed(quiet(), lambda b: replace(b, load_1min=0.9))) == []


def test_a_drift_within_a_boot_is_named() -> None:
    rec = with_rebinds(
        quiet(),
        lambda b: (
            [256 + n for n in range(30)] if (b.build, b.number) == ("base", 2) else [270] * 30
        ),
    )
    (drift,) = noise(rec)
    assert (drift.kind, drift.where) == ("drift", "nd_pmem, boot 2 of base")
    assert "+11%" in drift.text


def test_only_base_is_tested_for_drift_from_round_to_round() -> None:
    costs = [4000.0 * 1.02**n for n in range(9)]
    (drift,) = [n for n in noise(replay({"base": costs, "1": costs})) if "order0" in n.where]
    assert (drift.kind, drift.where) == ("drift", "order0 on base, round to round")


def test_two_modes_are_found_but_not_the_steps_of_the_clock() -> None:
    rng = random.Random(1)
    rec = with_rebinds(
        quiet(), lambda b: [rng.choice((250, 300)) + rng.randrange(4) for _ in range(30)]
    )
    assert {n.kind for n in noise(rec)} == {"bimodal"}
    rec = with_rebinds(quiet(), lambda b: [rng.choice((270, 271)) for _ in range(30)])
    assert noise(rec) == ()


def test_an_outlier_is_reported_and_still_counts() -> None:
    rec = record(base_ms=[270, 271, 272, 270, 350], tip_ms=[110, 110, 111, 110, 111])
    found = noise(rec)
    assert {n.kind for n in found} == {"outlier"}
    assert any("boot 4 +29%" in n.text and n.where == "nd_pmem rebind on base" for n in found)


def test_other_programs_on_a_replays_cpu_are_found() -> None:
    rec = replay({"base": [4000.0] * 5, "1": [3000.0] * 5})
    busy = replace(rec, passes=tuple(replace(p, ns=p.cpu_ns * 2) for p in rec.passes))
    assert [(n.kind, n.where) for n in noise(busy)] == [("load", "replay")]
    rounds = (host(15, 0, 2),) * 5
    assert found(replace(rec, rounds=rounds)) == [("load", False), ("throttled", False)]


def test_findings_that_spoil_the_run_come_first() -> None:
    rec = with_host(record(base_ms=[270] * 2, tip_ms=[110] * 2), base=host(9), tip=host())
    assert [n.spoils for n in noise(rec)] == [True, False, False]
    assert all(isinstance(n, Noise) for n in noise(rec))


def test_false_findings_are_as_rare_as_the_level_says() -> None:
    rng = random.Random(5)
    plain = [[round(rng.gauss(110, 2)) * MS for _ in range(30)] for _ in range(400)]
    assert sum(trend([float(v) for v in values], 0.05) is not None for values in plain) < 34
    assert sum(modes(values, MS, 0.05) is not None for values in plain) < 34


def test_the_sizes_are_about_right() -> None:
    drift = trend([100.0 + n for n in range(21)], 0.05)
    assert drift is not None and drift.share == pytest.approx(20 / 110)
    apart = modes([100, 101, 102] * 5 + [150, 151, 152] * 5, 1, 0.05)
    assert apart is not None and apart.share == pytest.approx(50 / 126)
    assert far({1: 100, 2: 101, 3: 99, 4: 150}) == {4: pytest.approx(0.4925, abs=1e-3)}
    assert far({1: 100, 2: 100, 3: 100, 4: 101}) == {4: pytest.approx(0.01)}


@pytest.mark.parametrize("values", [[], [1.0], [0.0] * 30, [5.0] * 30, [1.0, 2.0]])
def test_too_few_values_give_no_finding(values: list[float]) -> None:
    assert trend(values, 0.5) is None
    assert modes([round(v) for v in values], 1, 0.5) is None
    assert far(dict(enumerate(values))) == {}


def test_a_boot_that_does_not_count_gives_no_finding() -> None:
    lost = replace(boot("base", 9, 900), outcome="lost")
    assert noise(replace(quiet(), boots=(*quiet().boots, lost))) == ()


def with_canary(*rounds: Sequence[int]) -> RunRecord:
    rec = replay({"base": [4000, 4001, 4003, 4002, 4004], "1": [3000.0] * 5})
    return replace(rec, canary=tuple(map(tuple, rounds)))


#: Means of tenths of 2000 times of shim/clock.c's canary, in ns, on an undisturbed virtual CPU with
#: 13 other programs. Then of 400 in QEMU's TCG, bound to a CPU on which another process ran with a
#: tenth of its weight, and with an equal one. The guest does not know.
OWN = (91862, 91888, 91897, 91905, 91922, 91977, 92136, 92190, 92242, 106663)
TENTH = (321487, 326219, 326332, 326489, 326806, 332339, 370390, 392122, 409348, 793805)
HALF = (324786, 326741, 326824, 326926, 327087, 327469, 332283, 719799, 1384525, 1833409)


def test_an_undisturbed_canary_yields_no_finding() -> None:
    assert found(with_canary((), *[OWN] * 5)) == []
    assert found(with_canary()) == []
    assert found(with_canary((), (), ())) == []


@pytest.mark.parametrize(("times", "by"), [(TENTH, "20%"), (HALF, "91%")])
def test_stolen_time_is_seen_though_the_guest_counts_it_as_its_own(
    times: Sequence[int], by: str
) -> None:
    (one,) = noise(with_canary((), *[times] * 5))
    assert (one.kind, one.where, one.spoils) == ("canary", "CPU", False)
    assert f"{by} longer on average" in one.text


@pytest.mark.parametrize(("by", "seen"), [(1.01, False), (1.03, True), (1.5, True)])
def test_a_round_at_a_lower_frequency_is_named(by: float, seen: bool) -> None:
    slow = [round(time * by) for time in OWN]
    texts = [one.text for one in noise(with_canary((), OWN, OWN, slow, OWN, OWN))]
    assert len(texts) == seen
    assert all("longer in round 3 than at its fastest" in text for text in texts)


def test_constant_slowness_is_not_noise() -> None:
    assert found(with_canary((), *[[time * 2 for time in OWN]] * 5)) == []
