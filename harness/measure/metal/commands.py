# SPDX-License-Identifier: GPL-2.0-only
"""The commands that a server runs for one boot, and both kernels' command lines. Pure."""

import shlex

from msgspec import UnsetType

from harness.measure.metal.ranges import LOG_BYTES, Ranges
from harness.measure.metal.server_report import BLOCK_BYTES
from harness.measure.metal.server_state import State
from harness.project.plan import Plan
from harness.workloads.workload import Workload, quoted

#: A tmpfs of our own: /run may be small or noexec.
FOLDER = "/run/memmap-harness"
#: The watchdog's time beyond the agent's: the start of the kernel, and the report.
WATCHDOG_S = 120
#: The watchdog's longest time (softdog).
_MOST_S = 65535
UNPACK = (
    f"umount {FOLDER} 2>/dev/null; mkdir -p {FOLDER} && mount -t tmpfs -o mode=700 none {FOLDER} "
    f"&& tar -xf - -C {FOLDER}"
)
KEXEC = "systemctl kexec"
RESTART = "systemctl reboot"
#: Prints the random number of this boot, and the command line.
BOOT_STATE = "cat /proc/sys/kernel/random/boot_id /proc/cmdline"


def command_line(workload: Workload, before: State, ranges: Ranges, plan: Plan) -> str:
    """Return the measured kernel's command line.

    It must not find NVDIMMs of the machine: the agent writes to every region that it finds.
    """
    special = () if isinstance(plan.kernel_options, UnsetType) else plan.kernel_options
    options = [
        *before.consoles,
        *("ignore_loglevel", "log_buf_len=16M", "printk.devkmsg=on"),
        *("oops=panic", "panic=10"),
        f"softdog.soft_margin={min(plan.boot_s + WATCHDOG_S, _MOST_S)}",
        # The watchdog also covers what comes before init opens it.
        "softdog.soft_active_on_boot=1",
        "initcall_blacklist=nfit_init",
        *map(quoted, workload.kernel_options),
        *ranges.options,
        *before.acpi,
        # An emulated machine's timer may be late (see harness.guest.boot).
        *(word for word in before.command_line.split() if word == "no_timer_check"),
        *special,
    ]
    return " ".join(options)


def own_command_line(before: State, ranges: Ranges) -> str:
    """Return the command line of the server's own kernel, which must not use the report's range.

    If it panics after kexec, it restarts through the firmware, as its initramfs then does (Debian).
    """
    return " ".join([before.command_line, ranges.reserve, *before.acpi, "panic=10"])


def init(script: str, token: str, ranges: Ranges, plan: Plan, arguments: tuple[str, ...]) -> str:
    """Return the measured kernel's process 1: guests/agent/metal.sh with its settings."""
    values = {
        "token": token,
        "log_start": str(ranges.log),
        "log_bytes": str(LOG_BYTES),
        "seconds": str(plan.boot_s),
        "regions": " ".join(str(start) for start, _ in ranges.namespaces),
        "arguments": " ".join(arguments),
    }
    lines = [f"{name}={shlex.quote(value)}\n" for name, value in values.items()]
    return "".join(["#!/bin/sh\n", *lines, script])


def load(before: State, options: str) -> str:
    """Return the command that packs the initramfs and loads the measured kernel.

    The initramfs holds the server's own kernel and initramfs, which it starts at the end.
    """
    kernel, initramfs = (shlex.quote(path) for path in before.images)
    root, start = f"{FOLDER}/root", "/bin/kexec --load /kernel --initrd=/initramfs"
    steps = [
        f"cd {root}",
        f"cp {kernel} back/kernel",
        f"cp {initramfs} back/initramfs",
        "find . | bin/busybox cpio -o -H newc >../initramfs",
        "mv ../initramfs ../kernel .",
        "mount -t proc none proc",
        "mount -t sysfs none sys",
        f"chroot . {start} --command-line={shlex.quote(options)}",
        # Fails unless a kernel is loaded.
        "grep -q 1 sys/kernel/kexec_loaded",
    ]
    return " && ".join(steps)


def read(start: int, nr_bytes: int) -> str:
    """Return the command that prints a range of memory, in whole blocks."""
    blocks = -(-nr_bytes // BLOCK_BYTES)
    return f"dd if=/dev/mem bs={BLOCK_BYTES} skip={start // BLOCK_BYTES} count={blocks}"
