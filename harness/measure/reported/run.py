# SPDX-License-Identifier: GPL-2.0-only
"""Makes a run record of kernel logs that others sent: evidence `reported`.

Samples pass the checks of our own boots, as far as the log has the data; what it lacks is named in
the boot (`unvouched`). Such a record supports or doubts a claim, and never decides it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path

from harness.errors import InputError
from harness.host.files import replace_file
from harness.measure import checks
from harness.measure.one_boot import LOGS
from harness.measure.reported import kernel_logs
from harness.measure.reported.kernel_logs import ReportedBoot
from harness.measure.reported.log_kernel import ReportedKernel
from harness.project.project import Project
from harness.project.series import Series
from harness.record import store
from harness.record.record import (
    BASE,
    TIP,
    Boot,
    BootRun,
    BootSetup,
    Build,
    Check,
    Log,
    Machine,
    Subject,
)
from harness.workloads.figures import Steps
from harness.workloads.workload import Workload

#: The name for plan and guest, which logs do not have.
NO_PLAN = "reported"
MAX_FILES = 200
#: The coarsest tick, where a log does not show HZ.
_COARSEST_HZ = 100
_RELEASE = re.compile(r"\d+(?:\.\d+)*(?:-rc\d+)?")
#: Options that differ from kernel to kernel and change nothing else.
_OWN_OPTION = re.compile(r"(?:BOOT_IMAGE|initrd|root|resume)=.*|ro|rw|quiet|splash")


def record(
    project: Project,
    series: Series,
    version: int,
    logs: Mapping[str, Sequence[Path]],
    metrics: Sequence[str] = (),
) -> BootRun:
    """Return the stored record of the logs of base and tip, by build.

    Raises InputError for a log that cannot be used, naming file and line, and for logs that do not
    belong together; MachineError if nothing can be written.
    """
    if sum(map(len, logs.values())) > MAX_FILES:
        raise InputError(f"over {MAX_FILES} logs", where="--base, --tip")
    workload = series.measured
    raws = {build: [(str(path), _read(path)) for path in paths] for build, paths in logs.items()}
    found = {
        build: [
            boot for name, raw in files for boot in kernel_logs.boots(workload, name, raw, metrics)
        ]
        for build, files in raws.items()
    }
    every = [boot for boots in found.values() for boot in boots]
    _require_different(every, [raw for files in raws.values() for _, raw in files])
    for of_build in found.values():
        for key in ("build_id", "banner", "release"):
            _require_same(of_build, key)
    for key in ("cpu", "cpu_id", "cpus", "hypervisor"):
        _require_same(every, key)
    kernels = [_all_said([boot.kernel for boot in of_build]) for of_build in found.values()]
    _require_two_kernels(every, kernels)
    now = store.now()
    run_id = store.new_run_id(now)
    folder = project.results / series.slug / run_id / LOGS
    folder.mkdir(parents=True, exist_ok=True)
    stored = {
        name: replace_file(folder / f"{build}-{number}.log", raw)
        for build, files in raws.items()
        for number, (name, raw) in enumerate(files, 1)
    }
    booted = tuple(
        _boot(workload, build, number, boot, stored[boot.name])
        for build, of_build in found.items()
        for number, boot in enumerate(of_build, 1)
    )
    total = next((v.patches for v in series.versions if v.version == version), None) or 1
    made = BootRun(
        run_id=run_id,
        evidence="reported",
        subject=Subject(
            slug=series.slug,
            version=version,
            source="kernel logs",
            tree="",
            release=_release(kernels[0].release),
            base="",
            patch_ids=("",) * total,
            workload=workload.name,
        ),
        setup=BootSetup(
            plan=NO_PLAN,
            plan_sha256="",
            guest=NO_PLAN,
            guest_sha256="",
            rebinds=_rebinds(booted),
            nr_pages=_nr_pages(workload, booted),
            boots=min(map(len, found.values())),
        ),
        machine=_machine(_all_said(kernels)),
        builds=tuple(
            _build(name, total * (name == TIP), kernel)
            for name, kernel in zip((BASE, TIP), kernels, strict=True)
        ),
        boots=booted,
        started=now.isoformat(),
        finished=now.isoformat(),
        outcome="complete",
        reason="",
    )
    store.save(project.results, made)
    return made


def _read(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise InputError("is not a file", where=str(path), expected="a kernel log")
        with path.open("rb") as handle:
            return handle.read(kernel_logs.MAX_LOG_BYTES + 1)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(path)) from error


def _require_different(boots: Sequence[ReportedBoot], raws: Sequence[bytes]) -> None:
    """Raise InputError for a boot that is given twice: it would count as two."""
    if len(set(raws)) != len(raws):
        raise InputError("the same log is given twice", where="--base, --tip")
    for one, other in combinations(boots, 2):
        # To the microsecond no two boots print the same.
        theirs = {(s.at_us or 0, s.nr_pages, s.ns): s for s in other.steps if s.at_us}
        for step in one.steps:
            same = theirs.get((step.at_us or 0, step.nr_pages, step.ns))
            if same is not None:
                raise InputError(
                    f"line {same.line}: the same binding as line {step.line} of {one.name}",
                    where=other.name,
                    expected="each boot once",
                )


_CALLED = {"build_id": "build id", "banner": "kernel", "cpu": "CPU", "cpu_id": "CPU"}


def _require_same(boots: Sequence[ReportedBoot], key: str) -> None:
    """Raise InputError unless all boots whose logs have `key` have the same."""
    what = _CALLED.get(key, key)
    said = [(boot, text) for boot in boots if (text := str(getattr(boot.kernel, key) or ""))]
    for boot, value in said[1:]:
        first, expected = said[0]
        if value != expected:
            raise InputError(
                f"line {boot.line}: {what} {value[:100]!r}; {first.name} has {expected[:100]!r}",
                where=boot.name,
                expected="one machine, and one kernel per build",
            )


def _require_two_kernels(boots: Sequence[ReportedBoot], kernels: Sequence[ReportedKernel]) -> None:
    base, tip = (kernel.build_id for kernel in kernels)
    if base and base == tip:
        raise InputError(
            "base and tip ran the same kernel", where=boots[-1].name, expected="a kernel for each"
        )


def _all_said(kernels: Sequence[ReportedKernel]) -> ReportedKernel:
    """Return the facts that any of the logs states."""
    return ReportedKernel(
        **{
            name: next((v for k in kernels if (v := getattr(k, name))), getattr(kernels[0], name))
            for name in ReportedKernel.__struct_fields__
        }
    )


def _boot(workload: Workload, build: str, number: int, boot: ReportedBoot, log: Path) -> Boot:
    samples = checks.samples(Steps(boot.steps), boot.kernel.hz or _COARSEST_HZ)
    report = boot.report
    failed = report.failed if report is not None else None
    return Boot(
        build=build,
        number=number,
        outcome="failed" if failed or not samples else "complete",
        reason=failed or ("" if samples else "the log shows no binding that counts"),
        argv=tuple(f"--kopt={word}" for word in _options(boot.kernel.command_line)),
        checks=tuple(_checks(workload, boot)),
        findings=boot.findings,
        samples=samples,
        logs=(Log(path=f"{LOGS}/{log.name}", sha256=store.digest(log)),),
        unvouched=boot.unvouched,
    )


def _options(command_line: str) -> Iterator[str]:
    """Yield the options that could change a time."""
    words = re.findall(r'(?:[^\s"]|"[^"]*")+', command_line)
    return (word for word in words if not _OWN_OPTION.fullmatch(word))


def _checks(workload: Workload, boot: ReportedBoot) -> Iterator[Check]:
    wrong = "; ".join(boot.problems[:3])
    yield Check("no stray report", ok=not boot.problems, detail=wrong or "every line is whole")
    for metric in dict.fromkeys(step.metric for step in boot.steps):
        seen = sorted({step.nr_pages for step in boot.steps if step.metric == metric})
        detail = " and ".join(map(str, seen)) + " printed"
        yield Check(f"{metric} pages", ok=len(seen) == 1, detail=detail)
    report, logs = boot.report, workload.other_logs
    if report is None or logs is None:
        return
    yield checks.end(report)
    machine = report.machine
    rebinds = None if machine is None else machine.rebinds
    yield from logs.checks(Steps(boot.steps), report.lines, rebinds)
    if machine is not None:
        yield Check(
            "high resolution timers", ok=machine.hres == "1", detail=machine.hres or "unknown"
        )


def _release(text: str) -> str:
    """Return a release without local version: base and tip differ in that."""
    match = _RELEASE.match(text)
    return match[0] if match else "unknown"


def _rebinds(boots: Sequence[Boot]) -> int:
    """Return the fewest rebinds of a driver in a boot."""
    counts = [
        sum(s.metric == driver and s.op == "rebind" for s in boot.samples)
        for boot in boots
        for driver in {s.metric for s in boot.samples}
    ]
    return min(counts, default=0)


def _nr_pages(workload: Workload, boots: Sequence[Boot]) -> dict[str, int]:
    found = {s.metric: s.nr_pages for boot in reversed(boots) for s in reversed(boot.samples)}
    return dict(sorted(found.items(), key=lambda item: workload.metrics.index(item[0])))


def _machine(said: ReportedKernel) -> Machine:
    return Machine(
        cpu=said.cpu or "unknown CPU",
        cpus=said.cpus,
        memory_bytes=said.memory_bytes,
        kernel=_release(said.release),
        accelerator="native",
        accelerator_proof="not a machine of ours",
        tools={},
        hypervisor=said.hypervisor,
        cpu_id=said.cpu_id,
    )


def _build(name: str, prefix: int, said: ReportedKernel) -> Build:
    return Build(
        name=name,
        prefix=prefix,
        commit="",
        release=_release(said.release),
        build_id=said.build_id,
        config_sha256="",
        compiler=said.compiler,
    )
