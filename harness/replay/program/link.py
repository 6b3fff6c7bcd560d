# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's object, our kernel side and our user side, linked into one program.

Undefined symbols of the kernel's object are given addresses where nothing is ever mapped, a page
each: executing or reading one ends the program by name, and libc cannot take their place.
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from harness.errors import MachineError
from harness.host.process import Deadline, run
from harness.kernel.binutils import Binutils
from harness.kernel.call_graph import reach
from harness.kernel.objdump import Code, parse_disassembly

SHIM = Path(__file__).parents[1] / "shim"
#: The shim compiled with kernel headers; everything else is ordinary C.
KERNEL_SIDE = "kernel.c"
INTERFACE = "replay.h"
#: The kernel's object in a program's folder.
OBJECT = "object.o"
#: The .config that it was made with.
CONFIG = "config"
#: shim/user.h: TRAP_FIRST and TRAP_END.
TRAP_FIRST, TRAP_END, TRAP_STEP = 0x10000, 0x400000, 0x1000
#: What the program calls; the function on trial is reached from the second.
ENTRIES = ("replay_prepare", "replay_run", "replay_describe", "replay_boot", "replay_room")
#: Reached on paths that are taken only when something is wrong: running into one of them stops
#: the program, which is right.
STOPS = frozenset(
    (
        "__SCT__WARN_trap",
        "__stack_chk_fail",
        "__warn_printk",
        "_printk",
        "dump_page",
        "dump_stack",
        "panic",
    )
)
#: Made by the linker of the section's name.
BOUNDS = ("__start___jump_table", "__stop___jump_table")
COMPILE_S = 120


class Unprovided(MachineError):
    """The function calls or reads something that the shim has not got."""


class Program(msgspec.Struct, frozen=True):
    """A linked replay program. `traps` are its undefined symbols in the order of their pages.

    The digests are of the kernel's object and of the .config it was made with.
    """

    folder: str
    traps: tuple[str, ...]
    object_sha256: str = ""
    config_sha256: str = ""
    compiler: str = ""

    @property
    def path(self) -> Path:
        """The executable."""
        return Path(self.folder) / "replay"

    @property
    def object(self) -> Path:
        """The kernel's object, as kbuild made it."""
        return Path(self.folder) / OBJECT

    @property
    def config(self) -> Path | None:
        """The .config; None for a program that was kept before it was."""
        file = Path(self.folder) / CONFIG
        return file if file.exists() else None

    @property
    def shim(self) -> Path:
        """Our kernel side, compiled like the object and with debug information."""
        return Path(self.folder) / "shim.o"

    def trap(self, address: int) -> str | None:
        """Return the undefined symbol that an address stands for, if any."""
        index = (address - TRAP_FIRST) // TRAP_STEP
        return self.traps[index] if 0 <= index < len(self.traps) else None


def link(folder: Path, user_build: Path, function: str, binutils: Binutils) -> tuple[str, ...]:
    """Link `folder`/object.o and `folder`/shim.o into `folder`/replay; return its traps.

    Raises Unprovided, naming the symbol and who wants it, before anything could run.
    """
    joined = folder / "joined.o"
    binutils.join([folder / OBJECT, folder / "shim.o"], joined, {})
    undefined = binutils.undefined(joined)
    require_provided(disassembled(joined, binutils), undefined, function)
    traps = [s for s in undefined if not s.startswith("replay_") and s not in BOUNDS]
    if len(traps) > (TRAP_END - TRAP_FIRST) // TRAP_STEP:
        raise MachineError(f"{len(traps)} undefined symbols", where=str(joined), expected="fewer")
    values = {name: TRAP_FIRST + TRAP_STEP * index for index, name in enumerate(traps)}
    kernel = folder / "kernel.o"
    binutils.join([joined], kernel, values)
    binutils.keep_global(kernel, "replay_*")
    binutils.program([user_build, kernel], folder / "replay")
    joined.unlink()
    kernel.unlink()
    return tuple(traps)


def user_build(into: Path, log: Path) -> None:
    """Compile everything but the kernel side into one object."""
    sources = sorted(str(p) for p in SHIM.glob("*.c") if p.name != KERNEL_SIDE)
    argv = ["cc", "-O2", "-g0", "-fno-pie", "-no-pie", "-nostdlib", "-r", "-o", str(into)]
    run([*argv, *sources], log=log, deadline=Deadline(COMPILE_S))


def disassembled(file: Path, binutils: Binutils) -> Code:
    """Return an object's code. Raises MachineError where objdump shows none."""
    try:
        return parse_disassembly(binutils.disassembly(file))
    except ValueError as error:
        raise MachineError(str(error), where=str(file)) from error


def require_provided(code: Code, undefined: Sequence[str], function: str) -> None:
    """Raise Unprovided where the function, or what calls it, can reach a symbol nobody defines."""
    try:
        wanted = reach(code, (function, *ENTRIES), frozenset(undefined)).wanted
    except ValueError as error:
        raise Unprovided(f"{error}: is CONFIG_ZONE_DEVICE on?") from error
    known = STOPS.union(BOUNDS)
    missing = {s: w for s, w in wanted.items() if s not in known and not s.startswith("replay_")}
    if missing:
        told = ", ".join(f"{name} (wanted by {', '.join(who)})" for name, who in missing.items())
        raise Unprovided(
            f"{function}() reaches what the replay has not got: {told}",
            hint=f"provide it in {KERNEL_SIDE} of harness/replay/shim",
        )
