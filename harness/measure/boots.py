# SPDX-License-Identifier: GPL-2.0-only
"""Boots the builds of a run in turn and records their samples.

The record is saved after every boot, so an interrupted run loses one boot at most.
"""

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec

from harness.errors import GuestLost, HarnessError, TimedOut, Unsupported
from harness.events import Began, Ended, Listener, Note, silent
from harness.guest import agent, backing_files
from harness.guest.accelerator import Accelerator
from harness.guest.qemu import options as qemu
from harness.guest.qemu.pinning import NOT_PINNED, Pinning
from harness.host import units
from harness.host.cache import Cache
from harness.host.files import replace_file
from harness.host.processes import process
from harness.measure.one_boot import Conditions, boot
from harness.memmap import compare
from harness.memmap.read import AfterBoot
from harness.project.guest import Guest
from harness.project.kernel import Kernel
from harness.project.plan import Plan
from harness.project.project import Project
from harness.record import store
from harness.record.record import PR_DEBUG, Boot, BootRun, Outcome, fine_clock_file
from harness.workloads import words

#: Copying backing files: some GB each.
_COPY_S = 1800
#: `qemu -device help`.
_QEMU_S = 20
#: The folder of the .config files, in the run's.
_CONFIGS = "configs"
NO_KERNELS: Mapping[str, Kernel] = {}


def measure(
    project: Project,
    cache: Cache,
    record: BootRun,
    kernels: Mapping[str, Kernel],
    guest: Guest,
    plan: Plan,
    accelerator: Accelerator,
    listen: Listener = silent,
    *,
    keep_images: bool = False,
    after_boot: AfterBoot | None = None,
    keep_going: bool = False,
    pinning: Pinning = NOT_PINNED,
    more: Callable[[BootRun], int] = lambda _record: 0,
    probed: Mapping[str, Kernel] = NO_KERNELS,
) -> BootRun:
    """Run the boots that `record` lacks and return the finished record.

    `keep_images` copies the backing files beside the record, as `<build>-<number>-<driver>.img`.
    `after_boot` returns the memmaps that a boot left; if builds left different ones, the run
    failed. Saves the record and raises GuestLost or TimedOut if a boot fails; with `keep_going`,
    only the other boots of that build are left out, and the run failed. `more` returns how many
    boots per build to add to a record whose boots are done. `probed` are kernels that compare
    clocks. Raises MachineError if the machine lacks room for a boot.
    """
    _require_device(cache, guest)
    cache.sandbox.warn(listen)
    folder = store.folder_of(project.results, record)
    script = agent.agent(project.agent_folder)
    workload = project.series(record.subject.slug).measured
    conditions = Conditions(cache, folder, script, guest, plan, accelerator, workload, pinning)

    def boot_one(build: str, number: int) -> Boot:
        with backing_files.images(cache, guest, listen) as images:
            ended = boot(conditions, kernels[build], build, number, images, listen)
            if ended.outcome == "complete" and after_boot is not None:
                memmaps = after_boot(build, number, images.readable)
                ended = msgspec.structs.replace(ended, memmaps=memmaps)
            if keep_images:
                _copy_images(cache, images.readable, folder, f"{build}-{number}")
        return ended

    return in_turn(
        project,
        cache,
        record,
        kernels,
        boot_one,
        listen,
        keep_going=keep_going,
        more=more,
        probed=probed,
        afterwards=lambda done: _compare_clocks(project, done, conditions, probed, listen),
    )


def in_turn(
    project: Project,
    cache: Cache,
    record: BootRun,
    kernels: Mapping[str, Kernel],
    boot_one: Callable[[str, int], Boot],
    listen: Listener = silent,
    *,
    keep_going: bool = False,
    more: Callable[[BootRun], int] = lambda _record: 0,
    probed: Mapping[str, Kernel] = NO_KERNELS,
    afterwards: Callable[[BootRun], BootRun] = lambda record: record,
) -> BootRun:
    """Run the boots that `record` lacks, wherever `boot_one` boots, and return the record.

    `boot_one` gets the build's name and the boot's number. `afterwards` completes a record of which
    no boot failed. The other arguments and the errors are those of measure().
    """
    folder = store.folder_of(project.results, record)
    with cache.locked(f"run-{record.run_id}"):
        # Until now, the folder may have held the replay that preceded the boots.
        if store.is_of_boots(folder):
            record = store.load_boots(folder)  # another process may have gone further meanwhile
            if record.outcome != "lost":
                return record
        else:
            store.save(project.results, record)
        _copy_configs(record, kernels, probed, folder)
        lost = {b.build: f"boot {b.number} of {b.build}: {b.reason}" for b in _lost(record)}
        while due := [one for one in _due(record) if one[1] not in lost]:
            position, build, number = due[0]
            count = len(record.builds) * record.setup.boots
            title = f"boot {position} of {count}, {build}"
            listen(Began(title, position, count))
            ended = boot_one(build, number)
            record = msgspec.structs.replace(record, boots=(*record.boots, ended))
            if ended.outcome != "complete" and keep_going:
                lost[build] = f"boot {number} of {build}: {ended.reason}"
            elif ended.outcome != "complete":
                _finish(project, record, _of_run(ended.outcome), f"{title}: {ended.reason}")
                raise _error(ended, title, folder)
            listen(Ended(f"{title}: {_summary(ended, words(record).figure)}"))
            if record.setup.until and not lost and not _due(record):
                record = _extended(record, more, listen)
            store.save(project.results, record)
        if not lost:
            record = afterwards(record)
        failures = "; ".join(lost.values()) or compare.unequal(record)
        return _finish(project, record, "failed" if failures else "complete", failures)


def _compare_clocks(
    project: Project,
    record: BootRun,
    conditions: Conditions,
    kernels: Mapping[str, Kernel],
    listen: Listener,
) -> BootRun:
    """Return the record after the boots that compare clocks. A failed one changes no verdict."""
    if record.fine_clock is None:
        return record
    conditions = msgspec.structs.replace(conditions, fine_clock=True)
    fine, names = record.fine_clock, [build.name for build in record.fine_clock.builds]
    for position, build in enumerate(names, 1):
        if any(boot.build == build for boot in fine.boots):
            continue
        title = f"boot {position} of {len(names)} to compare clocks, {build}"
        listen(Began(title))
        with backing_files.images(conditions.cache, conditions.guest, listen) as images:
            ended = boot(conditions, kernels[build], build, 1, images, listen)
        figure = words(record).figure
        done = _summary(ended, figure) if ended.outcome == "complete" else ended.reason
        listen(Ended(f"{title}: {done}"))
        fine = msgspec.structs.replace(fine, boots=(*fine.boots, ended))
        record = msgspec.structs.replace(record, fine_clock=fine)
        store.save(project.results, record)
    return record


def _due(record: BootRun) -> list[tuple[int, str, int]]:
    """Return position, build and number of the boots that a record lacks."""
    done = {(b.build, b.number) for b in record.boots}
    return [(at, *one) for at, one in enumerate(order(record), 1) if one not in done]


def _extended(record: BootRun, more: Callable[[BootRun], int], listen: Listener) -> BootRun:
    """Return the record after one more look at it, with more boots planned if `more` says so."""
    setup = msgspec.structs.replace(record.setup, looks=record.setup.looks + 1)
    boots = more(msgspec.structs.replace(record, setup=setup))
    if boots:
        listen(Note(f"an interval is wider than {setup.until:.1%}: {boots} more boots per build"))
    setup = msgspec.structs.replace(setup, boots=setup.boots + boots)
    return msgspec.structs.replace(record, setup=setup)


def _require_device(cache: Cache, guest: Guest) -> None:
    """Raise Unsupported unless this QEMU has the device that holds the guest's memory."""
    if guest.place == "cxl" and not qemu.offers(
        qemu.CXL_DEVICE, cache.log("qemu"), process.Deadline(_QEMU_S)
    ):
        what = f"this {qemu.PROGRAM} has no device {qemu.CXL_DEVICE}"
        raise Unsupported(what, where=f"guest {guest.name}", expected="QEMU 7.1 or later")


def _lost(record: BootRun) -> list[Boot]:
    return [boot for boot in record.boots if boot.outcome != "complete"]


def order(record: BootRun) -> Iterator[tuple[str, int]]:
    """Yield (build, number) of every boot. Each round boots all builds, starting with the next one.

    The run's id decides which build is first in the first round.
    """
    builds = [build.name for build in record.builds]
    seed = hashlib.sha256(record.run_id.encode()).digest()[0]
    for number in range(1, record.setup.boots + 1):
        first = (seed + number) % len(builds)
        for build in builds[first:] + builds[:first]:
            yield build, number


def _summary(boot: Boot, figure: str) -> str:
    """Return the outcome of a boot in one line; `figure` is what it prints (ReportWords)."""
    failed = [check.name for check in boot.checks if not check.ok]
    printed = sum(sample.source == PR_DEBUG for sample in boot.samples)
    parts = [units.count(printed, figure), f"{boot.wall_s:.1f} s"]
    if failed:
        parts.append(f"does not count: {', '.join(failed)}")
    if boot.findings:
        parts.append(f"the console shows: {', '.join(sorted({f.kind for f in boot.findings}))}")
    return ", ".join(parts)


def _of_run(outcome: Outcome) -> Outcome:
    """Return the outcome of a run whose boot failed: `lost` is a run that was interrupted."""
    return "failed" if outcome == "lost" else outcome


def _finish(project: Project, record: BootRun, outcome: Outcome, reason: str) -> BootRun:
    record = msgspec.structs.replace(
        record, outcome=outcome, reason=reason, finished=store.now().isoformat()
    )
    store.save(project.results, record)
    return record


def _error(boot: Boot, title: str, folder: Path) -> HarnessError:
    """Return the error of a boot that failed."""
    kind = TimedOut if boot.outcome == "timed_out" else GuestLost
    splat = boot.findings[0].splat.splitlines()[:20] if boot.findings else []
    return kind(
        f"{title}: {boot.outcome.replace('_', ' ')}: {boot.reason.rstrip('.')}",
        hint=f"the console is in {folder / boot.logs[0].path}" if boot.logs else None,
        detail="\n".join(splat) or None,
    )


def _copy_configs(
    record: BootRun, kernels: Mapping[str, Kernel], probed: Mapping[str, Kernel], folder: Path
) -> None:
    """Copy each build's .config beside the record, unless its digest is not `config_sha256`."""
    (folder / _CONFIGS).mkdir(exist_ok=True)
    built = {**kernels, **{fine_clock_file(name): kernel for name, kernel in probed.items()}}
    for name, build in record.kernels.items():
        with contextlib.suppress(OSError):
            data = Path(built[name].config).read_bytes()
            if hashlib.sha256(data).hexdigest() == build.config_sha256:
                replace_file(folder / _CONFIGS / f"{name}.config", data)


def _copy_images(cache: Cache, images: Mapping[str, Path], folder: Path, name: str) -> None:
    """Copy the backing files beside the record, sparsely."""
    for driver, path in images.items():
        argv = ["cp", "--sparse=always", "--", str(path), str(folder / f"{name}-{driver}.img")]
        process.run(argv, log=cache.log("keep-images"), deadline=process.Deadline(_COPY_S))
