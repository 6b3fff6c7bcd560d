# SPDX-License-Identifier: GPL-2.0-only
"""Boots a measured kernel on a server and returns it as a Boot. A boot that fails has a reason."""

import io
import secrets
import tarfile
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from harness.events import Listener, Note
from harness.guest import rootfs
from harness.guest.console import agent_log, console
from harness.guest.console.console_findings import findings
from harness.host.cache import Cache
from harness.host.files import replace_file
from harness.measure import checks
from harness.measure.asked import asked
from harness.measure.metal import commands, server_report
from harness.measure.metal.ranges import LOG_BYTES, Ranges
from harness.measure.metal.server_state import State
from harness.measure.metal.ssh import Server
from harness.measure.one_boot import LOGS, config_of
from harness.project.guest import Guest
from harness.project.kernel import Kernel
from harness.project.plan import Plan
from harness.record import store
from harness.record.record import Boot, HostSettings, Log, Outcome
from harness.workloads.workload import Asked, Workload

#: How long a server may take from kexec or its firmware to its sshd, beside the measurement.
RESTART_S = 1200
_POLL_S = 5
_ANSWER_S = 60


class Site(msgspec.Struct, frozen=True):
    """A server and what all boots there share. `before` is its state before the first one.

    `agent` and `init` are scripts. `restart_s` is how long the server may take to start.
    """

    cache: Cache
    folder: Path
    server: Server
    before: State
    ranges: Ranges
    guest: Guest
    plan: Plan
    workload: Workload
    agent: str
    init: str
    settings: HostSettings
    restart_s: float = RESTART_S

    @property
    def asked(self) -> Asked:
        """What each boot is asked to do."""
        return asked(self.guest, self.plan, (n.size_bytes for n in self.guest.namespaces))


class Back(msgspec.Struct, frozen=True):
    """How a server came back: its new boot's number, and whether the report's range is reserved.

    It is not if the server restarted through its firmware.
    """

    boot_id: str
    is_reserved: bool


class _Unusable(Exception):
    """The boot has no usable report; holds its outcome and the reason."""

    def __init__(self, outcome: Outcome, reason: str) -> None:
        super().__init__(reason)
        self.outcome: Outcome = outcome
        self.reason = reason


def boot(site: Site, kernel: Kernel, build: str, number: int, listen: Listener) -> Boot:
    """Boot `kernel` on the server, wait until it is back, and return the Boot.

    The report is saved in the run's folder. Raises MachineError if the kernel cannot be started.
    """
    started = time.monotonic()
    token = secrets.token_hex(8)
    options = commands.command_line(site.workload, site.before, site.ranges, site.plan)
    command = commands.load(site.before, options)
    _send(site, kernel, token)
    site.server.run(command)
    last = answer(site)
    listen(Note(f"{site.server.address} starts {build}, {kernel.release}, by kexec"))
    site.server.answers(commands.KEXEC, _ANSWER_S)
    outcome: Outcome = "complete"
    reason, content = "", b""
    try:
        header, content = _fetched(site, token, "" if last is None else last.boot_id)
        if header.is_late:
            outcome, reason = "timed_out", f"the agent did not end within {site.plan.boot_s} s"
    except _Unusable as problem:
        outcome, reason = problem.outcome, problem.reason
    report = agent_log.parse(content, site.workload.line_types)
    logs: tuple[Log, ...] = ()
    if content:
        log = replace_file(_logs(site) / f"{build}-{number}.agent.jsonl", content)
        logs = (Log(path=f"{LOGS}/{log.name}", sha256=store.digest(log)),)
    found = findings(report.kernel_log)
    if outcome == "complete" and not report.ended:
        outcome, reason = "lost", f"the agent's report is not complete: {report.problems[0]}"
    if outcome == "complete" and report.failed is not None:
        outcome, reason = "failed", report.failed
    expected = site.workload.expected(site.asked)
    steps = console.steps(report.kernel_log, expected, site.workload.read)
    config = config_of(kernel)
    return Boot(
        build=build,
        number=number,
        outcome=outcome,
        reason=reason,
        wall_s=round(time.monotonic() - started, 2),
        argv=site.server.argv(command),
        checks=checks.checks(site.workload, site.asked, kernel, config, report, steps),
        findings=found,
        samples=checks.samples(steps, checks.hz(config)),
        logs=logs,
        settings=site.settings,
    )


def _logs(site: Site) -> Path:
    folder = site.folder / LOGS
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _send(site: Site, kernel: Kernel, token: str) -> None:
    """Unpack the kernel and the root of its initramfs on the server."""
    root = rootfs.assemble(site.cache, site.agent, ("kexec",))
    arguments = site.workload.agent_arguments(site.asked)
    texts = {
        "init": commands.init(site.init, token, site.ranges, site.plan, arguments),
        "back/command-line": commands.own_command_line(site.before, site.ranges),
    }
    with site.cache.staging() as work:
        packed = work / "root.tar"
        pack(packed, root, Path(kernel.image), texts)
        site.server.run(commands.UNPACK, stdin=packed)


def pack(packed: Path, root: Path, image: Path, texts: Mapping[str, str]) -> None:
    """Write a tar file with the kernel and, as root/, its root with more files. root owns all."""

    def owned(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = ""
        return entry

    with tarfile.open(packed, "w") as tar:
        tar.add(root, arcname="root", filter=owned)
        tar.add(image, arcname="kernel", filter=owned)
        for name, text in texts.items():
            data = text.encode()
            entry = tarfile.TarInfo(f"root/{name}")
            entry.size, entry.mode = len(data), 0o755
            tar.addfile(entry, io.BytesIO(data))


def _fetched(site: Site, token: str, last: str) -> tuple[server_report.Header, bytes]:
    """Return the report of the boot with this token. Raises _Unusable."""
    back = await_back(site, last, site.plan.boot_s + commands.WATCHDOG_S + site.restart_s)
    if back is None:
        what = f"{site.server.address} has not answered since the kexec"
        raise _Unusable("timed_out", what)
    if not back.is_reserved:
        raise _Unusable(
            "lost",
            f"{site.server.address} came back through its firmware: the kernel panicked or hung, "
            "or could not start the server's own; its log is lost",
        )
    block = site.server.run(commands.read(site.ranges.log, server_report.BLOCK_BYTES)).output
    found = server_report.header(block, token, LOG_BYTES - server_report.BLOCK_BYTES)
    if isinstance(found, str):
        raise _Unusable("lost", found)
    start = site.ranges.log + server_report.BLOCK_BYTES
    content = site.server.run(commands.read(start, found.nr_bytes)).output[: found.nr_bytes]
    if problem := found.problem(content):
        raise _Unusable("lost", problem)
    return found, content


def await_back(site: Site, last: str, seconds: float) -> Back | None:
    """Return how the server came back from the boot `last`; None if it does not within that time.

    A working connection does not mean that it has restarted: it stops its services first.
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = answer(site)
        if found is not None and found.boot_id != last:
            return found
        time.sleep(_POLL_S)
    return None


def answer(site: Site) -> Back | None:
    """Return which boot the server is in; None if it does not answer."""
    printed = site.server.answers(commands.BOOT_STATE, _ANSWER_S)
    if printed is None:
        return None
    boot_id, _, options = printed.partition("\n")
    return Back(boot_id, site.ranges.reserve in options.split())
