# SPDX-License-Identifier: GPL-2.0-only
"""Links the kernel's object and the shim into one program.

Each undefined symbol of the kernel's object gets the address of a page that is never mapped. A use
of it ends the program with the symbol's name, and libc cannot provide it by accident.
"""

import random
from collections.abc import Sequence
from pathlib import Path

import msgspec

from harness import workloads
from harness.errors import MachineError
from harness.host.processes.process import Deadline, run
from harness.kernel.binutils import Binutils
from harness.kernel.call_graph import reach
from harness.kernel.objdump import Code, parse_disassembly

#: The shim's files for any function, and for those that initialize struct pages; each has a folder
#: of its own beside (Replay.shim).
SHIM, STRUCT_PAGES = Path(__file__).parents[1] / "shim", Path(workloads.__file__).parent / "shim"
#: Of the function's folder, compiled with kernel headers; all other C files are ordinary C.
KERNEL_SIDE = "kernel.c"
OBJECT = "object.o"
CONFIG = "config"
#: shim/user.h: TRAP_FIRST and TRAP_END.
TRAP_FIRST, TRAP_END, TRAP_STEP = 0x10000, 0x400000, 0x1000
#: Called by the user side; replay_run() calls the function under test.
ENTRIES = ("replay_prepare", "replay_run", "replay_describe", "replay_boot", "replay_room")
#: Only reached when something is wrong; then the program should stop.
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
#: Defined by the linker.
BOUNDS = ("__start___jump_table", "__stop___jump_table")
COMPILE_S = 120
#: Links of each program. Placement 0 is as the linker puts the code.
PLACEMENTS = 8
#: Sections of the kernel's code; each is aligned to STEP bytes, as in a kernel.
CODE = (".text", ".text.*", ".ref.text", ".init.text")
#: A placement moves the code by some of these steps, a page at most: two placements each for every
#: place within a cache line of 64 bytes.
STEP, PAGE = 16, 4096


class Unprovided(MachineError):
    """The function references a symbol that the shim does not provide."""


class Program(msgspec.Struct, frozen=True):
    """A linked replay program. `traps` are its undefined symbols, in the order of their pages.

    The digests are those of the kernel's object and of the .config it was built with. `placement`
    is the link that runs.
    """

    folder: str
    traps: tuple[str, ...]
    object_sha256: str = ""
    config_sha256: str = ""
    compiler: str = ""
    placement: int = 0

    @property
    def path(self) -> Path:
        """The executable."""
        return Path(self.folder) / executable(self.placement)

    def placed(self, placement: int) -> "Program":
        """Return the same program with its code elsewhere."""
        return msgspec.structs.replace(self, placement=placement)

    @property
    def object(self) -> Path:
        """The kernel's object, as kbuild made it."""
        return Path(self.folder) / OBJECT

    @property
    def config(self) -> Path | None:
        """The .config; None for programs cached by older versions, which did not store it."""
        file = Path(self.folder) / CONFIG
        return file if file.exists() else None

    @property
    def shim(self) -> Path:
        """The shim's kernel side, compiled like the object, with debug information."""
        return Path(self.folder) / "shim.o"

    def trap(self, address: int) -> str | None:
        """Return the undefined symbol that was given this address, if any."""
        index = (address - TRAP_FIRST) // TRAP_STEP
        return self.traps[index] if 0 <= index < len(self.traps) else None


def executable(placement: int) -> str:
    """Return the name of the executable with that placement."""
    return f"replay-{placement}" if placement else "replay"


def link(folder: Path, user_build: Path, function: str, binutils: Binutils) -> tuple[str, ...]:
    """Link `folder`/object.o and `folder`/shim.o, once per placement; return the program's traps.

    Raises Unprovided if the function references a symbol that the shim does not provide.
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
    binutils.program([user_build, kernel], folder / executable(0))
    script = folder / "placement.ld"
    for placement in range(1, PLACEMENTS):
        script.write_text(layout(placement))
        binutils.program([user_build, kernel], folder / executable(placement), script)
    script.unlink()
    joined.unlink()
    kernel.unlink()
    return tuple(traps)


def layout(placement: int) -> str:
    """Return a linker script that puts the kernel's code elsewhere, its sections in other order."""
    rng = random.Random(placement)  # noqa: S311 (repeatable, no secret)
    lines = PAGE // 64
    moved = rng.randrange(lines) * 64 + placement * STEP % 64
    sections = " ".join(f"*/kernel.o({name})" for name in rng.sample(CODE, len(CODE)))
    code = f".text.kernel : {{ . = ALIGN({PAGE}); . = . + {moved}; {sections} }}"
    return f"SECTIONS {{ {code} }} INSERT BEFORE .text;\n"


def sources(shim: Path) -> list[Path]:
    """Return the shim's files for a function whose own folder is `shim`."""
    return [file for folder in (SHIM, STRUCT_PAGES, shim) for file in sorted(folder.glob("*.[ch]"))]


def user_build(into: Path, log: Path, shim: Path) -> None:
    """Compile the user side of the shim into one object."""
    files = [str(p) for p in sources(shim) if p.suffix == ".c" and p.name != KERNEL_SIDE]
    argv = ["cc", "-O2", "-g0", "-fno-pie", "-no-pie", "-nostdlib", "-r", "-o", str(into)]
    run([*argv, f"-I{SHIM}", f"-I{shim}", *files], log=log, deadline=Deadline(COMPILE_S))


def disassembled(file: Path, binutils: Binutils) -> Code:
    """Return an object's code. Raises MachineError if objdump shows none."""
    try:
        return parse_disassembly(binutils.disassembly(file))
    except ValueError as error:
        raise MachineError(str(error), where=str(file)) from error


def require_provided(code: Code, undefined: Sequence[str], function: str) -> None:
    """Raise Unprovided if the function or its callers can reach an undefined symbol."""
    try:
        wanted = reach(code, (function, *ENTRIES), frozenset(undefined)).wanted
    except ValueError as error:
        raise Unprovided(f"{error}: does the configuration leave it out?") from error
    known = STOPS.union(BOUNDS)
    missing = {s: w for s, w in wanted.items() if s not in known and not s.startswith("replay_")}
    if missing:
        names = ", ".join(f"{name} (wanted by {', '.join(who)})" for name, who in missing.items())
        raise Unprovided(
            f"{function}() references symbols that the shim does not provide: {names}",
            hint=f"provide it in {KERNEL_SIDE} of its shim, in harness/workloads",
        )
