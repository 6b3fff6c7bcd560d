# SPDX-License-Identifier: GPL-2.0-only
"""Measures the kernels of a series on a server and returns the run record.

The server is left as it was found: after the last boot it starts through its firmware.
"""

import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import UNSET

from harness.errors import MachineError, Unsupported
from harness.events import Began, Ended, Listener, Note
from harness.guest import agent
from harness.host.cache import Cache
from harness.host.files import replace_file
from harness.host.hypervisor import hypervisor
from harness.host.units import GIB, format_bytes
from harness.measure import boots, host_settings, machine
from harness.measure import run as guest_run
from harness.measure.metal import commands, one_boot, ranges, server_state
from harness.measure.metal.address import Address
from harness.measure.metal.one_boot import Site
from harness.measure.metal.ranges import Ranges
from harness.measure.metal.server_state import State
from harness.measure.metal.ssh import Server
from harness.project.guest import Guest
from harness.project.kernel import Kernel
from harness.project.plan import Plan
from harness.project.project import Project
from harness.record import store
from harness.record.applied import Applied
from harness.record.record import Boot, BootRun, HostSettings, Machine
from harness.workloads.workload import Workload

#: The fragment that kernels need besides those of the plan (configs/kconfig/).
FRAGMENT = "metal"
#: RAM that both kernels need besides the ranges.
_LEFT_BYTES = GIB
_AFTER_S = 60


class OnServer(msgspec.Struct, frozen=True):
    """Where to measure. A virtual machine is refused without `virtual`; it decides no claim."""

    address: Address
    virtual: bool = False
    restart_s: float = one_boot.RESTART_S


class Found(msgspec.Struct, frozen=True):
    """What the probe of a server found: its state, its ranges, and the machine for the record."""

    state: State
    ranges: Ranges
    machine: Machine
    settings: HostSettings


def probe(cache: Cache, where: OnServer, guest: Guest) -> Found:
    """Return the state, ranges and machine of a server; change nothing there.

    Raises MachineError if it cannot be reached, Unsupported if it cannot be measured.
    """
    server = Server(where.address, cache.log("metal"))
    state = server_state.parse(server.run(server_state.PROBE).stdout)
    refused = list(server_state.refusals(state))
    sizes = [namespace.size_bytes for namespace in guest.namespaces]
    chosen = ranges.choose(state.of("/proc/iomem"), sizes)
    if isinstance(chosen, str):
        refused.append(chosen)
    in_ram = sum(n.nr_pages * 64 for n in guest.namespaces if n.map == "mem")
    needed = sum(sizes) + in_ram + ranges.LOG_BYTES + _LEFT_BYTES
    if state.memory_bytes < needed:
        refused.append(
            f"it has {format_bytes(state.memory_bytes)} of RAM; the namespaces of guest "
            f"{guest.name} and two kernels need {format_bytes(needed)}"
        )
    with cache.staging() as folder:
        _write(state, folder)
        # The signature of a hypervisor cannot be read from here.
        runs_on = hypervisor(folder, lambda: b"")
        settings = host_settings.read(folder)
        cpu = machine.cpu(state.of("/proc/cpuinfo"))
    if runs_on != "none" and not where.virtual:
        refused.append(f"it is a virtual machine ({runs_on}); --allow-virtual measures it anyway")
    if refused or isinstance(chosen, str):
        raise Unsupported(
            f"cannot be measured: {'; '.join(refused)}",
            where=str(where.address),
            expected="a physical machine that root may restart",
        )
    cpus = state.of("cpus")
    return Found(
        state=state,
        ranges=chosen,
        settings=settings,
        machine=Machine(
            cpu=cpu.name,
            cpus=int(cpus) if cpus.isdecimal() else 0,
            memory_bytes=state.memory_bytes,
            kernel=state.of("release"),
            accelerator="native",
            accelerator_proof="",
            tools=machine.versions(cache, ("ndctl", "busybox", "kexec")),
            hypervisor=runs_on,
            cpu_id=cpu.id,
        ),
    )


def _write(state: State, folder: Path) -> None:
    """Write the texts of files under a folder, at their paths."""
    for name, text in state.texts.items():
        if name.startswith("/") and ".." not in name:
            path = folder / name.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


def shown(
    where: OnServer, workload: Workload, found: Found, plan: Plan, boots_per_build: int
) -> Iterator[str]:
    """Yield every command that a run executes on the server, after a line that explains it."""
    server = Server(where.address, Path("/dev/null"))
    options = commands.command_line(workload, found.state, found.ranges, plan)
    back = commands.own_command_line(found.state, found.ranges)
    steps = [
        ("reads the state of the server", server_state.PROBE),
        (f"before each of {boots_per_build} boots per build: unpacks the kernel", commands.UNPACK),
        (
            f"loads it; it will start the server's kernel with {back!r}",
            commands.load(found.state, options),
        ),
        ("starts it", commands.KEXEC),
        ("waits until the server is back", commands.BOOT_STATE),
        ("reads the report", commands.read(found.ranges.log, ranges.LOG_BYTES)),
        ("after the last boot: starts through the firmware", commands.RESTART),
    ]
    for text, command in steps:
        yield f"# {text}"
        yield shlex.join(server.argv(command))


def run(
    project: Project,
    cache: Cache,
    applied: Applied,
    version: int,
    kernels: Mapping[str, Kernel],
    plan: Plan,
    guest: Guest,
    where: OnServer,
    listen: Listener,
    *,
    on_begin: Callable[[Path], None] = lambda _folder: None,
) -> BootRun:
    """Measure the kernels, by build, on a server and return the finished record.

    The namespaces are the guest's, on ranges of the server's RAM. `on_begin` is called with the
    run's folder. Raises HarnessError; the server is restarted through its firmware in any case.
    """
    guest_run.require_one_compiler(kernels)
    found = probe(cache, where, guest)
    workload = project.series(applied.slug).measured
    record = guest_run.planned(
        cache,
        workload,
        applied,
        version,
        kernels,
        plan,
        guest,
        found.machine,
        "metal",
        plan.boots.kvm,
    )
    record = guest_run.resumed(project, record, listen)
    folder = store.folder_of(project.results, record)
    on_begin(folder)
    site = Site(
        cache=cache,
        folder=folder,
        server=Server(where.address, cache.log("metal")),
        before=found.state,
        ranges=found.ranges,
        guest=msgspec.structs.replace(guest, provider=UNSET, test_hmm=UNSET),
        plan=plan,
        workload=workload,
        agent=agent.agent(project.agent_folder),
        init=(project.agent_folder / "metal.sh").read_text(),
        settings=found.settings,
        restart_s=where.restart_s,
    )

    def boot_one(build: str, number: int) -> Boot:
        return one_boot.boot(site, kernels[build], build, number, listen)

    with _restored(site, listen):
        return boots.in_turn(project, cache, record, kernels, boot_one, listen)


@contextmanager
def _restored(site: Site, listen: Listener) -> Iterator[None]:
    """Restart the server through its firmware at the end, and compare it with what it was."""
    try:
        yield
    except MachineError:
        try:
            _restore(site, listen)
        except MachineError as error:
            listen(Note(str(error)))
        raise
    _restore(site, listen)


def _restore(site: Site, listen: Listener) -> None:
    listen(Began(f"{site.server.address} starts its own kernel through its firmware"))
    _save(site, "before", site.before)
    last = one_boot.answer(site)
    if last is None:
        raise MachineError(
            "does not answer, so it was not restarted",
            where=str(site.server.address),
            hint="restart it by its console or power",
        )
    site.server.answers(commands.RESTART, _AFTER_S)
    if one_boot.await_back(site, last.boot_id, site.restart_s) is None:
        what = f"has not answered for {site.restart_s:.0f} s after its restart"
        raise MachineError(what, where=str(site.server.address))
    site.server.answers("systemctl is-system-running --wait", site.restart_s)
    after = server_state.parse(site.server.run(server_state.PROBE).stdout)
    _save(site, "after", after)
    changed = list(server_state.changes(site.before, after))
    for change in changed:
        listen(Note(f"{site.server.address}: {change}"))
    listen(Ended("as before" if not changed else "not as before"))


def _save(site: Site, when: str, state: State) -> None:
    """Save kernel, command line and services beside the record."""
    site.folder.mkdir(parents=True, exist_ok=True)
    lines = [state.of("kernel"), state.command_line, *sorted(state.services)]
    replace_file(site.folder / f"server-{when}.txt", "\n".join([*lines, ""]).encode())
