# SPDX-License-Identifier: GPL-2.0-only
import datetime
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import MachineError, RecordError
from harness.record import store
from harness.record.record import FineClock, Pass, ReplayRun, RunRecord, Unbuilt
from tests.unit.builders import build, record
from tests.unit.replays import blank, replay

replace = msgspec.structs.replace
PASS = Pass(
    build="base",
    process=0,
    round=0,
    index=0,
    kind="order0",
    ns=1,
    cpu_ns=1,
    nr_pages=1,
    nr_bytes=64,
)


def test_a_record_is_loaded_as_saved(tmp_path: Path) -> None:
    path = store.save(tmp_path, record())
    assert path == tmp_path / "memcpy-streaming" / "20260101T000000-abcdef" / "record.json"
    assert store.load(path) == record()
    assert store.load(path.parent) == record()
    assert [p.name for p in path.parent.iterdir()] == ["record.json"]


def test_run_ids_sort_by_time_and_differ_within_a_second() -> None:
    now = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
    assert store.new_run_id(now).startswith("20260102T030405-")
    assert len({store.new_run_id(now) for _ in range(50)}) > 40


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is not a run record"),
        (b"{", "is not a run record"),
        (b"[]", "is not a run record"),
        (b"{}", "is not a run record"),
        (b'{"schema": "1"}', "is not a run record"),
        (b'{"schema": 99}', "made by a newer harness"),
        (b'{"schema": 1}', "is damaged"),
        (b"\xff\xfe", "is not a run record"),
    ],
)
def test_a_broken_record_gives_one_line(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "record.json").write_bytes(content)
    with pytest.raises(RecordError, match=said) as caught:
        store.load(tmp_path)
    assert caught.value.exit_code == 65
    assert "record.json" in str(caught.value)


@given(st.integers(1, 5000))
def test_a_truncated_record_is_refused(cut: int) -> None:
    whole = msgspec.json.encode(record())
    with pytest.raises(msgspec.MsgspecError):
        msgspec.json.decode(whole[: -min(cut, len(whole))], type=type(record()))


def test_an_unknown_key_is_refused(tmp_path: Path) -> None:
    data = json.loads(msgspec.json.encode(record()))
    data["verdict"] = "reproduced"
    (tmp_path / "record.json").write_text(json.dumps(data))
    with pytest.raises(RecordError, match="verdict"):
        store.load(tmp_path)


def test_without_a_record_the_command_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="harness reproduce"):
        store.newest(tmp_path)


def test_an_unwritable_results_folder_is_a_machine_error(tmp_path: Path) -> None:
    (tmp_path / "memcpy-streaming").write_text("a file in the way")
    with pytest.raises(MachineError, match="cannot be written"):
        store.save(tmp_path, record())


def test_only_an_unfinished_run_of_the_same_thing_is_resumed(tmp_path: Path) -> None:
    wanted = replace(record(), run_id="new", boots=(), outcome="lost")
    assert store.resumable(tmp_path, wanted) is None
    for run_id, changes in {
        "1": {"outcome": "complete"},
        "2": {"evidence": "boot-tcg"},
        "3": {"machine": replace(wanted.machine, kernel="6.2")},
        "4": {"builds": (wanted.builds[0], replace(wanted.builds[1], build_id="f" * 40))},
    }.items():
        store.save(tmp_path, replace(wanted, run_id=run_id, **changes))
    assert store.resumable(tmp_path, wanted) is None
    (tmp_path / "memcpy-streaming" / "5").mkdir()
    (tmp_path / "memcpy-streaming" / "5" / "record.json").write_text("{")
    store.save(tmp_path, replace(wanted, run_id="0"))
    found = store.resumable(tmp_path, wanted)
    assert found is not None
    assert found.run_id == "0"


def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = store.save(tmp_path, record())

    def full(_fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(MachineError, match="No space left"):
        store.save(tmp_path, replace(record(), outcome="failed"))
    assert store.load(path).outcome == "complete"
    assert [p.name for p in path.parent.iterdir()] == ["record.json"]


def older(made: RunRecord, schema: int) -> dict[str, Any]:
    """A record's JSON as schema 4 and older had it: one shape for boots and replays."""
    plain = json.loads(msgspec.json.encode(made))
    del plain["run"]
    parts = ("boots", "unbuilt", "passes", "rounds", "counts", "comparisons")
    plain = {key: [] for key in parts} | plain | {"schema": schema, "evidence": made.evidence}
    if isinstance(made, ReplayRun):
        digest = made.setup.schedule_sha256
        plain["setup"] = {
            "plan": "replay",
            "plan_sha256": digest,
            "guest": "none",
            "guest_sha256": digest,
            "rebinds": made.setup.passes,
            "nr_pages": made.setup.nr_pages,
            "boots": made.setup.rounds,
        }
    names = {"builds": "sides", "build": "side", "build_bytes": "side_bytes", "slice": "turn"}
    names["metric"] = "driver"
    return dict(renamed(plain, names))


def renamed(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {names.get(key, key): renamed(inner, names) for key, inner in value.items()}
    return [renamed(inner, names) for inner in value] if isinstance(value, list) else value


def test_a_replay_of_schema_4_has_no_guest_and_no_boots(tmp_path: Path) -> None:
    made = replay({"base": (100, 101, 102), "1": (50, 51, 52)})
    made = replace(made, passes=tuple(replace(p, slice=p.round) for p in made.passes))
    (tmp_path / "record.json").write_text(json.dumps(older(made, 4)))
    assert store.load(tmp_path) == made
    assert not hasattr(store.load_replay(tmp_path), "boots")


@pytest.mark.parametrize(
    ("made", "key", "value"),
    [
        (record(), "passes", [msgspec.to_builtins(PASS)]),
        (record(), "counts", [1]),
        (blank(), "boots", msgspec.to_builtins(record().boots)),
        (blank(), "unbuilt", [{"prefix": 1, "reason": "x"}]),
        (blank(), "setup", None),
        (blank(), "setup", []),
        (record(), "evidence", "boots"),
        (record(), "evidence", None),
    ],
)
def test_an_older_record_that_mixes_kinds_of_runs_is_damaged(
    tmp_path: Path, made: RunRecord, key: str, value: object
) -> None:
    (tmp_path / "record.json").write_text(json.dumps(older(made, 4) | {key: value}))
    with pytest.raises(RecordError, match="is damaged"):
        store.load(tmp_path)


def test_a_run_of_the_other_kind_is_refused(tmp_path: Path) -> None:
    booted, replayed = (store.save(tmp_path / str(n), r) for n, r in enumerate((record(), blank())))
    assert store.load_boots(booted) == record()
    assert store.load_replay(replayed) == blank()
    with pytest.raises(RecordError, match="expected a run of guests"):
        store.load_boots(replayed)
    with pytest.raises(RecordError, match="expected a replay"):
        store.load_replay(booted)


def test_a_record_of_schema_1_loads_without_facts_about_builds(tmp_path: Path) -> None:
    plain = older(record(), 1)
    for key in ("rounds", "counts", "unbuilt"):
        del plain[key]
    for one in plain["sides"]:
        for key in ("options_sha256", "files", "symbols", "config_diff", "new_warnings"):
            del one[key]
    for boot in plain["boots"]:
        del boot["host"]
    (tmp_path / "record.json").write_text(json.dumps(plain))
    loaded = store.load(tmp_path)
    assert loaded == record()
    assert {build.files for build in loaded.builds} == {None}
    assert {boot.host for boot in loaded.boots} == {None}


def test_a_record_of_schema_2_loads_without_warnings(tmp_path: Path) -> None:
    plain = older(record(), 2)
    del plain["unbuilt"]
    for one in plain["sides"]:
        del one["new_warnings"]
    (tmp_path / "record.json").write_text(json.dumps(plain))
    loaded = store.load(tmp_path)
    assert loaded == record()
    assert {build.new_warnings for build in loaded.builds} == {None}
    assert loaded.unbuilt == ()
    assert not loaded.is_per_patch


@pytest.mark.parametrize(
    ("built", "unbuilt"), [((1, 2), ()), ((1,), (2,)), ((2,), (1,)), ((), (1, 2)), ((1,), ())]
)
def test_a_per_patch_run_is_loaded_as_saved(
    tmp_path: Path, built: tuple[int, ...], unbuilt: tuple[int, ...]
) -> None:
    builds = (BASE, *(build(str(k), k) for k in built))
    missing = tuple(Unbuilt(k, "does not build\nx.c:1: error") for k in unbuilt)
    made = replace(record(), builds=builds, unbuilt=missing, boots=())
    assert made.is_per_patch
    assert store.load(store.save(tmp_path, made)) == made
    assert not store.is_null(store.folder_of(tmp_path, made))


def test_a_null_run_is_recognized_without_loading_it(tmp_path: Path) -> None:
    same = tuple(replace(record().builds[0], name=name) for name in ("base", "again"))
    for number, (builds, expected) in enumerate(((same, True), (record().builds, False))):
        path = store.save(tmp_path / str(number), replace(record(), builds=builds))
        assert store.is_null(path.parent) is expected
    (tmp_path / "record.json").write_text("{")
    assert store.is_null(tmp_path) is False
    assert store.is_null(tmp_path / "nothing") is False


BASE, TIP = record().builds
ONE, TWO = build("1", 1), build("2", 2)
FOLLOW_UP = replace(build("follow-up", len(record().subject.patch_ids)), own_patch_ids=("e" * 40,))


def test_a_run_with_a_follow_up_is_loaded_as_saved(tmp_path: Path) -> None:
    for builds in ((BASE, ONE, TWO, FOLLOW_UP), (BASE, ONE, FOLLOW_UP)):
        made = replace(record(), builds=builds, boots=())
        assert store.load(store.save(tmp_path, made)) == made
        assert made.tip is builds[-2]
    assert FOLLOW_UP.kind == "follow-up"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"builds": ()}, "its builds are none"),
        ({"builds": (BASE,)}, "its builds are base"),
        ({"builds": (BASE, BASE)}, "its builds are base, base"),
        ({"builds": (BASE, TIP, replace(TIP, name="third"))}, "its builds are base, tip, third"),
        ({"builds": (TIP,)}, "has no base beside tip"),
        ({"builds": (replace(BASE, name="again"), TIP)}, "its builds are again, tip"),
        ({"builds": (BASE, replace(TIP, name="movnti"), TIP)}, "its builds are base, movnti, tip"),
        ({"builds": (BASE, replace(TIP, name="3"))}, "its builds are base, 3"),
        ({"builds": (TIP, BASE)}, "its builds are tip, base"),
        ({"passes": (), "builds": ()}, "its builds are none"),
        ({"passes": (), "builds": (TIP, BASE)}, "its builds are tip, base"),
        # Per-patch runs: base first, prefixes by their numbers and ascending, built or unbuilt.
        ({"builds": (ONE, BASE)}, "its builds are 1, base"),
        ({"builds": (ONE, TWO)}, "its builds are 1, 2"),
        ({"builds": (BASE, TWO, ONE)}, "its builds are base, 2, 1"),
        ({"builds": (BASE, ONE, ONE)}, "its builds are base, 1, 1"),
        ({"builds": (BASE, ONE, TIP)}, "its builds are base, 1, tip"),
        ({"builds": (BASE, ONE, replace(TWO, prefix=1))}, "its builds are base, 1, 2"),
        ({"builds": (BASE, ONE, replace(TWO, name="3", prefix=3))}, "its builds are base, 1, 3"),
        ({"builds": (BASE, ONE), "unbuilt": (Unbuilt(1, "x"),)}, "its builds are base, 1"),
        ({"builds": (BASE,), "unbuilt": (Unbuilt(2, "x"), Unbuilt(1, "x"))}, "its builds are base"),
        ({"builds": (BASE, ONE), "unbuilt": (Unbuilt(3, "x"),)}, "its builds are base, 1"),
        ({"builds": (BASE, ONE), "unbuilt": (Unbuilt(-1, "x"),)}, "its builds are base, 1"),
        # A follow-up is on top of the whole series.
        ({"builds": (BASE, ONE, replace(TIP, name="follow-up", prefix=1))}, "1, follow-up"),
        ({"builds": (BASE, FOLLOW_UP, ONE)}, "base, follow-up, 1"),
        ({"builds": (BASE, ONE, FOLLOW_UP, FOLLOW_UP)}, "1, follow-up, follow-up"),
        ({"builds": (FOLLOW_UP, ONE)}, "its builds are follow-up, 1"),
        ({"builds": (BASE, FOLLOW_UP)}, "its builds are base, follow-up"),
        ({"passes": (replace(PASS, cpu_ns=0),)}, "no duration"),
        ({"passes": (replace(PASS, ns=-1),)}, "no duration"),
        ({"passes": (replace(PASS, nr_bytes=0),)}, "filled nothing"),
        ({"passes": (replace(PASS, nr_pages=0),)}, "no struct pages"),
    ],
)
def test_a_record_that_no_run_leaves_is_refused(
    tmp_path: Path, changes: dict[str, object], said: str
) -> None:
    made = blank() if "passes" in changes else record()
    path = store.save(tmp_path, replace(made, **changes))
    with pytest.raises(RecordError, match=said):
        store.load(path)


def test_a_replay_may_be_of_base_alone(tmp_path: Path) -> None:
    passes = (PASS, replace(PASS, build="limit", kind="movnti", nr_pages=0))
    made = replace(blank(), builds=(BASE,), passes=passes)
    assert store.load(store.save(tmp_path, made)) == made


# --- a replay beside a run of boots ---


def test_a_replay_is_saved_beside_a_run_and_is_no_run_of_its_own(tmp_path: Path) -> None:
    folder = store.save(tmp_path, record()).parent
    assert store.replay_beside(folder) is None
    made = replace(replay({"base": (100, 101), "1": (50, 51)}), run_id="20260101T000000-000001")
    assert store.save_replay(folder, made) == folder / "replay.json"
    assert store.replay_beside(folder) == made
    assert store.replay_beside(folder / "record.json") == made
    assert store.load(folder) == record()
    assert store.runs(tmp_path) == [folder]
    assert store.newest(tmp_path) == folder


def test_a_replay_has_no_replay_beside_it(tmp_path: Path) -> None:
    folder = store.save(tmp_path, blank()).parent
    store.save_replay(folder, blank())
    assert store.replay_beside(folder) is None
    assert store.replay_beside(tmp_path / "nothing") is None


def test_a_replay_beside_boots_of_an_older_schema(tmp_path: Path) -> None:
    (tmp_path / "record.json").write_text(json.dumps(older(record(), 4)))
    store.save_replay(tmp_path, blank())
    assert store.replay_beside(tmp_path) == blank()


def test_a_replay_that_could_not_be_made_has_no_builds(tmp_path: Path) -> None:
    folder = store.save(tmp_path, record()).parent
    failed = replace(blank(), builds=(), outcome="failed", reason="no object")
    store.save_replay(folder, failed)
    assert store.replay_beside(folder) == failed
    # A run of its own must have builds.
    with pytest.raises(RecordError, match="its builds are none"):
        store.load(folder / "replay.json")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is not a run record"),
        (b"{", "is not a run record"),
        (b'{"schema": 99}', "made by a newer harness"),
        (msgspec.json.encode(record()), "is not the record of a replay"),
        (msgspec.json.encode(replace(blank(), builds=())), "is not the record of a replay"),
        (msgspec.json.encode(replace(blank(), builds=(TIP, BASE))), "its builds are tip, base"),
        (
            msgspec.json.encode(
                replace(blank(), subject=replace(blank().subject, patch_ids=("f" * 40,)))
            ),
            "of other patches than run 20260101T000000-abcdef",
        ),
        (
            msgspec.json.encode(replace(blank(), subject=replace(blank().subject, base="f" * 40))),
            "of other patches",
        ),
    ],
)
def test_a_replay_that_cannot_be_used_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    folder = store.save(tmp_path, record()).parent
    (folder / "replay.json").write_bytes(content)
    with pytest.raises(RecordError, match=said) as caught:
        store.replay_beside(folder)
    assert "replay.json" in str(caught.value)


def test_a_full_disk_leaves_the_replay_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = store.save(tmp_path, record()).parent
    store.save_replay(folder, blank())

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(MachineError, match="No space left"):
        store.save_replay(folder, replace(blank(), outcome="failed"))
    assert store.replay_beside(folder) == blank()


def test_the_kind_of_a_run_is_known_without_loading_it(tmp_path: Path) -> None:
    booted, replayed = (store.save(tmp_path / str(n), r) for n, r in enumerate((record(), blank())))
    assert store.is_of_boots(booted)
    assert store.is_of_boots(booted.parent)
    assert not store.is_of_boots(replayed)
    booted.write_text("{")
    assert not store.is_of_boots(booted)


def test_boots_that_compare_clocks_are_loaded_and_are_not_among_those_that_decide(
    tmp_path: Path,
) -> None:
    made = record()
    fine = FineClock(made.builds, (made.boots[0],))
    clocked = replace(made, fine_clock=fine)
    assert store.load(store.save(tmp_path, clocked)) == clocked
    assert clocked.all_boots == (*made.boots, made.boots[0])
    assert list(clocked.kernels) == ["base", "tip", "fine-clock-base", "fine-clock-tip"]


@pytest.mark.parametrize("schema", [5, 6, 7])
def test_a_record_with_drivers_in_place_of_metrics_loads(tmp_path: Path, schema: int) -> None:
    made = replace(record(), reason='a "driver": not "metric": \\"driver": 1')
    path = store.save(tmp_path, made)
    old = renamed(json.loads(path.read_bytes()), {"metric": "driver"}) | {"schema": schema}
    del old["subject"]["workload"]
    for indent in (None, 1):
        path.write_text(json.dumps(old, indent=indent))
        assert store.load(path) == made
    assert made.subject.workload == "zone_device"


def test_a_new_record_with_drivers_is_damaged(tmp_path: Path) -> None:
    path = store.save(tmp_path, record())
    path.write_text(path.read_text().replace('"metric"', '"driver"'))
    with pytest.raises(RecordError, match="unknown field `driver`"):
        store.load(path)


@pytest.mark.parametrize("schema", [5, 6])
def test_a_record_without_such_boots_has_none(tmp_path: Path, schema: int) -> None:
    path = store.save(tmp_path, record())
    old = json.loads(path.read_bytes()) | {"schema": schema}
    del old["fine_clock"]
    path.write_text(json.dumps(old))
    assert store.load_boots(path).fine_clock is None


@pytest.mark.parametrize(
    ("builds", "boot"), [(("base",), "base"), (("tip", "base"), "tip"), (("base", "tip"), "7")]
)
def test_impossible_boots_that_compare_clocks_are_refused(
    tmp_path: Path, builds: tuple[str, ...], boot: str
) -> None:
    made = record()
    one = replace(made.boots[0], build=boot)
    fine = FineClock(tuple(build(name, 0) for name in builds), (one,))
    path = store.save(tmp_path, replace(made, fine_clock=fine))
    with pytest.raises(RecordError, match="is damaged: its builds with probes are "):
        store.load(path)


def test_a_run_is_resumed_only_with_the_same_kernels_with_probes(tmp_path: Path) -> None:
    made = replace(record(), outcome="lost", finished=None)
    clocked = replace(made, fine_clock=FineClock(made.builds))
    store.save(tmp_path, clocked)
    assert store.resumable(tmp_path, made) is None
    assert store.resumable(tmp_path, clocked) == clocked
