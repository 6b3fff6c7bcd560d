# SPDX-License-Identifier: GPL-2.0-only
"""Chooses KVM or TCG: KVM only if it boots the kernel image that is to be measured.

Where /dev/kvm opens and creates virtual machines, it may still be unable to run a kernel, or to
run it with every CPU model that QEMU has.
"""

import contextlib
import hashlib
import os
import re
import time
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import UnsetType

from harness.errors import InputError, MachineError
from harness.events import Began, Ended, Listener, Note, silent
from harness.guest import boot, rootfs
from harness.guest.console.console_findings import findings
from harness.guest.qemu import options as qemu
from harness.guest.qemu import pinning
from harness.guest.qemu.cpu_models import CpuModel, candidates
from harness.guest.waits import BootTimes, Waits
from harness.host import speed
from harness.host.cache import Cache, host_boot
from harness.host.files import replace_file
from harness.host.processes import process
from harness.project.guest import DEFAULT_CPU_MODEL, Guest
from harness.project.plan import Plan

KVM = Path("/dev/kvm")
_ALIVE = "memmap-harness: <alive>"
#: A kernel without built-in 9p cannot mount the root. By then it has run all of its
#: initialization, which proves the accelerator.
_NO_ROOT = "VFS: Unable to mount root fs"
#: KVM cannot enable the CPU's virtualization: EIO, in older kernels EBUSY.
_IN_USE = re.compile("failed to initialize kvm: (?:Device or resource busy|Input/output error)")
_PROOF_S = 90.0
#: `query-cpu-definitions` takes a tenth of a second.
_QEMU_S = 20.0
#: How long a proof is remembered. A measurement repeats one that succeeded: it is quick.
REMEMBERED_S = 3600.0
MEMORY = "kvm-proof.json"


class BootChoice(msgspec.Struct, frozen=True):
    """What the user chooses for boots: accelerator, patience with them, and CPUs to pin to.

    With `until`, boots are added until the interval of each ratio is at most that share of it wide.
    """

    accelerator: Literal["auto", "kvm", "tcg"] = "auto"
    patience: float = 1.0
    pin: str = pinning.AUTO
    until: float = 0.0


class CpuWish(msgspec.Struct, frozen=True):
    """The CPU model to boot with under KVM; unless it is the `only` one, or one near it."""

    model: str = DEFAULT_CPU_MODEL
    only: bool = False


DEFAULT_CHOICE, DEFAULT_CPU, PATIENT = BootChoice(), CpuWish(), Waits()


def cpu_wish(plan: Plan, guest: Guest) -> CpuWish:
    """Return the CPU model that a plan asks for, or else the guest's."""
    if isinstance(plan.cpu_model, UnsetType):
        return CpuWish(guest.cpu_model)
    return CpuWish(plan.cpu_model, only=True)


class Accelerator(msgspec.Struct, frozen=True):
    """KVM or TCG, how it was chosen, the guest's CPU with it, and the deadlines of boots.

    Under TCG `cpu` has no option: guests have the model of their file.
    """

    name: Literal["kvm", "tcg"]
    proof: str
    cpu: CpuModel = CpuModel()
    waits: Waits = Waits()


class Proof(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A boot under KVM: image, boot of the host, CPU asked for, time (seconds since the epoch).

    `reason` says why it failed; empty if it did not. `waited` adds how long, which differs from
    proof to proof. `cpu` is the model that booted.
    """

    image_sha256: str
    host_boot: str
    asked: CpuWish
    at: float
    reason: str
    cpu: CpuModel = CpuModel()
    times: BootTimes = BootTimes()
    waited: str = ""

    @property
    def explained(self) -> str:
        """The reason, with how long was waited and which option changes it."""
        return self.reason + self.waited


def prove(
    cache: Cache,
    image: Path,
    choice: BootChoice = DEFAULT_CHOICE,
    listen: Listener = silent,
    cpu: CpuWish = DEFAULT_CPU,
) -> Accelerator:
    """Return the accelerator to measure with.

    `auto` is KVM if it boots `image`, else TCG; a failure is remembered for an hour. `proof` has
    the same text in every run of a machine: records are compared by it. Raises MachineError if KVM
    is wanted and unusable.
    """
    waits = Waits(patience=choice.patience)
    if choice.accelerator == "tcg":
        return Accelerator("tcg", "TCG was asked for", waits=waits)
    found = proof(cache, image, listen, cpu, waits, believe=choice.accelerator == "auto")
    if not found.reason:
        waits = msgspec.structs.replace(waits, shown=found.times)
        return Accelerator("kvm", "booted the base kernel to user space", found.cpu, waits)
    if choice.accelerator == "kvm":
        raise MachineError(
            f"KVM is unusable: {found.explained}",
            where=str(KVM),
            hint="use --accelerator tcg for functional evidence, or another machine",
        )
    return Accelerator("tcg", f"KVM is unusable: {found.reason}", waits=waits)


def counting(plan: Plan, choice: BootChoice = DEFAULT_CHOICE) -> Accelerator:
    """Return the accelerator that counts instructions, for a plan whose clock is icount.

    Raises InputError if KVM is wanted, which cannot count them.
    """
    if choice.accelerator == "kvm":
        raise InputError(
            "cannot count instructions",
            where="--accelerator kvm",
            expected=f"auto or tcg for plan {plan.name}",
        )
    why = "the plan's clock counts instructions, as TCG alone can"
    return Accelerator("tcg", why, waits=Waits(patience=choice.patience))


def closed() -> str | None:
    """Return why /dev/kvm cannot be opened, or None."""
    if not KVM.exists():
        return "there is no /dev/kvm"
    if not os.access(KVM, os.R_OK | os.W_OK):
        return "/dev/kvm may not be opened by this user (join the group kvm)"
    return None


def proof(
    cache: Cache,
    image: Path,
    listen: Listener = silent,
    cpu: CpuWish = DEFAULT_CPU,
    waits: Waits = PATIENT,
    *,
    believe: bool = True,
) -> Proof:
    """Boot `image` under KVM and return the outcome; without a usable /dev/kvm, nothing is booted.

    If it may be believed, a failure with this image in the last hour is returned instead.
    """
    if reason := closed():
        return Proof("", host_boot(), cpu, time.time(), reason)
    digest = hashlib.sha256(image.read_bytes()).hexdigest()
    last = remembered(cache) if believe else None
    if last is not None and last.reason and (last.image_sha256, last.asked) == (digest, cpu):
        listen(Note(f"KVM is unusable: {last.explained} (tried within the last hour)"))
        return last
    listen(Began("boot under KVM to prove that it works"))
    found = msgspec.structs.replace(_try(cache, image, cpu, waits), image_sha256=digest)
    cache.root.mkdir(parents=True, exist_ok=True)
    replace_file(cache.root / MEMORY, msgspec.json.encode(found))
    works = f"works, with CPU {found.cpu.option}"
    listen(Ended(f"KVM {works if not found.reason else f'is unusable: {found.explained}'}"))
    return found


def remembered(cache: Cache) -> Proof | None:
    """Return the last proof if it is from this boot of the host and the last hour."""
    with contextlib.suppress(OSError, ValueError, msgspec.MsgspecError):
        last = msgspec.json.decode((cache.root / MEMORY).read_bytes(), type=Proof)
        if 0 <= time.time() - last.at < REMEMBERED_S and last.host_boot == host_boot():
            return last
    return None


def _try(cache: Cache, image: Path, cpu: CpuWish, waits: Waits) -> Proof:
    """Boot with one CPU model after the other until nothing is wrong on the console.

    If none is clean, the first that reached user space is used.
    """
    models = (CpuModel(cpu.model),) if cpu.only else candidates(cpu.model, _missing(cache))
    alive: Proof | None = None
    failed: Proof | None = None
    for model in models:
        ran = _boot(cache, image, model.option, waits)
        tried = Proof("", host_boot(), cpu, time.time(), "", model, ran.times)
        if _ALIVE in ran.console or _NO_ROOT in ran.console:
            if not _wrong(ran):
                return tried
            alive = alive or tried
        elif failed is None:
            failed = msgspec.structs.replace(tried, **_failure(ran))
        if ran.stopped is not None and boot.KERNEL_STARTED not in ran.console:
            break  # the deadline is long, and no other model will do better
    found = alive or failed
    assert found is not None  # noqa: S101 (there is at least one model)
    return found


def _failure(ran: boot.EndedBoot) -> dict[str, str]:
    if ran.stopped is None:
        used = "; another hypervisor may be using it" if _IN_USE.search(ran.console) else ""
        return {"reason": f"QEMU ended without booting ({ran.last_words}){used}"}
    waited = ran.stopped.removeprefix(ran.passed)
    return {"reason": f"a boot under it: {ran.passed}", "waited": waited}


def _missing(cache: Cache) -> dict[str, tuple[str, ...]] | None:
    with cache.staging() as folder:
        deadline = process.Deadline(_QEMU_S * speed.slowness())
        return qemu.missing_features(folder / "questions", cache.log("cpu-models"), deadline)


def _wrong(ran: boot.EndedBoot) -> bool:
    """Return whether the console shows a splat; the missing root's panic is none."""
    return any(_NO_ROOT not in f.splat for f in findings(ran.console))


def _boot(cache: Cache, image: Path, model: str, waits: Waits) -> boot.EndedBoot:
    small = Guest(
        description="a kernel and a shell",
        memory="512M",
        namespaces=(),
        cpu_model=model,
    )
    command = boot.Command(
        image=image,
        root=rootfs.assemble(cache),
        script=f"echo '{_ALIVE}' >/dev/kmsg",
        sign=_ALIVE,
        accelerator="kvm",
        guest=small,
        waits=waits,
    )
    return boot.boot(cache, command, log=cache.logs / "prove-kvm.log", seconds=_PROOF_S)
