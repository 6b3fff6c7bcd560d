# SPDX-License-Identifier: GPL-2.0-only
"""Measuring with a fake virtme-run: records of healthy and failing guests."""

import fcntl
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import pytest

from harness.errors import GuestLost, HarnessError, MachineError, TimedOut
from harness.events import Advanced, Event, Note
from harness.guest import backing_files, waits
from harness.guest.accelerator import Accelerator
from harness.host import speed
from harness.host.cache import Cache
from harness.host.processes import sandbox, venv
from harness.measure.boots import measure, order
from harness.project.kernel import Kernel
from harness.project.project import Project
from harness.record import store
from harness.record.record import BootRun, BootSetup, Build, Machine, Memmap, Subject
from tests.fakes.machine import command_lines

FAKES = Path(__file__).parents[2] / "fakes" / "bin"
TCG = Accelerator("tcg", "asked for")
ROOT = Project.find().root


class Bench:
    """A project, a cache and two fake kernels."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        for name in ("series", "configs", "guests"):
            (folder / name).symlink_to(ROOT / name)
        self.folder = folder
        self.project = Project(folder)
        self.cache = Cache(folder / "a cache, with a comma")
        self.plan = self.project.plan("quick")
        self.guest = self.project.guest("pmem-4g")
        self.kernels = {"base": self.kernel("base", 60), "tip": self.kernel("tip", 30)}
        self.heard: list[Event] = []

    def kernel(self, build: str, ms: int, *flaws: str, hz: int = 1000, ticks: str = "y") -> Kernel:
        folder = self.folder / f"kernel {build}"
        folder.mkdir(exist_ok=True)
        build_id = hashlib.sha1(build.encode()).hexdigest()
        image = {"release": "7.2.13", "build_id": build_id, "ms": ms, "flaws": flaws}
        (folder / "bzImage").write_text(json.dumps(image))
        config = f"CONFIG_HZ={hz}\nCONFIG_HIGH_RES_TIMERS={ticks}\n"
        (folder / "config").write_text(config)
        return Kernel(
            key=build,
            commit=build,
            release="7.2.13",
            build_id=build_id,
            config_sha256=hashlib.sha256((folder / "config").read_bytes()).hexdigest(),
            compiler="gcc",
            profile="minimal",
            fragments=(),
            folder=str(folder),
            cpu_s=0.0,
            wall_s=0.0,
        )

    def record(self, boots: int = 1, run_id: str = "20260101T000000-aaaaaa") -> BootRun:
        return BootRun(
            run_id=run_id,
            evidence="boot-tcg",
            subject=Subject(
                slug="s", version=1, source="x", tree="t", release="7", base="b", patch_ids=()
            ),
            setup=BootSetup(
                plan="quick",
                plan_sha256="",
                guest="pmem-4g",
                guest_sha256="",
                rebinds=self.plan.rebinds,
                nr_pages={n.driver: n.nr_pages for n in self.guest.namespaces},
                boots=boots,
            ),
            machine=Machine(
                cpu="",
                cpus=1,
                memory_bytes=1,
                kernel="",
                accelerator="tcg",
                accelerator_proof="",
                tools={},
            ),
            builds=tuple(
                Build(
                    name=name,
                    prefix=0,
                    commit=k.commit,
                    release=k.release,
                    build_id=k.build_id,
                    config_sha256=k.config_sha256,
                    compiler=k.compiler,
                )
                for name, k in self.kernels.items()
            ),
            started="2026-01-01T00:00:00+00:00",
        )

    def measure(self, record: BootRun | None = None, **options: object) -> BootRun:
        return measure(
            self.project,
            self.cache,
            record or self.record(),
            self.kernels,
            self.guest,
            self.plan,
            TCG,
            self.heard.append,
            **options,  # type: ignore[arg-type]
        )

    def saved(self, record: BootRun | None = None) -> BootRun:
        return store.load(store.folder_of(self.project.results, record or self.record()))


@pytest.fixture(autouse=True)
def _own_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use a private folder in place of /dev/shm."""
    monkeypatch.setattr(backing_files, "SHARED_MEMORY", tmp_path / "shm")
    backing_files.SHARED_MEMORY.mkdir()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setenv("PATH", f"{FAKES}:{os.environ['PATH']}")
    monkeypatch.setattr(venv.sysconfig, "get_path", lambda _name: str(FAKES))
    return Bench(tmp_path)


def leftovers() -> set[Path]:
    """Return folders in memory that no living process uses."""
    found = {
        p for p in backing_files.SHARED_MEMORY.glob(f"{backing_files.PREFIX}*") if p.owner() == me()
    }
    return {p for p in found if not in_use(p)}


def in_use(folder: Path) -> bool:
    try:
        with (folder / "owner").open() as owner:
            fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return not folder.exists()
    return False


def me() -> str:
    return Path("/proc/self").owner()


def failed(record: BootRun) -> dict[str, list[str]]:
    return {b.build: [c.name for c in b.checks if not c.ok] for b in record.boots}


def test_a_healthy_run(bench: Bench) -> None:
    before = leftovers()
    record = bench.measure(bench.record(boots=2))
    assert record == bench.saved(record)
    assert (record.outcome, record.reason) == ("complete", "")
    assert record.finished is not None
    assert all(boot.counts for boot in record.boots)
    assert sorted((b.build, b.number) for b in record.boots) == [
        ("base", 1),
        ("base", 2),
        ("tip", 1),
        ("tip", 2),
    ]
    for boot in record.boots:
        ms = {"base": 60, "tip": 30}[boot.build]
        for driver in ("nd_pmem", "dax_pmem"):
            samples = [s for s in boot.samples if s.metric == driver]
            assert [s.ns for s in samples] == [ms * 5_000_000, *[ms * 1_000_000] * 5]
            assert [s.op for s in samples] == ["first", *["rebind"] * 5]
            assert {(s.nr_pages, s.resolution_ns) for s in samples} == {(1_031_680, 1_000_000)}
        assert boot.host is not None
        assert boot.host.wall_s >= boot.wall_s > 0
        assert boot.host.load_before == boot.load_1min
        for log in boot.logs:
            path = store.folder_of(bench.project.results, record) / log.path
            assert store.digest(path) == log.sha256
    for build in record.builds:
        kept = store.folder_of(bench.project.results, record) / f"configs/{build.name}.config"
        assert store.digest(kept) == build.config_sha256
    assert leftovers() == before
    assert list((bench.cache.root / "staging").iterdir()) == []


def test_boots_are_added_while_an_interval_is_wide(bench: Bench) -> None:
    record = bench.record()
    planned = record.setup.boots
    record = msgspec.structs.replace(
        record, setup=msgspec.structs.replace(record.setup, until=0.02)
    )
    asked: list[tuple[int, int]] = []

    def more(seen: BootRun) -> int:
        asked.append((len(seen.boots), seen.setup.looks))
        return 1 if len(asked) == 1 else 0

    ended = bench.measure(record, more=more)
    builds = len(record.builds)
    assert asked == [(planned * builds, 1), ((planned + 1) * builds, 2)]
    assert ended.outcome == "complete"
    assert (ended.setup.boots, ended.setup.looks) == (planned + 1, 2)
    assert len(ended.boots) == (planned + 1) * builds
    assert any(isinstance(e, Note) and "1 more boots per build" in e.text for e in bench.heard)


def test_each_sample_is_reported_as_it_arrives(bench: Bench) -> None:
    bench.measure()
    events = [e for e in bench.heard if isinstance(e, Advanced)]
    assert [e.done for e in events] == [*range(1, 13)] * 2
    assert {e.total for e in events} == {12}
    assert {"nd_pmem first binding: 300 ms", "dax_pmem rebind 5: 30 ms"} <= {e.text for e in events}


def test_running_without_bubblewrap_is_reported(bench: Bench) -> None:
    bench.measure()
    assert any(sandbox.UNCONFINED in e.text for e in bench.heard if isinstance(e, Note))


@pytest.mark.parametrize(
    ("flaw", "check"),
    [
        ("pages", ["nd_pmem pages", "dax_pmem pages"]),
        ("align", ["nd_pmem namespace", "dax_pmem namespace"]),
        ("missing", ["nd_pmem bindings", "dax_pmem bindings"]),
        ("no-site", ["pr_debug"]),
        ("tracepoint", ["page_ref_set"]),
    ],
)
def test_a_failing_check_makes_a_boot_not_count(bench: Bench, flaw: str, check: list[str]) -> None:
    bench.kernels["tip"] = bench.kernel("tip", 30, flaw)
    record = bench.measure()
    assert failed(record) == {"base": [], "tip": check}
    assert {b.build: b.counts for b in record.boots} == {"base": True, "tip": False}


def test_a_boot_of_another_kernel_does_not_count(bench: Bench) -> None:
    tip = bench.kernels["tip"]
    bench.kernels["tip"] = msgspec.structs.replace(tip, build_id=bench.kernels["base"].build_id)
    assert failed(bench.measure())["tip"] == ["kernel"]


def test_another_tick_rate_does_not_count(bench: Bench) -> None:
    bench.kernels["tip"] = bench.kernel("tip", 30, hz=250)
    record = bench.measure()
    assert failed(record)["tip"] == ["clock"]
    (tip,) = [b for b in record.boots if b.build == "tip"]
    assert {s.resolution_ns for s in tip.samples} == {4_000_000}


def test_a_clock_that_loses_ticks_does_not_count(bench: Bench) -> None:
    bench.kernels["tip"] = bench.kernel("tip", 30, ticks="n")
    assert failed(bench.measure())["tip"] == ["clock"]


def test_a_config_that_was_changed_is_not_used(bench: Bench) -> None:
    with Path(bench.kernels["tip"].config).open("a") as handle:
        handle.write("# touched\n")
    assert failed(bench.measure())["tip"] == ["clock"]


def test_a_warning_is_a_finding_and_does_not_count(bench: Bench) -> None:
    bench.kernels["tip"] = bench.kernel("tip", 30, "warn")
    (boot,) = [b for b in bench.measure().boots if b.build == "tip"]
    assert [f.kind for f in boot.findings] == ["warn", "warn"]
    assert boot.outcome == "complete"
    assert not boot.counts


@pytest.mark.parametrize(
    ("flaw", "error", "outcome", "reason"),
    [
        ("panic", GuestLost, "panicked", "Kernel panic - not syncing: fake"),
        ("lost", GuestLost, "lost", "without the agent's end marker (last: reboot: Power down)"),
        ("ndctl", GuestLost, "failed", "ndctl create-namespace: no such device"),
        ("hang", TimedOut, "timed_out", "not over within 8 s"),
        ("dead", TimedOut, "timed_out", "no sign of the kernel within 5 s"),
    ],
)
def test_a_boot_that_fails_is_recorded_and_ends_the_run(
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    flaw: str,
    error: type[HarnessError],
    outcome: str,
    reason: str,
) -> None:
    monkeypatch.setitem(waits.KERNEL_S, "tcg", 5.0)
    monkeypatch.setattr(speed, "slowness", lambda: 1.0)
    bench.plan = msgspec.structs.replace(bench.plan, boot_s=8)
    bench.kernels = {build: bench.kernel(build, 30, flaw) for build in bench.kernels}
    before = leftovers()
    with pytest.raises(error) as caught:
        bench.measure()
    assert caught.value.exit_code == 69
    assert reason in str(caught.value)
    record = bench.saved()
    (boot,) = record.boots
    assert (boot.outcome, boot.counts) == (outcome, False)
    assert reason in boot.reason
    # A lost guest ends the run: only an interrupted run is resumed.
    assert record.outcome == ("failed" if outcome == "lost" else outcome)
    assert reason in record.reason
    assert store.resumable(bench.project.results, bench.record()) is None
    assert leftovers() == before


def test_a_resumed_run_does_the_missing_boots(bench: Bench) -> None:
    whole = bench.measure(bench.record(boots=2))
    halved = msgspec.structs.replace(
        whole, boots=whole.boots[:3], outcome="lost", reason="", finished=None
    )
    store.save(bench.project.results, halved)
    bench.heard.clear()
    again = bench.measure(halved)
    assert again.outcome == "complete"
    assert again.boots[:3] == whole.boots[:3]
    assert [(b.build, b.number) for b in again.boots] == [(b.build, b.number) for b in whole.boots]
    assert len([e for e in bench.heard if isinstance(e, Advanced)]) == 12


def test_a_finished_run_is_not_changed(bench: Bench) -> None:
    bench.kernels = {build: bench.kernel(build, 30, "lost") for build in bench.kernels}
    with pytest.raises(GuestLost):
        bench.measure()
    ended = bench.saved()
    assert bench.measure(bench.record()) == ended
    assert bench.saved() == ended


def test_each_round_starts_with_another_build(bench: Bench) -> None:
    planned = list(order(bench.record(boots=4)))
    assert len(set(planned)) == 8
    firsts = [build for build, _ in planned[::2]]
    assert firsts in (["base", "tip"] * 2, ["tip", "base"] * 2)
    assert [number for _, number in planned] == [1, 1, 2, 2, 3, 3, 4, 4]
    drawn = {next(order(bench.record(run_id=str(n))))[0] for n in range(20)}
    assert drawn == {"base", "tip"}


def test_the_backing_files_exist_until_after_boot_returns(bench: Bench) -> None:
    seen: list[Path] = []

    def look(build: str, number: int, images: Mapping[str, Path]) -> tuple[Memmap, ...]:
        assert set(images) == {"nd_pmem", "dax_pmem"}
        for path in images.values():
            assert path.stat().st_size == 4 << 30
            assert path.stat().st_blocks * 512 < 1 << 20
            with path.open("rb") as handle:
                assert handle.read(9) == b"memmap of"
        seen.extend(images.values())
        # A SIGKILL now would leave no content behind: it has no name any more.
        names = [p for p in leftovers() - before for p in p.glob("*.img")]
        assert names == []
        return (Memmap("nd_pmem", 1, "equal"),)

    before = leftovers()
    record = bench.measure(after_boot=look)
    assert [boot.memmaps for boot in record.boots] == [(Memmap("nd_pmem", 1, "equal"),)] * 2
    assert record.outcome == "complete"
    assert len(seen) == 4
    assert not any(path.exists() for path in seen)


def test_a_boot_is_repeated_if_after_boot_raised(bench: Bench) -> None:
    def fail(build: str, number: int, images: Mapping[str, Path]) -> tuple[Memmap, ...]:
        raise MachineError("no")

    with pytest.raises(MachineError):
        bench.measure(after_boot=fail)
    assert bench.saved().boots == ()
    assert bench.saved().outcome == "lost"
    assert bench.measure(bench.saved()).outcome == "complete"


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (
            Memmap("nd_pmem", 9, "b"),
            "boot 1 of tip: the struct pages of nd_pmem differ from base's",
        ),
        (
            Memmap("nd_pmem", 8, "a"),
            "boot 1 of tip: the struct pages of nd_pmem differ from base's",
        ),
        (Memmap("nd_pmem", 0, "", "no block"), "boot 1 of tip: .* cannot be compared: no block"),
    ],
)
def test_different_struct_pages_fail_the_run(bench: Bench, left: Memmap, said: str) -> None:
    def keep(build: str, number: int, images: Mapping[str, Path]) -> tuple[Memmap, ...]:
        return (Memmap("nd_pmem", 9, "a") if build == "base" else left,)

    record = bench.measure(after_boot=keep)
    assert all(boot.counts for boot in record.boots)
    assert record.outcome == "failed"
    assert re.search(said, record.reason)
    assert bench.saved(record) == record


def test_images_are_copied_if_wanted(bench: Bench) -> None:
    record = bench.measure(keep_images=True)
    folder = store.folder_of(bench.project.results, record)
    images = sorted(path.name for path in folder.glob("*.img"))
    assert images == [f"{s}-1-{d}.img" for s in ("base", "tip") for d in ("dax_pmem", "nd_pmem")]
    assert (folder / "tip-1-nd_pmem.img").stat().st_blocks * 512 < 1 << 20


def test_too_little_room_is_an_error_before_anything_runs(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backing_files, "room_bytes", lambda _guest: 1 << 60)
    with pytest.raises(MachineError, match="too little for the guest's memmaps") as caught:
        bench.measure()
    assert caught.value.exit_code == 69
    assert bench.saved().boots == ()


def test_without_room_in_memory_the_files_are_in_the_cache(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backing_files, "available_bytes", lambda: 0)
    record = bench.measure()
    assert all(boot.counts for boot in record.boots)
    for boot in record.boots:
        (path, _) = [a.rpartition("mem-path=")[2] for a in boot.argv if "mem-path=" in a]
        assert path.replace(",,", ",").startswith(str(bench.cache.root))


@pytest.mark.parametrize(("owned", "young_s", "old_s"), [(True, 0, 6), (False, 30, 61)])
def test_files_of_a_killed_run_in_memory_are_removed(
    bench: Bench, owned: bool, young_s: int, old_s: int
) -> None:
    left = backing_files.SHARED_MEMORY / f"{backing_files.PREFIX}left-{os.getpid()}"
    left.mkdir(mode=0o700)
    if owned:
        (left / "owner").touch()
    (left / "nd_pmem.img").touch()
    for age_s, is_left in ((young_s, True), (old_s, False)):
        began = time.time() - age_s
        os.utime(left, (began, began))
        backing_files.fits_in_memory(bench.guest)
        assert left.exists() == is_left, "a younger one may belong to a run that is just beginning"


CHILD = """
import os, signal, sys
from pathlib import Path
from tests.integration.measure.test_boots import FAKES, Bench, backing_files, venv
def interrupt(*_): raise KeyboardInterrupt
signal.signal(signal.SIGTERM, interrupt)
os.environ["PATH"] = f"{FAKES}:{os.environ['PATH']}"
venv.sysconfig.get_path = lambda _name: str(FAKES)
backing_files.SHARED_MEMORY = Path(sys.argv[1]).parent / "shm"
bench = Bench(Path(sys.argv[1]))
bench.kernels = {build: bench.kernel(build, 30, *flaws) for build, flaws in
                 (("base", sys.argv[2:3]), ("tip", sys.argv[3:4]))}
class Printer:
    def append(self, event): print(event, flush=True)
bench.heard = Printer()
bench.measure()
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_boot_leaves_nothing_and_finished_boots_stay(
    tmp_path: Path, how: signal.Signals
) -> None:
    build = next(order(Bench(tmp_path / "plan").record()))[0]  # boots first
    flaws = ("", "hang") if build == "base" else ("hang", "")
    before = leftovers()
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path / "x"), *flaws],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert child.stdout is not None
    for line in child.stdout:
        if "boot 2 of 2" in line:
            break
    wait_for(lambda: len(guests(tmp_path)) > 0)
    child.send_signal(how)
    child.stdout.close()
    assert child.wait(20) != 0
    assert guests(tmp_path) == []
    assert leftovers() == before
    record = store.load(next((tmp_path / "x" / "results").glob("*/*/record.json")))
    assert (record.outcome, record.finished) == ("lost", None)
    assert [(b.build, b.outcome) for b in record.boots] == [(build, "complete")]


def guests(folder: Path) -> list[str]:
    """Processes whose command line names the folder, other than the child itself."""
    return list(command_lines(str(folder), "--kimg"))


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
