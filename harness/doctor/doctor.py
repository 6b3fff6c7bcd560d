# SPDX-License-Identifier: GPL-2.0-only
"""Checks whether this machine can run a plan.

Changes nothing; boots a kernel that exists already to prove that KVM works.
"""

import os
import platform
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.doctor import requirements
from harness.doctor.diagnosis import Decision, Diagnosis, decision
from harness.errors import HarnessError
from harness.events import Listener, silent
from harness.guest import accelerator, agent, backing_files, rootfs
from harness.guest.accelerator import CpuWish
from harness.host.cache import Cache
from harness.host.hypervisor import hypervisor
from harness.host.units import GIB, format_bytes
from harness.judge.conditions import host_conditions
from harness.judge.conditions.fit import EMULATED
from harness.measure import host_settings, machine
from harness.project.guest import Guest
from harness.project.plan import Plan
from harness.project.project import Project

#: Space for a tree, its worktree and the objects of two kernels; and once they are cached.
EMPTY_CACHE_BYTES = 6 * GIB
FILLED_CACHE_BYTES = GIB
_NO_KVM = "use a machine with KVM for times; TCG only shows that everything works"


def examine(
    project: Project,
    cache: Cache,
    plan: Plan,
    guest: Guest,
    listen: Listener = silent,
    *,
    fresh: bool = False,
) -> Iterator[Diagnosis]:
    """Yield every check as it is made. Raises InputError for an invalid packages.txt.

    KVM is proved again if the last proof is old, or if it must be `fresh`.
    """
    yield _architecture()
    yield from requirements.examine(project, cache)
    yield _root(project, cache)
    yield _sandbox(cache)
    yield _disk(cache)
    yield _memory(guest, plan)
    yield _cpu(Path("/proc/cpuinfo").read_text(), guest)
    yield _host()
    yield from _settings()
    yield _load()
    yield _accelerator(cache, accelerator.cpu_wish(plan, guest), listen, fresh=fresh)


def decides(project: Project, slug: str, found: Sequence[Diagnosis], guest: Guest) -> Decision:
    """Return whether this machine can decide the claims of a series, from all of its checks.

    Those count that the version makes in a VM which the series' ports implement.
    """
    proved = any((one.name, one.status) == ("accelerator", "ok") for one in found)
    version = project.series(slug).port_of
    claims = [
        claim
        for claim in project.claims(slug)
        if claim.version == version and claim.setup != "physical"
    ]
    host = machine.here("kvm" if proved else "tcg", "", {})
    return decision(found, host, guest.name, claims)


def _architecture() -> Diagnosis:
    name = platform.machine()
    if name == "x86_64":
        return Diagnosis("architecture", "ok", name)
    return Diagnosis(
        "architecture", "missing", name, "run on an x86-64 host; only x86-64 kernels are built"
    )


def _root(project: Project, cache: Cache) -> Diagnosis:
    try:
        folder = rootfs.assemble(cache, agent.agent(project.agent_folder))
    except HarnessError as error:
        return Diagnosis("guest root", "missing", error.what, "install what is missing above")
    files = (p for p in folder.rglob("*") if p.is_file() and not p.is_symlink())
    return Diagnosis("guest root", "ok", format_bytes(sum(p.stat().st_size for p in files)))


def _sandbox(cache: Cache) -> Diagnosis:
    reason = cache.sandbox.unusable
    if reason is None:
        return Diagnosis(
            "sandbox", "ok", "bubblewrap works: builds and guests see no home and no network"
        )
    hint = "allow user namespaces; until then third-party series need --no-sandbox"
    return Diagnosis("sandbox", "warning", f"bubblewrap does not work ({reason})", hint)


def _disk(cache: Cache) -> Diagnosis:
    existing = next(p for p in (cache.root, *cache.root.parents) if p.exists())
    free = shutil.disk_usage(existing).free
    filled = any(cache.kernels.glob("*/bzImage"))
    needed = FILLED_CACHE_BYTES if filled else EMPTY_CACHE_BYTES
    text = f"{format_bytes(free)} free in {existing}, {format_bytes(needed)} needed"
    if free >= needed:
        return Diagnosis("disk", "ok", text)
    hint = "free some space, or set XDG_CACHE_HOME to a folder with more"
    return Diagnosis("disk", "missing", text, hint)


def _memory(guest: Guest, plan: Plan) -> Diagnosis:
    free = backing_files.available_bytes()
    needed = backing_files.room_bytes(guest) + guest.memory_bytes
    text = f"{format_bytes(free)} available, plan {plan.name} needs {format_bytes(needed)}"
    if backing_files.fits_in_memory(guest):
        return Diagnosis("memory", "ok", text)
    if free < guest.memory_bytes:
        return Diagnosis("memory", "missing", text, "close other programs, or use --plan quick")
    hint = "the NVDIMMs will be on disk, slower and noisier; --plan quick needs less memory"
    return Diagnosis("memory", "warning", text, hint)


def _cpu(cpuinfo: str, guest: Guest) -> Diagnosis:
    found = machine.cpu(cpuinfo)
    if found.is_ice_lake:
        return Diagnosis("cpu", "ok", f"{found.name}: an Ice Lake server, like the author's")
    if found.is_ice_lake_class:
        return Diagnosis("cpu", "ok", f"{found.name}: has the features of Ice Lake servers")
    hint = f"the guest's {guest.cpu_model} lacks features under KVM here; times may differ"
    return Diagnosis("cpu", "warning", f"{found.name}: no Ice Lake features", hint)


def _host() -> Diagnosis:
    kind = hypervisor()
    if kind == "none":
        return Diagnosis("host", "ok", "bare metal")
    if kind == "tcg":
        hint = "use a machine with a real CPU for times"
        return Diagnosis("host", "warning", EMULATED, hint)
    text = f"a virtual machine ({kind}): KVM is nested, and verdicts say so"
    return Diagnosis("host", "warning", text, host_conditions.REMEDY["nested"])


def _settings() -> Iterator[Diagnosis]:
    """Yield the settings that may change times, or that none does."""
    found = list(host_conditions.of_settings([host_settings.read()]))
    for one in found:
        yield Diagnosis(one.kind, "warning", one.text, host_conditions.REMEDY[one.kind])
    if not found:
        yield Diagnosis(
            "settings", "ok", "no governor, turbo, idle state or swap that changes times"
        )


def _load() -> Diagnosis:
    load, cpus = os.getloadavg()[0], len(os.sched_getaffinity(0))
    text = f"{load:.2f} on {cpus} CPUs"
    if load <= cpus / 4:
        return Diagnosis("load", "ok", text)
    return Diagnosis("load", "warning", text, "stop other programs: their load affects the times")


def _accelerator(cache: Cache, cpu: CpuWish, listen: Listener, *, fresh: bool) -> Diagnosis:
    """Prove KVM, or believe the last proof, which may be of another kernel, unless `fresh`."""
    if reason := accelerator.closed():
        return Diagnosis("accelerator", "warning", f"TCG; KVM is unusable: {reason}", _NO_KVM)
    last = None if fresh else accelerator.remembered(cache)
    image = _newest_image(cache)
    if last is not None and last.asked == cpu:
        minutes = (time.time() - last.at) / 60
        return _proved(last, cpu, f" (tried {minutes:.0f} minutes ago; --fresh tries again)")
    if image is None:
        text = "KVM is not proved yet: no kernel is built; a measurement proves it first"
        return Diagnosis(
            "accelerator", "warning", text, "run `harness build`, then `harness doctor` again"
        )
    try:
        proof = accelerator.proof(cache, image, listen, cpu, believe=False)
    except HarnessError as error:
        text = f"KVM is not proved: {error}"
        return Diagnosis("accelerator", "warning", text, "install what is missing above")
    return _proved(proof, cpu)


def _proved(proof: accelerator.Proof, cpu: CpuWish, when: str = "") -> Diagnosis:
    if proof.reason:
        text = f"TCG; KVM is unusable: {proof.explained}{when}"
        return Diagnosis("accelerator", "warning", text, _NO_KVM)
    text = f"KVM; a kernel boots under it, with CPU {proof.cpu.option}{when}"
    if proof.cpu.option != cpu.model:
        text += f"; {proof.cpu.without(cpu.model)}"
    return Diagnosis("accelerator", "ok", text)


def _newest_image(cache: Cache) -> Path | None:
    """Return a kernel to prove KVM with: our newest, else a readable one of the host's."""
    ours = sorted(cache.kernels.glob("*/bzImage"), key=lambda path: path.stat().st_mtime)
    hosts = [p for p in sorted(Path("/boot").glob("vmlinuz*")) if os.access(p, os.R_OK)]
    return next(iter([*reversed(ours), *reversed(hosts)]), None)
