# SPDX-License-Identifier: GPL-2.0-only
"""Chooses KVM or TCG: KVM only if it boots the kernel image that is to be measured.

Where /dev/kvm opens and creates virtual machines, it may still be unable to run a kernel.
"""

import contextlib
import hashlib
import os
import time
from pathlib import Path
from typing import Literal

import msgspec

from harness.errors import InputError, MachineError
from harness.events import Began, Ended, Listener, Note, silent
from harness.guest import boot, rootfs
from harness.host.cache import Cache, host_boot
from harness.host.files import replace_file
from harness.project.guest import Guest, Namespace
from harness.project.plan import Plan

KVM = Path("/dev/kvm")
_ALIVE = "memmap-harness: <alive>"
#: A kernel without built-in 9p cannot mount the root. By then it has run all of its
#: initialization, which proves the accelerator.
_NO_ROOT = "VFS: Unable to mount root fs"
_PROOF_S = 90.0
#: How long a failure is remembered. Success is not: it is quick to repeat.
REMEMBERED_S = 3600.0
MEMORY = "kvm-unusable.json"


class Accelerator(msgspec.Struct, frozen=True):
    """KVM or TCG, and how it was chosen."""

    name: Literal["kvm", "tcg"]
    proof: str


class _Failure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A boot under KVM that failed: image, boot of the host, time (seconds since the epoch)."""

    image_sha256: str
    host_boot: str
    at: float
    reason: str


def prove(
    cache: Cache,
    image: Path,
    wanted: str = "auto",
    listen: Listener = silent,
) -> Accelerator:
    """Return the accelerator to measure with; `wanted` is auto, kvm or tcg.

    `auto` is KVM if it boots `image`, else TCG; a failure is remembered for an hour. `proof` has
    the same text in every run of a machine: records are compared by it. Raises MachineError if KVM
    is wanted and unusable.
    """
    if wanted == "tcg":
        return Accelerator("tcg", "TCG was asked for")
    reason = unusable(cache, image, listen, believe=wanted == "auto")
    if reason is None:
        return Accelerator("kvm", "booted the base kernel to user space")
    if wanted == "kvm":
        raise MachineError(
            f"KVM is unusable: {reason}",
            where=str(KVM),
            hint="use --accelerator tcg for functional evidence, or another machine",
        )
    return Accelerator("tcg", f"KVM is unusable: {reason}")


def counting(plan: Plan, wanted: str = "auto") -> Accelerator:
    """Return the accelerator that counts instructions, for a plan whose clock is icount.

    Raises InputError if KVM is wanted, which cannot count them.
    """
    if wanted == "kvm":
        raise InputError(
            "cannot count instructions",
            where="--accelerator kvm",
            expected=f"auto or tcg for plan {plan.name}",
        )
    return Accelerator("tcg", "the plan's clock counts instructions, as TCG alone can")


def closed() -> str | None:
    """Return why /dev/kvm cannot be opened, or None."""
    if not KVM.exists():
        return "there is no /dev/kvm"
    if not os.access(KVM, os.R_OK | os.W_OK):
        return "/dev/kvm may not be opened by this user (join the group kvm)"
    return None


def unusable(
    cache: Cache, image: Path, listen: Listener = silent, *, believe: bool = True
) -> str | None:
    """Boot `image` under KVM; return why that does not work, or None."""
    if reason := closed():
        return reason
    digest = hashlib.sha256(image.read_bytes()).hexdigest()
    if believe and (reason := _remembered(cache, digest)) is not None:
        listen(Note(f"KVM is unusable: {reason} (tried within the last hour)"))
        return reason
    listen(Began("boot under KVM to prove that it works"))
    reason = _try(cache, image)
    if reason is not None:
        failure = _Failure(digest, host_boot(), time.time(), reason)
        cache.root.mkdir(parents=True, exist_ok=True)
        replace_file(cache.root / MEMORY, msgspec.json.encode(failure))
    listen(Ended(f"KVM {'works' if reason is None else f'is unusable: {reason}'}"))
    return reason


def _try(cache: Cache, image: Path) -> str | None:
    small = Guest(
        description="a kernel and a shell",
        memory="512M",
        namespaces=(Namespace(mode="fsdax", size="128M"),),
    )
    command = boot.Command(
        image=image,
        root=rootfs.assemble(cache),
        script=f"echo '{_ALIVE}' >/dev/kmsg",
        sign=_ALIVE,
        accelerator="kvm",
        guest=small,
    )
    ran = boot.boot(
        cache,
        command,
        log=cache.logs / "prove-kvm.log",
        seconds=_PROOF_S,
    )
    if _ALIVE in ran.console or _NO_ROOT in ran.console:
        return None
    if ran.stopped is not None:
        return f"a boot under it: {ran.stopped}"
    return f"QEMU ended without booting ({ran.last_words})"


def _remembered(cache: Cache, digest: str) -> str | None:
    with contextlib.suppress(OSError, ValueError, msgspec.MsgspecError):
        failure = msgspec.json.decode((cache.root / MEMORY).read_bytes(), type=_Failure)
        fresh = 0 <= time.time() - failure.at < REMEMBERED_S
        if fresh and (failure.image_sha256, failure.host_boot) == (digest, host_boot()):
            return failure.reason
    return None
