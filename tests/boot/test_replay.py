# SPDX-License-Identifier: GPL-2.0-only
"""Replays of a real kernel's object: the port is equal to base, wrong series are caught."""

from pathlib import Path

import msgspec
import pytest

from harness.errors import HarnessError
from harness.host.cache import Cache
from harness.project.kernel import Tree
from harness.project.project import Project
from harness.replay import check, counting, prepare, runs, trace
from harness.replay.check import Checked
from harness.replay.prepare import Prepared, ReplayRequest
from harness.replay.runner.runner import Runner
from harness.replay.timing.schedule import Schedule
from harness.series.source import Mails

pytestmark = pytest.mark.boot
WRONG = Path(__file__).parent.parent / "data" / "wrong-series"
REQUEST = ReplayRequest(
    slug="memcpy-streaming",
    tree="v7.2",
    plan="quick",
    schedule=Schedule(size_bytes=1 << 30, rounds=3, passes=1, seed=1),
    cases=40,
)


@pytest.fixture(scope="module")
def port(project: Project, cache: Cache, tree: Tree) -> Prepared:
    return prepare.prepare(project, cache, REQUEST)


@pytest.fixture(scope="module")
def runner(project: Project, cache: Cache) -> Runner:
    return prepare.make_runner(cache, project.series(REQUEST.slug))


def checked_wrong(project: Project, cache: Cache, runner: Runner, name: str) -> Checked:
    source = Mails(WRONG / f"{name}.mbox")
    wanted = msgspec.structs.replace(REQUEST, source=source)
    made = prepare.prepare(project, cache, wanted)
    return check.check(project, cache, runner, made, wanted)


def test_every_prefix_is_equal_and_passes_the_checks(
    project: Project, cache: Cache, runner: Runner, port: Prepared
) -> None:
    found = check.check(project, cache, runner, port, REQUEST)
    assert found.ok, [u.what for c in found.compared.values() for u in c.unequal]
    assert all(c.cases > 40 for c in found.compared.values())
    names = {check.name for check in found.checks}
    assert {"has non-temporal stores", "has no non-temporal store"} <= names


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("missing-refcount", "_refcount: 1, expected 0"),
        ("stale-links", "flags:"),
        ("section-of-the-first-page", "flags:"),
        ("wrong-compound-info", "compound_info: tail of pfn 0x100001, expected tail of pfn"),
        ("skipped-last-page", "not initialized: the page is as it was before the call"),
        ("past-the-end", "0 past the end of the range: written, expected"),
        ("far-past-the-end", "beyond the memmap and its guard pages"),
        ("lost-head-flags", "flags: PG_head clear, expected set"),
        ("pageblocks-cut-short", "pageblocks initialized"),
        ("silent-tracepoint", "page_ref_set"),
    ],
)
def test_a_wrong_series_is_caught_by_name(
    project: Project, cache: Cache, runner: Runner, name: str, named: str
) -> None:
    found = checked_wrong(project, cache, runner, name)
    assert not found.ok
    unequal = [u.what for compared in found.compared.values() for u in compared.unequal]
    assert any(named in what for what in unequal), unequal


OVERTAKEN = "drained before ordinary stores to a page"
READ_BACK = "drained before a page is read back"
RETURNED = "drained before returning"
NO_STORE = "has no non-temporal store"


@pytest.mark.parametrize(
    ("name", "failed"),
    [
        ("undrained", {OVERTAKEN, READ_BACK, RETURNED, NO_STORE}),
        ("late-drain", {READ_BACK}),
        ("copies-the-page-before", {READ_BACK}),
        ("drained-by-smp-wmb", {READ_BACK, RETURNED}),
        ("drained-per-section", {READ_BACK, RETURNED}),
        ("no-resched", {"reschedules like base"}),
        ("resched-of-aligned-ranges", {"reschedules like base"}),
        ("streams-under-kasan", {NO_STORE}),
    ],
)
def test_a_wrong_series_that_leaves_the_right_memmap_fails_its_checks(
    project: Project, cache: Cache, runner: Runner, name: str, failed: set[str]
) -> None:
    found = checked_wrong(project, cache, runner, name)
    assert all(not compared.unequal for compared in found.compared.values())
    # The whole series has non-temporal stores; some of these have none.
    names = {check.name for check in found.checks if not check.ok}
    assert names - {"has non-temporal stores"} == failed


DEFERRED = msgspec.structs.replace(
    REQUEST, slug="deferred-init-template", plan="deferred-init", cases=20
)


@pytest.mark.parametrize(
    ("name", "unequal"),
    [
        ("", ""),
        ("deferred-shared-lru", "pfn 0x100000 + 8 bytes, expected pfn 0x100001 + 8 bytes"),
    ],
)
def test_deferred_struct_pages_are_replayed_too(
    project: Project, cache: Cache, name: str, unequal: str
) -> None:
    source = Mails(WRONG / f"{name}.mbox") if name else None
    wanted = msgspec.structs.replace(DEFERRED, source=source)
    made = prepare.prepare(project, cache, wanted)
    runner = prepare.make_runner(cache, made.series)
    found = check.compare_as_booted(runner, made, wanted)
    assert found.cases > 20
    what = " ".join(one.what for one in found.unequal)
    assert unequal in what if unequal else not what
    ends = {name: made.programs[name] for name in ("base", made.builds[-1].name)}
    assert all(one.ok for one in trace.object_checks(runner, ends))


def test_of_a_series_without_a_folder_the_objects_say_what_streams(
    project: Project, cache: Cache, runner: Runner, port: Prepared
) -> None:
    series = msgspec.structs.replace(port.series, non_temporal=None)
    unknown = msgspec.structs.replace(port, series=series)
    found = check.check(project, cache, runner, unknown, REQUEST)
    assert found.ok
    assert list(found.streaming) == ["7"]
    names = {(check.build, check.name) for check in found.checks}
    assert ("base", NO_STORE) in names
    assert ("7 with KASAN", NO_STORE) in names
    none = msgspec.structs.replace(port.series, non_temporal=False)
    found = check.check(project, cache, runner, msgspec.structs.replace(port, series=none), REQUEST)
    assert {c.build for c in found.checks if not c.ok} == {"7"}


def test_the_follow_up_is_equal_and_passes_the_checks(
    project: Project, cache: Cache, runner: Runner
) -> None:
    wanted = msgspec.structs.replace(REQUEST, prefixes=(7,), follow_up=True)
    made = prepare.prepare(project, cache, wanted)
    assert [build.name for build in made.builds] == ["base", "7", "follow-up"]
    found = check.check(project, cache, runner, made, wanted)
    assert found.ok
    assert list(found.streaming) == ["7", "follow-up"]
    lines = {one.build: one for one in trace.traffic(runner, made.programs) if one.kind == "order9"}
    assert lines["7"] != lines["follow-up"]


def test_a_symbol_of_the_booted_kernel_is_named_before_anything_runs(
    project: Project, cache: Cache
) -> None:
    wanted = msgspec.structs.replace(REQUEST, source=Mails(WRONG / "unprovided-symbol.mbox"))
    with pytest.raises(HarnessError, match=r"wake_up_process \(wanted by memmap_init_zone_device"):
        prepare.prepare(project, cache, wanted)


def test_instructions_repeat_to_the_last_digit(runner: Runner, port: Prepared) -> None:
    pair = {name: port.programs[name] for name in ("base", port.builds[-1].name)}
    first, second = counting.count(runner, pair), counting.count(runner, pair)
    assert first == second
    base, tip = first
    assert tip.per_page["order0"] < base.per_page["order0"] / 2


def test_the_record_holds_every_pass(
    project: Project, cache: Cache, runner: Runner, port: Prepared, results: Path
) -> None:
    compared = check.compare_as_booted(runner, port, REQUEST)
    blank = runs.new(cache, port, REQUEST, compared)
    record = runs.time_builds(project, runner, port, REQUEST, blank)
    assert record.outcome == "complete"
    assert record.evidence == "replay"
    # Each build and kind alone, three times; one pass per slice, and one before the first.
    timed = [p for p in record.passes if p.build != "limit"]
    schedule = REQUEST.schedule.of(runner.replay)
    in_turns = schedule.rounds * (1 + schedule.slices)
    assert len(timed) == len(port.builds) * len(schedule.kinds) * (3 + in_turns)
    assert all(c.equal for c in record.comparisons)
    assert results.is_dir()
