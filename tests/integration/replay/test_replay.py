# SPDX-License-Identifier: GPL-2.0-only
"""Programs linked from a fake kernel's object, run, compared, traced and timed for real."""

import shutil

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import MachineError
from harness.memmap.compare import by_digest
from harness.record.record import Pass
from harness.replay.compare import CaseComparison, compare
from harness.replay.program.link import PLACEMENTS, Unprovided
from harness.replay.runner.runner import Looped, Runner, Trapped
from harness.replay.timing import rounds, timing
from harness.replay.timing.schedule import Schedule, Timed, require_memory
from harness.replay.trace import count, object_checks, rescheduled, stores_of, traced
from harness.workloads.replay import some_cases
from harness.workloads.zone_device.replay import REPLAY
from harness.workloads.zone_device.replay.cases import MAX_NODE, START_PFN, TYPES, Case, corners
from harness.workloads.zone_device.replay.seen import PageRef
from tests.integration.replay.conftest import Maker
from tests.unit.replays import replay

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")

#: The smallest namespace that there is.
SMALL = 128 << 20


def against_base(make: Maker, runner: Runner, *defines: str) -> CaseComparison:
    cases = some_cases(REPLAY, 20, 3, traceable=True)
    return compare(runner, {"base": make(), "tip": make(*defines)}, cases)


def test_equal_code_leaves_equal_memmaps(make: Maker, runner: Runner) -> None:
    found = against_base(make, runner, "STREAMING")
    assert found.unequal == ()
    assert found.equal("tip")
    assert found.cases == len([*corners()]) + 20


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ("WRONG_REFCOUNT", "page 0 of the range: _refcount: 1, expected 0"),
        (
            "WRONG_COMPOUND_INFO",
            "tail 1 of the compound page at pfn 0x100000: compound_info: 0x100001, expected tail",
        ),
        ("WRONG_PAST_THE_END", "0 past the end of the range: written, expected to be left"),
        ("WRONG_PAGEBLOCKS", "pageblocks initialized"),
        ("WRONG_FAR_AWAY", "beyond the memmap and its guard pages"),
    ],
)
def test_a_mistake_is_named(make: Maker, runner: Runner, wrong: str, named: str) -> None:
    (found,) = against_base(make, runner, wrong).unequal
    assert found.build == "tip"
    assert named in found.what


def test_a_refcount_of_one_type_is_found_in_a_case_of_that_type(
    make: Maker, runner: Runner
) -> None:
    (found,) = against_base(make, runner, "WRONG_REFCOUNT").unequal
    assert found.case.type == "coherent"
    assert found.nr_differing == found.case.nr_pages
    assert found.pages[0].fields == ("_refcount: 1, expected 0",)
    assert found.pages[0].base != found.pages[0].tip


def test_a_symbol_that_the_shim_lacks_is_named_before_anything_runs(make: Maker) -> None:
    with pytest.raises(Unprovided, match=r"not_provided \(wanted by memmap_init_z"):
        make("WRONG_SYMBOL")


def test_running_into_a_stop_names_it(make: Maker, runner: Runner) -> None:
    case = Case("generic", 0, START_PFN, 512)
    with pytest.raises(Trapped, match="reached dump_page") as caught:
        runner(make("WRONG_BUG"), [case.line(), case.line()])
    assert caught.value.line == 1


def test_a_base_that_stops_itself_is_a_failure_of_the_harness(make: Maker, runner: Runner) -> None:
    cases = [Case("generic", 0, START_PFN, 512)]
    with pytest.raises(Trapped):
        compare(runner, {"base": make("WRONG_BUG"), "tip": make()}, cases)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("run type=9 nr=1", "invalid type 9"),
        ("run type=3 shift=40 nr=1", "shift 40"),
        ("run type=3 nid=64 nr=1", "node 64"),
        ("run type=3 nr=0", "invalid range of pages"),
        ("run type=3 start=99999999999999 nr=1", "invalid range of pages"),
        ("run type=3 nr=5 altmap=1 reserve=3 free=2", "takes all 5 pages"),
        ("run type=x nr=1", "type=x is not a number"),
        ("run type=4294967296 nr=1", "is not a number"),
        ("run colour=3", "colour: unknown key"),
        ("run type", "type: expected KEY=VALUE"),
        ("jump", "expected run, canary, take, give, or fill after a run"),
        ("fill how=movnti", "expected run, canary, take, give, or fill after a run"),
    ],
)
def test_the_program_refuses_invalid_lines(
    make: Maker, runner: Runner, line: str, what: str
) -> None:
    with pytest.raises(Trapped, match=what):
        runner(make(), [line])


def test_an_unknown_fill_is_refused(make: Maker, runner: Runner) -> None:
    case = Case("generic", 0, START_PFN, 1 << 10)
    with pytest.raises(MachineError, match="unknown instruction prayer"):
        runner(make(), [case.line(), "fill how=prayer"])


@given(
    kind=st.sampled_from(TYPES),
    shift=st.sampled_from((0, 1, 9)),
    offset=st.integers(0, 1 << 16),
    nr=st.integers(1, 4096),
    nid=st.integers(0, MAX_NODE),
    reserve=st.integers(0, 4096),
    page_ref=st.booleans(),
)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_equal_code_is_equal_on_any_call(
    make: Maker,
    runner: Runner,
    kind: str,
    shift: int,
    offset: int,
    nr: int,
    nid: int,
    reserve: int,
    page_ref: bool,
) -> None:
    case = Case(
        kind,
        shift,
        START_PFN + offset,
        nr,
        altmap=reserve < nr,
        reserve=reserve if reserve < nr else 0,
        nid=nid,
        page_ref=page_ref,
    )
    found = compare(runner, {"base": make(), "tip": make("STREAMING")}, [case])
    assert found.unequal == ()


def test_the_tracepoint_sees_every_page(make: Maker, runner: Runner) -> None:
    case = Case("generic", 0, START_PFN, 1000, altmap=True, reserve=2, page_ref=True)
    (ran,) = runner(make(), [case.line()]).ran
    found = msgspec.convert(ran.seen["page_ref"], type=PageRef)
    assert (found.events, found.pages) == (998, 998)
    assert (found.first, found.last) == (START_PFN + 2, START_PFN + 999)
    assert ran.seen["pageblocks"] == [[START_PFN + 512, START_PFN + 1024, 1, 0]]


def test_a_plain_object_has_no_non_temporal_store(make: Maker, runner: Runner) -> None:
    assert count(runner, make().object) == 0
    found = traced(runner, make(), REPLAY.stepped["order0"])
    assert found.non_temporal == found.fences == found.pending == 0
    assert found.ordinary >= 1 << 10


def test_streaming_with_fences_passes_the_checks(make: Maker, runner: Runner) -> None:
    programs = {"base": make(), "tip": make("STREAMING")}
    found = object_checks(runner, programs, streaming=["tip"], plain=["base"])
    assert [g for g in found if not g.ok] == []
    assert traced(runner, programs["tip"], REPLAY.stepped["order0"]).non_temporal == 8 << 10


def test_a_missing_fence_fails_the_checks(make: Maker, runner: Runner) -> None:
    found = object_checks(runner, {"tip": make("STREAMING", "WRONG_NO_FENCE")}, streaming=["tip"])
    failed = {g.name: g.detail for g in found if not g.ok}
    assert set(failed) == {
        "drained before ordinary stores to a page",
        "drained before a page is read back",
        "drained before returning",
    }
    assert "pages pending" in failed["drained before returning"]


def test_a_fence_behind_what_reads_the_pages_back_fails_the_checks(
    make: Maker, runner: Runner
) -> None:
    found = object_checks(runner, {"tip": make("STREAMING", "WRONG_LATE_FENCE")})
    failed = [(g.name, g.detail) for g in found if not g.ok and g.detail.startswith("order0")]
    assert failed == [
        (
            "drained before a page is read back",
            "order0: init_pageblock_migratetype() of page 0",
        )
    ]


def test_stores_of_a_function_of_another_object_count(make: Maker, runner: Runner) -> None:
    program = make("STREAMING_ELSEWHERE")
    assert count(runner, program.object) == 0
    assert stores_of(runner, program) == 1
    assert stores_of(runner, make()) == 0
    assert traced(runner, program, REPLAY.stepped["order0"]).non_temporal == 8 << 10


def test_a_loop_that_lost_its_rescheduling_points_fails_the_checks(
    make: Maker, runner: Runner
) -> None:
    programs = {"base": make(), "1": make("STREAMING"), "2": make("WRONG_NO_RESCHED")}
    found = rescheduled(runner, programs)
    assert {g.build for g in found if not g.ok} == {"2"}
    details = [g.detail for g in found if not g.ok]
    assert "order0: 131072 pages without cond_resched(), 32768 in base" in details
    # Of a range off a section boundary, the first run is shorter.
    assert any(detail.startswith("order9 off a section boundary: 131072") for detail in details)
    stopped = rescheduled(runner, {"base": make(), "1": make("WRONG_FAR_AWAY")})
    assert [(g.build, g.name) for g in stopped if not g.ok] == [("1", "runs to its end")]


def test_rescheduling_points_are_counted_only_where_the_memory_is_soiled(
    make: Maker, runner: Runner
) -> None:
    case = Case("generic", 0, START_PFN, 1 << 16)
    (plain, counted) = runner(make(), [case.line(soil=1), case.line(soil=1, resched=1)]).ran
    assert plain.resched is None
    assert counted.resched is not None
    assert (counted.resched.calls, counted.resched.longest) == (2, 1 << 15)
    with pytest.raises(Trapped, match="resched needs soil"):
        runner(make(), [case.line(resched=1)])


def test_an_object_that_cannot_run_to_its_end_fails_the_checks(make: Maker, runner: Runner) -> None:
    found = object_checks(runner, {"tip": make("WRONG_FAR_AWAY")})
    assert {g.name for g in found if not g.ok} == {"runs to its end"}
    assert all("beyond the memmap and its guard pages" in g.detail for g in found if not g.ok)


def test_missing_stores_fail_the_checks(make: Maker, runner: Runner) -> None:
    found = object_checks(
        runner, {"base": make("STREAMING"), "tip": make()}, streaming=["tip"], plain=["base"]
    )
    assert [(g.build, g.name) for g in found if not g.ok] == [
        ("base", "has no non-temporal store"),
        ("tip", "has non-temporal stores"),
    ]


def test_builds_are_timed_in_slices_and_the_limit_with_them(make: Maker, runner: Runner) -> None:
    saved: list[int] = []
    schedule = Schedule(
        size_bytes=256 << 20, rounds=3, passes=2, seed=5, slices=4, slice_bytes=SMALL
    )
    programs = {"base": make(), "1": make("STREAMING")}
    passes, host, canary = timing.measure(
        runner,
        programs,
        schedule,
        lambda so_far: saved.append(len(so_far.passes)),
        limit_with=programs["base"],
    )
    assert len(host) == 1 + 3  # each build alone, before the rounds
    # Before each slice of either build and kind, and before the limit's.
    assert [len(times) for times in canary] == [0, *[4 * 2 * 2 + 1] * 3]
    assert all(1000 < ns < 100_000_000 for times in canary for ns in times)
    assert all(r.wall_s > 0 and r.cpus > 0 and r.own_s > 0 for r in host)
    assert len(saved) == 4
    assert saved[-1] == len(passes)
    assert all(p.ns > 0 and p.cpu_ns > 0 for p in passes)
    whole = [p for p in passes if p.slice is None]
    assert {(p.build, p.kind) for p in whole} == {(s, k) for s in programs for k in REPLAY.kinds}
    assert {p.round for p in whole} == {0}
    assert [p.index for p in whole if (p.build, p.kind) == ("1", "order9")] == [0, 1, 2]
    digests = {(p.build, p.kind): p.digest for p in whole if p.digest}
    assert digests["base", "order0"] == digests["1", "order0"] != digests["1", "order9"]
    assert len({p.process for p in passes}) == 4 + 3 * 3
    for number in (1, 2, 3):
        ours = [p for p in passes if p.round == number]
        assert {p.build for p in ours} == {"base", "1", "limit"}
        assert len({p.process for p in ours}) == 3
    timed = [p for p in passes if p.build == "1" and p.round == 2]
    assert [p.index for p in timed] == list(range((3 + 3 * 2) * 2))
    for turn in range(4):
        for kind in REPLAY.kinds:
            mine = [p.settles for p in timed if (p.slice, p.kind) == (turn, kind)]
            assert mine == ([] if turn else [True]) + [False, False]
    pages = {k: REPLAY.of_size(k, schedule.in_slices_bytes).nr_pages for k in REPLAY.kinds}
    assert all(p.nr_pages == pages[p.kind] for p in timed)
    last = [p for p in passes if p.slice is not None and p.digest]
    assert len(last) == 3 * 2 * 2  # the last of each process and kind
    assert len({p.digest for p in last}) == 2
    filled = [p for p in passes if p.build == "limit" and p.round == 1]
    assert {p.slice for p in filled} == {2}
    assert {p.kind for p in filled if not p.settles} >= {"movnti", "movntdq", "mov"}
    assert min(p.index for p in filled) == 1  # the call that faults the memory in is dropped


def test_an_interrupted_replay_continues_identically(make: Maker, runner: Runner) -> None:
    schedule = Schedule(SMALL, rounds=3, passes=1, seed=5, slices=2)
    programs = {"base": make(), "1": make("STREAMING")}
    saved: list[Timed] = []
    whole = timing.measure(runner, programs, schedule, saved.append)
    for done in (saved[0], saved[1], saved[3]):
        rest = timing.measure(runner, programs, schedule, lambda _: None, done=done)
        assert rest.passes[: len(done.passes)] == done.passes
        assert rest.rounds[: len(done.rounds)] == done.rounds
        assert len(rest.rounds) == len(whole.rounds)
        same = [(p.build, p.process, p.round, p.kind, p.slice, p.settles) for p in whole.passes]
        assert [(p.build, p.process, p.round, p.kind, p.slice, p.settles) for p in rest.passes] == (
            same
        )
        assert len(rest.canary) == len(whole.canary)


def test_every_link_runs_the_same_code_elsewhere(make: Maker, runner: Runner) -> None:
    program = make("STREAMING")
    case = Case("generic", 9, START_PFN, 4096)
    places, digests = set(), set()
    for placement in range(PLACEMENTS):
        placed = program.placed(placement)
        known = runner.binutils.addresses(placed.path)
        places.add(next(at for at, name in known if name == "memmap_init_zone_device"))
        digests.add(runner(placed, [case.line(soil=1, digest=1)]).ran[0].digest)
    assert len(places) == PLACEMENTS
    assert len({at % 64 for at in places}) == 4
    assert all(at % 16 == 0 for at in places)
    assert len(digests) == 1


def test_a_stop_is_named_in_every_link(make: Maker, runner: Runner) -> None:
    case = Case("generic", 0, START_PFN, 512)
    for placement in (1, PLACEMENTS - 1):
        with pytest.raises(Trapped, match="reached dump_page"):
            runner(make("WRONG_BUG").placed(placement), [case.line()])


def test_wrong_struct_pages_in_slices_alone_are_seen_in_the_record(
    make: Maker, runner: Runner
) -> None:
    schedule = Schedule(SMALL, rounds=2, passes=1, seed=1, slices=2)
    programs = {"base": make(), "1": make("WRONG_REFCOUNT=3")}
    record = msgspec.structs.replace(
        replay({"base": [1.0], "1": [1.0]}),
        passes=rounds.measure(runner, programs, schedule, lambda _: None).passes,
        comparisons=(),
    )
    assert [(v.metric, v.ok) for v in by_digest(record)] == [("order0", True), ("order9", False)]


def test_the_canary_takes_as_long_each_time(make: Maker, runner: Runner) -> None:
    times = sorted(
        one.cpu_ns for one in runner(make(), ["canary"] * 200).given if isinstance(one, Looped)
    )
    assert len(times) == 200
    # Frequency and other guests may change it a little, in a while as short as this.
    assert times[100] < 1.5 * times[20]


def test_the_seed_decides_the_order_of_builds(make: Maker, runner: Runner) -> None:
    def order(seed: int) -> list[str]:
        schedule = Schedule(SMALL, rounds=2, passes=1, seed=seed, slices=2)
        programs = {"base": make(), "1": make(), "2": make()}
        found = rounds.measure(runner, programs, schedule, lambda _: None).passes
        return [p.build for p in found if p.settles]

    assert order(1) == order(1)
    assert len({tuple(order(seed)) for seed in range(4)}) > 1


def test_passes_survive_the_record(make: Maker, runner: Runner) -> None:
    schedule = Schedule(SMALL, rounds=1, passes=1, seed=1, slices=2)
    passes, _, _ = timing.measure(runner, {"base": make()}, schedule, lambda _: None)
    again = msgspec.json.decode(msgspec.json.encode(passes), type=tuple[Pass, ...])
    assert again == passes


def test_too_little_memory_for_all_builds_is_one_clear_line() -> None:
    schedule = Schedule(8 << 30, rounds=1, passes=1, seed=1)
    require_memory(schedule, 2, 200 << 20)
    with pytest.raises(MachineError, match=r"0\.2 GiB of memory.*0\.8 GiB.*--prefix"):
        require_memory(schedule, 8, 200 << 20)
