# SPDX-License-Identifier: GPL-2.0-only
"""Measures the kernels of a series on this machine and returns the run record.

Finished boots are saved, so an interrupted run resumes with the next one.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from harness.errors import MachineError
from harness.events import Ended, Listener, silent
from harness.guest import accelerator
from harness.guest.accelerator import DEFAULT_CHOICE, BootChoice
from harness.guest.qemu import pinning
from harness.host.cache import Cache
from harness.host.digest import value_digest
from harness.kernel import build as kernel_build
from harness.kernel import identity
from harness.kernel.make.warning_lines import new
from harness.measure import boots, machine
from harness.measure.asked import asked
from harness.memmap import read
from harness.project.guest import Guest
from harness.project.kernel import Kernel
from harness.project.plan import Plan
from harness.project.project import Project
from harness.record import store
from harness.record.applied import Applied
from harness.record.record import (
    FOLLOW_UP,
    BootEvidence,
    BootRun,
    BootSetup,
    Build,
    FineClock,
    Machine,
    Subject,
    Unbuilt,
    own_patch_ids,
)
from harness.workloads.workload import Workload


def run(
    project: Project,
    cache: Cache,
    applied: Applied,
    version: int,
    kernels: Mapping[str, Kernel],
    plan: Plan,
    guest: Guest,
    choice: BootChoice = DEFAULT_CHOICE,
    listen: Listener = silent,
    *,
    on_begin: Callable[[Path], None] = lambda _folder: None,
    keep_images: bool = False,
    keep_going: bool = False,
    unbuilt: Sequence[Unbuilt] = (),
    more: Callable[[BootRun], int] = lambda _record: 0,
    run_id: str = "",
    probed: Mapping[str, Kernel] = boots.NO_KERNELS,
) -> BootRun:
    """Measure the kernels, by build, and return the finished record.

    `version` is the posted version whose claims apply. KVM is proved with the first build's kernel,
    and decides the guest's CPU model. `on_begin` is called with the run's folder,
    where `keep_images` leaves the backing files. `unbuilt` are prefixes that do not build. With
    `keep_going` a failed boot does not end the run. `more` returns how many boots per build to add
    to a record whose boots are done, where the user wants narrow intervals. A new run gets the id
    `run_id`, if given. `probed` are kernels of the same builds that compare clocks. Raises
    HarnessError.
    """
    require_one_compiler({**kernels, **{f"{name} with probes": k for name, k in probed.items()}})
    first = next(iter(kernels.values()))
    wish = accelerator.cpu_wish(plan, guest)
    if plan.clock == "icount":
        chosen = accelerator.counting(plan, choice)
    else:
        chosen = accelerator.prove(cache, Path(first.image), choice, listen, wish)
    model = chosen.cpu.option or wish.model
    host = machine.describe(cache, chosen, model)
    number = plan.boots.kvm if host.accelerator == "kvm" else plan.boots.tcg
    record = planned(
        cache,
        project.series(applied.slug).measured,
        applied,
        version,
        kernels,
        plan,
        guest,
        host,
        _evidence(plan, host),
        number,
    )
    setup = msgspec.structs.replace(record.setup, until=choice.until)
    fine = FineClock(tuple(_builds(applied, probed, plan))) if probed else None
    record = msgspec.structs.replace(record, unbuilt=tuple(unbuilt), setup=setup, fine_clock=fine)
    if run_id:
        record = msgspec.structs.replace(record, run_id=run_id)
    record = resumed(project, record, listen)
    folder = store.folder_of(project.results, record)
    on_begin(folder)
    return boots.measure(
        project,
        cache,
        record,
        kernels,
        msgspec.structs.replace(guest, cpu_model=model),
        plan,
        chosen,
        listen,
        keep_images=keep_images,
        after_boot=read.saver(folder),
        keep_going=keep_going,
        more=more,
        probed=probed,
        pinning=pinning.choose(choice.pin, guest.cpus, chosen.name),
    )


def require_one_compiler(kernels: Mapping[str, Kernel]) -> None:
    """Raise MachineError if the compiler changed while the kernels were built."""
    base, *others = kernels.items()
    for build, kernel in others:
        if kernel.compiler != base[1].compiler:
            raise MachineError(
                f"{base[0]} was built with {base[1].compiler}, {build} with {kernel.compiler}",
                expected="one compiler for all builds",
                hint="repeat the command: kernels of the old compiler are built again",
            )


def planned(
    cache: Cache,
    workload: Workload,
    applied: Applied,
    version: int,
    kernels: Mapping[str, Kernel],
    plan: Plan,
    guest: Guest,
    host: Machine,
    evidence: BootEvidence,
    number: int,
) -> BootRun:
    """Return the record of a run that has not begun, with this many boots per build.

    Raises InputError for a guest that the workload cannot measure.
    """
    expected = workload.expected(asked(guest, plan))
    now = store.now()
    record = BootRun(
        run_id=store.new_run_id(now),
        evidence=evidence,
        subject=Subject.of(applied, version, workload.name),
        setup=BootSetup(
            plan=plan.name,
            plan_sha256=value_digest(plan),
            guest=guest.name,
            guest_sha256=value_digest(guest),
            rebinds=plan.rebinds,
            nr_pages={metric: found.nr_pages for metric, found in expected.items()},
            boots=number,
            metrics=workload.described,
        ),
        machine=host,
        builds=tuple(_builds(applied, kernels, plan)),
        started=now.isoformat(),
    )
    return msgspec.structs.replace(record, builds=_with_differences(cache, record, kernels))


def resumed(project: Project, record: BootRun, listen: Listener) -> BootRun:
    """Return the interrupted run that a record would repeat, else the record."""
    unfinished = store.resumable(project.results, record)
    if unfinished is None:
        return record
    listen(Ended(f"resuming run {unfinished.run_id}"))
    return unfinished


def _with_differences(
    cache: Cache, record: BootRun, kernels: Mapping[str, Kernel]
) -> tuple[Build, ...]:
    built = [
        identity.Built(
            build,
            binary=Path(kernels[build.name].folder) / "vmlinux",
            config=Path(kernels[build.name].config),
        )
        for build in record.builds
    ]
    return identity.with_differences(cache, built)


def _evidence(plan: Plan, host: Machine) -> BootEvidence:
    if plan.clock == "icount":
        return "boot-icount"
    return "boot-kvm" if host.accelerator == "kvm" else "boot-tcg"


def _builds(applied: Applied, kernels: Mapping[str, Kernel], plan: Plan) -> Iterator[Build]:
    prefixes = {applied.prefix(k): k for k in range(len(applied.patches) + 1)}
    before: dict[str, int] | None = None
    for number, (build, kernel) in enumerate(kernels.items()):
        warnings = kernel_build.warnings(kernel)
        is_next = number > 0 and not plan.build_names
        known = is_next and before is not None and warnings is not None
        wanted = plan.build(build)
        # Another tree has none of the patches.
        prefix = len(applied.patches) if build == FOLLOW_UP else prefixes.get(kernel.commit, 0)
        yield Build(
            name=build,
            prefix=prefix,
            commit=kernel.commit,
            release=kernel.release,
            build_id=kernel.build_id,
            config_sha256=kernel.config_sha256,
            compiler=kernel.compiler,
            new_warnings=new(before or {}, warnings or {}) if known else None,
            own_patch_ids=own_patch_ids(applied, build),
            kernel_options=wanted.kernel_options,
            kconfig=wanted.kconfig,
            tree=wanted.tree,
        )
        before = warnings
