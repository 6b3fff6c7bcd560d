# SPDX-License-Identifier: GPL-2.0-only
"""Boots base and tip in turn and writes down what their kernels said. A boot is the step.

The record is saved after every boot, so whatever ends a run costs the boot that it ended, and the
record says so. What the samples mean is not decided here.
"""

import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from harness.errors import GuestLost, HarnessError, TimedOut, Unsupported
from harness.events import Began, Ended, Listener, silent
from harness.guest import backing_files, qemu
from harness.guest.accelerator import Accelerator
from harness.host import process
from harness.host.cache import Cache
from harness.host.files import replace_file
from harness.measure.one_boot import LOGS, Conditions, boot
from harness.memmap import read
from harness.memmap.read import AfterBoot
from harness.project.guest import Guest
from harness.project.kernel import Kernel
from harness.project.plan import Plan
from harness.project.project import Project
from harness.record import store
from harness.record.record import Boot, BootRun, Outcome

COPY_S = 1800
#: The folder of the .config files, below the run's.
CONFIGS = "configs"


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
    go_on: bool = False,
) -> BootRun:
    """Run the boots that `record` does not have yet and return the finished record.

    `keep_images` leaves the backing files beside the record, as `<build>-<number>-<driver>.img`;
    `after_boot` gives the memmaps that a boot left. A run whose builds left different ones failed.
    Raises GuestLost or TimedOut, after the record is saved, when a boot does not end well, unless
    `go_on`: then that build alone is given up, and the run failed. MachineError when there is no
    room for one.
    """
    _require_device(cache, guest)
    cache.sandbox.warn(listen)
    folder = store.folder_of(project.results, record)
    agent = project.guests_folder / "agent" / "agent"
    same = Conditions(cache, folder, agent, guest, plan, accelerator)
    with cache.locked(f"run-{record.run_id}"):
        if (folder / store.FILE).exists():
            record = store.load_boots(folder)  # another process may have gone further meanwhile
            if record.outcome != "lost":
                return record
        else:
            store.save(project.results, record)
        _keep_configs(record, kernels, folder)
        planned = list(order(record))
        done = {(b.build, b.number) for b in record.boots}
        lost = {b.build: f"boot {b.number} of {b.build}: {b.reason}" for b in _lost(record)}
        for position, (build, number) in enumerate(planned, 1):
            if (build, number) in done or build in lost:
                continue
            title = f"boot {position} of {len(planned)}, {build}"
            listen(Began(title))
            with backing_files.images(cache, guest, listen) as images:
                made = boot(same, kernels[build], build, number, images, listen)
                if made.outcome == "complete" and after_boot is not None:
                    left = after_boot(build, number, images.readable)
                    made = msgspec.structs.replace(made, memmaps=left)
                if keep_images:
                    _keep(cache, images.readable, folder, f"{build}-{number}")
            record = msgspec.structs.replace(record, boots=(*record.boots, made))
            if made.outcome != "complete" and go_on:
                lost[build] = f"boot {number} of {build}: {made.reason}"
            elif made.outcome != "complete":
                _finish(project, record, _of_run(made.outcome), f"{title}: {made.reason}")
                raise _error(made, title, folder)
            store.save(project.results, record)
            listen(Ended(f"{title}: {summary(made)}"))
        wrong = "; ".join(lost.values()) or read.unequal(record)
        return _finish(project, record, "failed" if wrong else "complete", wrong)


def _require_device(cache: Cache, guest: Guest) -> None:
    """Raise Unsupported unless this QEMU has the device that holds the guest's memory."""
    if guest.place == "cxl" and not qemu.offers(qemu.CXL_DEVICE, cache.log("qemu")):
        what = f"this {qemu.PROGRAM} has no device {qemu.CXL_DEVICE}"
        raise Unsupported(what, where=f"guest {guest.name}", expected="QEMU 7.1 or later")


def _lost(record: BootRun) -> list[Boot]:
    return [boot for boot in record.boots if boot.outcome != "complete"]


def order(record: BootRun) -> Iterator[tuple[str, int]]:
    """Give (build, number) of every boot: each round boots all builds, and starts with another one.

    Which build the first round starts with is drawn from the run's id.
    """
    builds = [build.name for build in record.builds]
    drawn = hashlib.sha256(record.run_id.encode()).digest()[0]
    for number in range(1, record.setup.boots + 1):
        first = (drawn + number) % len(builds)
        for build in builds[first:] + builds[:first]:
            yield build, number


def summary(made: Boot) -> str:
    """Say in one line what a boot gave."""
    failed = [check.name for check in made.checks if not check.ok]
    told = [f"{len(made.samples)} bindings", f"{made.wall_s:.1f} s"]
    if failed:
        told.append(f"does not count: {', '.join(failed)}")
    if made.findings:
        told.append(f"the console shows: {', '.join(sorted({f.kind for f in made.findings}))}")
    return ", ".join(told)


def _of_run(outcome: Outcome) -> Outcome:
    """A run whose guest was lost has ended all the same: only one that was broken off is `lost`."""
    return "failed" if outcome == "lost" else outcome


def _finish(project: Project, record: BootRun, outcome: Outcome, reason: str) -> BootRun:
    record = msgspec.structs.replace(
        record, outcome=outcome, reason=reason, finished=store.now().isoformat()
    )
    store.save(project.results, record)
    return record


def _error(made: Boot, title: str, folder: Path) -> HarnessError:
    """Return what to raise for a boot that did not end well."""
    kind = TimedOut if made.outcome == "timed_out" else GuestLost
    splat = made.findings[0].splat.splitlines()[:20] if made.findings else []
    return kind(
        f"{title}: {made.outcome.replace('_', ' ')}: {made.reason.rstrip('.')}",
        hint=f"the console is in {folder / LOGS / f'{made.build}-{made.number}.console.log'}",
        detail="\n".join(splat) or None,
    )


def _keep_configs(record: BootRun, kernels: Mapping[str, Kernel], folder: Path) -> None:
    """Leave each build's .config beside the record, whose `config_sha256` vouches for it.

    One that is gone, or is not what the kernel was built with, is no evidence and stays away.
    """
    (folder / CONFIGS).mkdir(exist_ok=True)
    for build in record.builds:
        with contextlib.suppress(OSError):
            data = Path(kernels[build.name].config).read_bytes()
            if hashlib.sha256(data).hexdigest() == build.config_sha256:
                replace_file(folder / CONFIGS / f"{build.name}.config", data)


def _keep(cache: Cache, images: Mapping[str, Path], folder: Path, name: str) -> None:
    """Copy the backing files beside the record, holes and all."""
    for driver, path in images.items():
        argv = ["cp", "--sparse=always", "--", str(path), str(folder / f"{name}-{driver}.img")]
        process.run(argv, log=cache.log("keep-images"), deadline=process.Deadline(COPY_S))
