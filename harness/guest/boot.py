# SPDX-License-Identifier: GPL-2.0-only
"""Boots a guest under virtme-ng and returns what its console and its agent printed.

Deadlines and limits end a guest that hangs or writes too much.
"""

import contextlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import UnsetType

from harness.errors import MachineError, TimedOut
from harness.guest import backing_files, vng
from harness.guest.console.console import is_logged, message
from harness.guest.qemu import huge_pages
from harness.guest.qemu import options as qemu
from harness.guest.waits import BootTimes, Waits
from harness.host import speed
from harness.host.cache import Cache
from harness.host.processes import process, programs, sandbox
from harness.host.units import format_bytes
from harness.project.guest import Guest

#: Limit of the channel: a kernel log and some lines.
_MAX_CHANNEL_BYTES = 64 << 20
#: Limit of files that QEMU writes: only the channel grows; namespaces are mapped.
MAX_FILE_BYTES = 4 * _MAX_CHANNEL_BYTES
KERNEL_STARTED = "Linux version "
_REBOOT = "reboot: "
_NOT_OVER = "not over"
AGENT_STARTED = "memmap-harness: <started>"
_KERNEL_OPTIONS = (
    # Bindings appear on the console, the whole log is available, and no marker is rate limited.
    "ignore_loglevel",
    "log_buf_len=16M",
    "printk.devkmsg=on",
    # After an oops of the agent nothing would power the guest off.
    "oops=panic",
    # A busy host may deliver an emulated timer's first ticks too late for check_timer().
    "no_timer_check",
    # virtme-ng's own plus a cache: the root does not change, and without a cache every program
    # that starts is read again, which takes a third of a short boot.
    "rootflags=version=9p2000.L,trans=virtio,access=any,msize=524288,cache=loose",
)


class EndedBoot(msgspec.Struct, frozen=True):
    """A boot that ended. `stopped` says which deadline ended it; None if it ended by itself.

    `passed` is the same without the seconds, which differ from boot to boot.
    `killed` is how a signal ended QEMU, `excess` which limit the guest exceeded. `is_cut`: the
    console was longer than a log may be. `times` are those of the first lines.
    """

    argv: tuple[str, ...]
    stopped: str | None
    wall_s: float
    console: str
    channel: bytes
    killed: str = ""
    excess: str = ""
    is_cut: bool = False
    times: BootTimes = BootTimes()
    passed: str = ""

    @property
    def unexplained(self) -> str:
        """Return a message for a guest that ended without end marker."""
        if KERNEL_STARTED not in self.console:
            return f"QEMU started no kernel ({self.last_words})"
        return f"the guest ended without the agent's end marker ({self.last_words})"

    @property
    def last_words(self) -> str:
        """Return the console's last line, and how QEMU or the guest ended if that is known."""
        lines = [line for line in self.console.splitlines() if message(line).strip()]
        last = f"last: {message(lines[-1]).strip()[:200]}" if lines else "nothing was printed"
        if self.killed:
            return f"{last}; QEMU {self.killed}"
        # QEMU explains its own end, and a kernel that ends or reboots the machine says so.
        is_silent = not lines or (is_logged(lines[-1]) and _REBOOT not in self.console)
        if is_silent and self.stopped is None:
            return f"{last}; the guest was reset without a message, as by a triple fault"
        return last


class _BootDeadline(process.Deadline):
    """A deadline for the boot, and earlier ones for the first lines of kernel and user space."""

    def __init__(
        self, seconds: float, accelerator: Literal["kvm", "tcg"], sign: str, waits: Waits
    ) -> None:
        super().__init__(waits.whole_s(seconds))
        self._waits = waits
        self._awaited = [
            (KERNEL_STARTED, "no sign of the kernel", waits.kernel_s(accelerator)),
            (sign, "no sign of life from user space", waits.user_s(accelerator)),
        ]
        self._took: list[float] = []
        self._stage = self._begin()

    def hear(self, line: str) -> None:
        """Begin the next stage if this line ends the present one."""
        if self._stage is not None and self._awaited[0][0] in line:
            self._took.append(round(self._stage.seconds - self._stage.remaining, 2))
            self._awaited.pop(0)
            self._stage = self._begin()

    def _begin(self) -> process.Deadline | None:
        return process.Deadline(self._awaited[0][2]) if self._awaited else None

    @property
    def times(self) -> BootTimes:
        """Return how long the stages took that are over."""
        return BootTimes(*self._took)

    @property
    def remaining(self) -> float:
        """Return the seconds left of the boot or of its stage, whichever ends first."""
        left = super().remaining
        return left if self._stage is None else min(left, self._stage.remaining)

    @property
    def verdict(self) -> str:
        """Return which deadline passed, in words."""
        stage = self._stage if self.passed != _NOT_OVER else None
        return self._waits.explained(self.passed, (stage or self).seconds)

    @property
    def passed(self) -> str:
        """Return which deadline passed, without the seconds, which differ from boot to boot."""
        if self._stage is not None and self._stage.remaining == 0:
            return self._awaited[0][1]
        return _NOT_OVER


class Command(msgspec.Struct, frozen=True):
    """What to boot on which guest, and the first line to expect from user space (`sign`).

    Memory is taken from NUMA node `node`, unless it is None.
    """

    image: Path
    root: Path
    script: str
    sign: str
    accelerator: Literal["kvm", "tcg"]
    guest: Guest
    icount: bool = False
    kernel_options: tuple[str, ...] = ()
    devices: tuple[qemu.Device, ...] = ()
    waits: Waits = Waits()
    node: int | None = None


def boot(
    cache: Cache,
    command: Command,
    *,
    log: Path,
    seconds: float,
    on_message: Callable[[str], None] | None = None,
    on_start: Callable[[int], None] | None = None,
) -> EndedBoot:
    """Boot, run the script, wait for the end, and return what was printed.

    `log` becomes the console's log. `seconds` is the boot's deadline on an idle server: a slow or
    busy one gets more. `on_start` is called with the id of the process that QEMU is, or that starts
    it, and then `on_message` with each line of the console. Raises ToolMissing or ToolFailed if
    QEMU cannot be started; a guest that fails is a value.
    """
    programs.require(qemu.PROGRAM)
    waits = msgspec.structs.replace(command.waits, factor=speed.slowness())
    deadline = _BootDeadline(seconds, command.accelerator, command.sign, waits)

    def hear(line: str) -> None:
        deadline.hear(line)
        if on_message is not None:
            on_message(message(line))

    log.unlink(missing_ok=True)
    with cache.staging() as folder, contextlib.ExitStack() as opened:
        channel = folder / "channel"
        channel.touch()
        argv = _argv(command, channel, confined=cache.sandbox.unusable is None)
        started = time.monotonic()
        stopped, passed, killed, excess = None, "", "", ""
        watch = _Watch(command, channel, opened, on_start)
        try:
            # Any exit code: the agent's end marker tells better how the script ended.
            done = process.run(argv, log=log, deadline=deadline, ok=None, on_line=hear, watch=watch)
            killed = process.ending(done.exit_code) if done.was_killed else ""
            watch.look()  # the limit on file sizes may have ended QEMU first
        except TimedOut:
            stopped, passed = deadline.verdict, deadline.passed
        except (WroteTooMuch, sandbox.TooManyProcesses) as error:
            excess = str(error)
        wall_s = time.monotonic() - started
        with channel.open("rb") as handle:
            written = handle.read(_MAX_CHANNEL_BYTES)
    # The log's first line is the command, not the guest's. Line numbers are those of the log.
    console = "\n" + log.read_text("utf-8", "replace").partition("\n")[2]
    is_cut = log.stat().st_size > process.MAX_LOG_BYTES
    return EndedBoot(
        argv, stopped, wall_s, console, written, killed, excess, is_cut, deadline.times, passed
    )


#: Runs a program whose memory gets no transparent huge pages: PR_SET_THP_DISABLE (prctl(2)).
_WITHOUT_HUGE_PAGES = (
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(41, 1, 0, 0, 0); "
    "os.execv(sys.argv[1], sys.argv[1:])"
)


class WroteTooMuch(MachineError):
    """The guest wrote more into the host's files than a healthy guest does."""


class _Watch:
    """Limits what a running guest writes, so that it fills neither disk nor memory."""

    def __init__(
        self,
        command: Command,
        channel: Path,
        opened: contextlib.ExitStack,
        on_start: Callable[[int], None] | None,
    ) -> None:
        self._channel = channel
        self._on_start = on_start
        self._limit = backing_files.room_bytes(command.guest)
        # Open, because they are unlinked once QEMU has opened them.
        paths = [device.backing for device in command.devices]
        self._backings = [opened.enter_context(path.open("rb")) for path in paths]

    def __call__(self, pid: int) -> None:
        """Raise WroteTooMuch or TooManyProcesses if the guest must be killed."""
        if self._on_start is not None:
            self._on_start(pid)
            self._on_start = None
        sandbox.watch(pid)
        self.look()

    def look(self) -> None:
        """Raise WroteTooMuch if the guest has written too much."""
        if self._channel.stat().st_size > _MAX_CHANNEL_BYTES:
            size = format_bytes(_MAX_CHANNEL_BYTES)
            raise WroteTooMuch(f"the guest wrote over {size} to the agent's channel")
        written = sum(os.fstat(file.fileno()).st_blocks * 512 for file in self._backings)
        if written > self._limit:
            raise WroteTooMuch(
                f"the guest wrote over {format_bytes(self._limit)} into its namespaces"
            )


def _argv(command: Command, channel: Path, *, confined: bool) -> tuple[str, ...]:
    guest = command.guest
    channelled = qemu.channel(channel)
    huge = huge_pages.for_memory(guest)
    if guest.place == "cxl":
        # Bridges last: QEMU would place later devices behind them.
        devices = [*channelled, *qemu.cxl(guest.ram_bytes, command.devices)]
    else:
        reserve = isinstance(guest.hugepages, UnsetType) or guest.hugepages == "none"
        nvdimms = qemu.nvdimms(guest.ram_bytes, command.devices, command.node, reserve=reserve)
        devices = [*nvdimms, *channelled]
    argv = vng.command(
        command.image,
        command.root,
        command.script,
        memory_bytes=guest.ram_bytes,
        cpus=guest.cpus,
        kvm=command.accelerator == "kvm",
        kernel_options=[*_KERNEL_OPTIONS, *command.kernel_options],
        qemu_options=[
            *qemu.machine(command.accelerator, guest.cpu_model, icount=command.icount),
            *devices,
            *qemu.memory(guest.ram_bytes, command.node, huge),
            *qemu.DEBUG_THREADS,
        ],
    )
    if guest.hugepages == "none":
        argv = (sys.executable, "-c", _WITHOUT_HUGE_PAGES, *argv)
    if not confined:
        return argv
    writable = {channel.parent, *(device.backing.parent for device in command.devices)}
    readable = [command.root, command.image]
    # QEMU resizes a file in memory to all of the guest's.
    limit = MAX_FILE_BYTES + (guest.ram_bytes if huge else 0)
    return sandbox.wrap(argv, writable=sorted(writable), readable=readable, max_file_bytes=limit)
