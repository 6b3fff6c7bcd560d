# SPDX-License-Identifier: GPL-2.0-only
"""What this machine can do for a plan: one check at a time, each with how to mend it.

Looks only; what it boots is a kernel that is there already, to prove the accelerator.
"""

import os
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path

from harness.doctor import requirements
from harness.doctor.diagnosis import Diagnosis
from harness.errors import HarnessError
from harness.events import Listener, silent
from harness.guest import accelerator, backing_files, rootfs
from harness.host.cache import Cache
from harness.host.units import GIB, format_bytes
from harness.measure import machine
from harness.project.guest import Guest
from harness.project.plan import Plan
from harness.project.project import Project

#: A tree, a worktree of it and two kernels' objects; and what is left to write once they are there.
EMPTY_CACHE_BYTES = 6 * GIB
FILLED_CACHE_BYTES = GIB


def examine(
    project: Project, cache: Cache, plan: Plan, guest: Guest, listen: Listener = silent
) -> Iterator[Diagnosis]:
    """Give every check as it is made. Raises InputError for a packages.txt that does not fit."""
    yield _architecture()
    yield from requirements.examine(project, cache)
    yield _root(project, cache)
    yield _sandbox(cache)
    yield _disk(cache)
    yield _memory(guest, plan)
    yield _cpu(Path("/proc/cpuinfo").read_text(), guest)
    yield _load()
    yield _accelerator(cache, listen)


def _architecture() -> Diagnosis:
    name = platform.machine()
    if name == "x86_64":
        return Diagnosis("architecture", "ok", name)
    return Diagnosis("architecture", "missing", name, "use an x86-64 machine: the kernels are")


def _root(project: Project, cache: Cache) -> Diagnosis:
    try:
        folder = rootfs.assemble(cache, project.guests_folder / "agent" / "agent")
    except HarnessError as error:
        return Diagnosis("guest root", "missing", error.what, "install what is missing above")
    files = (p for p in folder.rglob("*") if p.is_file() and not p.is_symlink())
    return Diagnosis("guest root", "ok", format_bytes(sum(p.stat().st_size for p in files)))


def _sandbox(cache: Cache) -> Diagnosis:
    reason = cache.sandbox.unusable
    if reason is None:
        return Diagnosis("sandbox", "ok", "builds and guests see no home and no network")
    hint = "allow user namespaces; until then strangers' series want --no-sandbox"
    return Diagnosis("sandbox", "warning", f"bubblewrap does not work ({reason})", hint)


def _disk(cache: Cache) -> Diagnosis:
    existing = next(p for p in (cache.root, *cache.root.parents) if p.exists())
    free = shutil.disk_usage(existing).free
    filled = any(cache.kernels.glob("*/bzImage"))
    needed = FILLED_CACHE_BYTES if filled else EMPTY_CACHE_BYTES
    text = f"{format_bytes(free)} free in {existing}, {format_bytes(needed)} needed"
    if free >= needed:
        return Diagnosis("disk", "ok", text)
    hint = "free some, or set XDG_CACHE_HOME to a folder with room"
    return Diagnosis("disk", "missing", text, hint)


def _memory(guest: Guest, plan: Plan) -> Diagnosis:
    free = backing_files.available_bytes()
    needed = backing_files.room_bytes(guest) + guest.memory_bytes
    text = f"{format_bytes(free)} available, plan {plan.name} takes {format_bytes(needed)}"
    if backing_files.fits_in_memory(guest):
        return Diagnosis("memory", "ok", text)
    if free < guest.memory_bytes:
        return Diagnosis("memory", "missing", text, "close other programs, or try --plan quick")
    hint = "the memmaps go to the disk, which is slower and noisier; --plan quick takes less"
    return Diagnosis("memory", "warning", text, hint)


def _cpu(cpuinfo: str, guest: Guest) -> Diagnosis:
    found = machine.cpu(cpuinfo)
    if found.is_ice_lake:
        return Diagnosis("cpu", "ok", f"{found.name}: an Ice Lake server, as the author's")
    if found.is_ice_lake_class:
        return Diagnosis("cpu", "ok", f"{found.name}: has what Ice Lake servers have")
    hint = f"{guest.cpu_model} is not whole under KVM here, and figures may differ for it"
    return Diagnosis("cpu", "warning", f"{found.name}: not of Ice Lake class", hint)


def _load() -> Diagnosis:
    load, cpus = os.getloadavg()[0], len(os.sched_getaffinity(0))
    text = f"{load:.2f} on {cpus} cpus"
    if load <= cpus / 4:
        return Diagnosis("load", "ok", text)
    return Diagnosis("load", "warning", text, "measure on a quiet machine: it is in the times")


def _accelerator(cache: Cache, listen: Listener) -> Diagnosis:
    hint = "times under TCG are functional evidence only; use a machine with KVM for figures"
    if reason := accelerator.closed():
        return Diagnosis("accelerator", "warning", f"TCG; KVM is unusable: {reason}", hint)
    image = _newest_image(cache)
    if image is None:
        text = "KVM is unproved: no kernel built yet; measuring proves it before it counts"
        return Diagnosis("accelerator", "warning", text, "harness build, then ask again")
    try:
        reason = accelerator.unusable(cache, image, listen)
    except HarnessError as error:
        text = f"KVM is unproved: {error}"
        return Diagnosis("accelerator", "warning", text, "mend what is missing above")
    if reason is None:
        return Diagnosis("accelerator", "ok", "KVM, proved by booting a kernel under it")
    return Diagnosis("accelerator", "warning", f"TCG; KVM is unusable: {reason}", hint)


def _newest_image(cache: Cache) -> Path | None:
    """Return a kernel to prove KVM with: our newest, else one of the host's that we may read."""
    ours = sorted(cache.kernels.glob("*/bzImage"), key=lambda path: path.stat().st_mtime)
    hosts = [p for p in sorted(Path("/boot").glob("vmlinuz*")) if os.access(p, os.R_OK)]
    return next(iter([*reversed(ours), *reversed(hosts)]), None)
