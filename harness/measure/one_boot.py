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
from harness.measure.host_usage import Meter
from harness.measure.placement import Placing
from harness.project.guest import Guest
from harness.project.kernel import Kernel
from harness.project.plan import Plan
from harness.project.series import FUNCTION
from harness.record import store
from harness.record.record import Boot, Check, Finding, Log, Outcome, fine_clock_file

LOGS = "logs"


class Conditions(msgspec.Struct, frozen=True):
    """What all boots of a run share: the run's `folder`, the `agent` script, guest and plan.

    With `fine_clock` the guest times each binding by probes as well.
    """

    cache: Cache
    folder: Path
    agent: str
    guest: Guest
    plan: Plan
    accelerator: Accelerator
    pinning: Pinning = Pinning()
    fine_clock: bool = False

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
    report = agent.parse(ran.channel)
    # The console has the same lines, but other writers too, and it may be cut.
    log = report.kernel_log if report.ended else ran.console
    bindings = console.bindings(log, expected_bindings(conditions.guest, conditions.plan))
    config = config_of(kernel)
    found = findings(ran.console) or findings(report.kernel_log)
    outcome, reason = _outcome(ran, report, found)
    samples = checks.samples(bindings, checks.hz(config))
    probes: tuple[Check, ...] = ()
    if conditions.fine_clock:
        samples = (*samples, *checks.probed(bindings, report))
        probes = checks.probes(conditions.guest, conditions.plan, samples)
    return Boot(
        build=build,
        number=number,
        outcome=outcome,
        reason=reason,
        wall_s=round(ran.wall_s, 2),
        argv=ran.argv,
        checks=(
            *checks.checks(kernel, config, conditions.guest, conditions.plan, report, bindings),
            *probes,
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
    fine = ("-c",) if conditions.fine_clock else ()
    return guest.Command(
        image=Path(kernel.image),
        root=rootfs.assemble(conditions.cache, conditions.agent),
        script=" ".join((rootfs.AGENT, *fine, *agent_arguments(conditions.guest, plan))),
        sign=guest.AGENT_STARTED,
        accelerator=conditions.accelerator.name,
        guest=conditions.guest,
        icount=conditions.plan.clock == "icount",
        kernel_options=(
            f"dyndbg=func {FUNCTION} +p",
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


def agent_arguments(guest: Guest, plan: Plan) -> tuple[str, ...]:
    """Return the agent's arguments (guests/agent/guest.sh)."""
    # NVDIMMs and e820 ranges are namespaces. With labels, the agent sets up a region and makes a
    # namespace in it.
    has_labels = guest.place in ("ramdax", "cxl")
    place = "region{}" if has_labels else "namespace{}.0"
    asked = [
        f"{place.format(n)}:{ns.driver}:{ns.mode}:{ns.map}:{ns.align_bytes}:{ns.size_bytes}"
        for n, ns in enumerate(guest.namespaces)
    ]
    how = ["-t"] if plan.page_ref is True else []
    how += ["-s", guest.place] if has_labels else []
    return (*how, str(plan.rebinds), *asked)


def expected_bindings(guest: Guest, plan: Plan) -> dict[str, int]:
    """Return how often each driver binds, the first binding included."""
    return {namespace.driver: plan.rebinds + 1 for namespace in guest.namespaces}


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
    """Reads the console during a boot: reports bindings, and unlinks the backing files.

    QEMU has opened them when the kernel prints its first line.
    """

    def __init__(
        self, conditions: Conditions, images: Images, placing: Placing, listen: Listener
    ) -> None:
        self._images = images
        self._placing = placing
        self._leader = 0
        namespaces = conditions.guest.namespaces
        last = namespaces[-1].driver if namespaces else ""
        self._last = console.Marker("end", last, conditions.plan.rebinds)
        self._listen = listen
        self._total = sum(expected_bindings(conditions.guest, conditions.plan).values())
        self._done = 0
        self._at = ""

    def started(self, leader: int) -> None:
        """Take note of the process that QEMU is, or that started it."""
        self._leader = leader

    def hear(self, text: str) -> None:
        if text.startswith(guest.KERNEL_STARTED):
            self._images.forget_names()
            self._placing.begin(self._leader)
        match console.read_line(text):
            case console.Marker("begin", driver, index):
                self._at = f"{driver} {f'rebind {index}' if index else 'first binding'}"
            case console.BindingReport(_, ms):
                self._done += 1
                self._listen(Advanced(self._done, self._total, f"{self._at}: {ms} ms"))
            case console.Marker() as marker if marker == self._last:
                self._placing.end()
            case _:
                pass
