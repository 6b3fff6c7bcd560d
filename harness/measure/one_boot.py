# SPDX-License-Identifier: GPL-2.0-only
"""Runs one measured boot and returns it as a Boot. A boot that fails is a Boot with a reason."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from harness.events import Advanced, Listener, silent
from harness.guest import boot as guest
from harness.guest import rootfs
from harness.guest.accelerator import Accelerator
from harness.guest.backing_files import Images
from harness.guest.console import agent_log as agent
from harness.guest.console import console
from harness.guest.console.console_findings import findings
from harness.guest.qemu.options import Device
from harness.guest.qemu.pinning import Pinning
from harness.host.cache import Cache
from harness.host.files import replace_file
from harness.measure import checks, host_settings
from harness.measure.asked import asked
from harness.measure.host_usage import Meter
from harness.measure.placement import Placing
from harness.project.guest import Guest
from harness.project.kernel import Kernel
from harness.project.plan import Plan
from harness.record import store
from harness.record.metric import Metric
from harness.record.record import Boot, Finding, Log, Outcome, fine_clock_file
from harness.workloads.figures import Figure
from harness.workloads.workload import Asked, Expected, Workload

LOGS = "logs"


class Conditions(msgspec.Struct, frozen=True):
    """What all boots of a run share: the run's `folder`, the `agent` script, guest and plan.

    With `fine_clock` the guest times each step by a second clock as well.
    """

    cache: Cache
    folder: Path
    agent: str
    guest: Guest
    plan: Plan
    accelerator: Accelerator
    workload: Workload
    pinning: Pinning = Pinning()
    fine_clock: bool = False

    @property
    def asked(self) -> Asked:
        """What each boot is asked to do."""
        return asked(self.guest, self.plan, probed=self.fine_clock)

    @property
    def expected(self) -> Mapping[str, Expected]:
        """The steps of each metric that a boot must have."""
        return self.workload.expected(self.asked)

    def log_name(self, build: str, number: int) -> str:
        """Return how the names of a boot's logs begin."""
        name = f"{build}-{number}"
        return fine_clock_file(name) if self.fine_clock else name


def boot(
    conditions: Conditions,
    kernel: Kernel,
    build: str,
    number: int,
    images: Images,
    listen: Listener = silent,
) -> Boot:
    """Boot `kernel` with these backing files and return the Boot.

    Both logs are saved in the run's folder. Raises ToolMissing, ToolFailed or MachineError if QEMU
    cannot be started.
    """
    settings, meter = host_settings.read(), Meter()
    logs = conditions.folder / LOGS
    logs.mkdir(parents=True, exist_ok=True)
    name = conditions.log_name(build, number)
    console_log = logs / f"{name}.console.log"
    files = [path.name for path in images.named.values()]
    placing = Placing(conditions.pinning, conditions.guest.ram_bytes, files)
    progress = _Progress(conditions, images, placing, listen)
    ran = guest.boot(
        conditions.cache,
        _command(conditions, kernel, build, images.named),
        log=console_log,
        seconds=conditions.plan.boot_s,
        on_message=progress.hear,
        on_start=progress.started,
    )
    used = meter.used()
    agent_log = replace_file(logs / f"{name}.agent.jsonl", ran.channel)
    workload = conditions.workload
    report = agent.parse(ran.channel, workload.line_types)
    # The console has the same lines, but other writers too, and it may be cut.
    log = report.kernel_log if report.ended else ran.console
    steps = console.steps(log, conditions.expected, workload.read)
    config = config_of(kernel)
    found = findings(ran.console) or findings(report.kernel_log)
    outcome, reason = _outcome(ran, report, found)
    samples = checks.samples(steps, checks.hz(config))
    if conditions.fine_clock:
        samples += workload.probed(steps, report.lines)
    return Boot(
        build=build,
        number=number,
        outcome=outcome,
        reason=reason,
        wall_s=round(ran.wall_s, 2),
        argv=ran.argv,
        checks=(
            *checks.checks(workload, conditions.asked, kernel, config, report, steps),
            checks.whole_console(is_cut=ran.is_cut),
        ),
        findings=found,
        samples=samples,
        logs=tuple(
            Log(path=f"{LOGS}/{path.name}", sha256=store.digest(path))
            for path in (console_log, agent_log)
        ),
        load_1min=used.load_before,
        host=used,
        settings=settings,
        placement=placing.placement,
    )


def _command(
    conditions: Conditions, kernel: Kernel, build: str, images: Mapping[str, Path]
) -> guest.Command:
    plan = conditions.plan
    workload = conditions.workload
    return guest.Command(
        image=Path(kernel.image),
        root=rootfs.assemble(conditions.cache, conditions.agent),
        script=" ".join((rootfs.AGENT, *workload.agent_arguments(conditions.asked))),
        sign=guest.AGENT_STARTED,
        accelerator=conditions.accelerator.name,
        guest=conditions.guest,
        icount=conditions.plan.clock == "icount",
        kernel_options=(
            *workload.kernel_options,
            *conditions.guest.kernel_options,
            *plan.options_of(build),
        ),
        waits=conditions.accelerator.waits,
        node=conditions.pinning.node,
        devices=tuple(
            Device(images[ns.driver], ns.size_bytes)
            for ns in conditions.guest.namespaces
            if ns.driver in images
        ),
    )


def config_of(kernel: Kernel) -> str:
    """Return the .config that a kernel was built with; empty if it is missing or was changed."""
    try:
        data = Path(kernel.config).read_bytes()
    except OSError:
        return ""
    is_unchanged = hashlib.sha256(data).hexdigest() == kernel.config_sha256
    return data.decode("utf-8", "replace") if is_unchanged else ""


def _outcome(
    ran: guest.EndedBoot, report: agent.AgentReport, found: tuple[Finding, ...]
) -> tuple[Outcome, str]:
    panics = [f for f in found if f.kind == "panic"]
    if panics:
        return "panicked", console.message(panics[0].splat.partition("\n")[0])
    if ran.stopped is not None:
        return "timed_out", ran.stopped
    if ran.excess:
        return "failed", ran.excess
    if not report.ended:
        return "lost", ran.unexplained
    if report.failed is not None:
        return "failed", report.failed
    return "complete", ""


class _Progress:
    """Reads the console during a boot: reports figures, and unlinks the backing files.

    QEMU has opened them when the kernel prints its first line.
    """

    def __init__(
        self, conditions: Conditions, images: Images, placing: Placing, listen: Listener
    ) -> None:
        self._images = images
        self._placing = placing
        self._leader = 0
        expected = conditions.expected
        *_, (metric, last) = ("", Expected(0)), *expected.items()
        self._last = console.Marker("end", metric, last.indices.stop - 1)
        self._read = conditions.workload.read
        self._metrics = {metric.name: metric for metric in conditions.workload.described}
        self._listen = listen
        self._total = sum(of_metric.count for of_metric in expected.values())
        self._done = 0
        self._at = ""

    def started(self, leader: int) -> None:
        """Take note of the process that QEMU is, or that started it."""
        self._leader = leader

    def hear(self, text: str) -> None:
        if text.startswith(guest.KERNEL_STARTED):
            self._images.forget_names()
            self._placing.begin(self._leader)
        match console.read_line(text, self._read):
            case console.Marker("begin", metric, index):
                self._at = f"{metric} {f'rebind {index}' if index else 'first binding'}"
            case Figure() as figure if figure.metric or self._at:
                self._done += 1
                unit = self._metrics.get(figure.metric, Metric(figure.metric))
                shown = f"{unit.shown(figure.ns):.9g} {unit.shown_unit}".rstrip()
                at = f"{figure.metric or self._at}: {shown}"
                self._listen(Advanced(self._done, self._total, at))
                if figure.metric and self._done == self._total:
                    self._placing.end()
            case console.Marker() as marker if marker == self._last:
                self._placing.end()
            case _:
                pass
