# SPDX-License-Identifier: GPL-2.0-only
"""What binutils know of an object file."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.errors import MachineError
from harness.proc import Deadline, run

_BUILD_ID = re.compile(r"Build ID: ([0-9a-f]{16,})")


def build_id(file: Path, *, log: Path) -> str:
    """Return the linker's build id of an ELF file, in hex. Raises MachineError if it has none."""
    notes = run(["readelf", "--notes", str(file)], log=log, deadline=Deadline(60)).stdout
    match = _BUILD_ID.search(notes)
    if match is None:
        raise MachineError("has no build id", where=str(file), expected="a GNU build-id note")
    return match[1]


def undefined(file: Path, *, log: Path) -> list[str]:
    """Return the symbols that an object wants from others, sorted."""
    lines = run(["nm", "--undefined-only", str(file)], log=log, deadline=Deadline(60)).stdout
    return sorted(line.split()[-1] for line in lines.splitlines())


def defined(file: Path, *, log: Path) -> list[str]:
    """Return the symbols that an object has itself, sorted."""
    lines = run(["nm", "--defined-only", str(file)], log=log, deadline=Deadline(60)).stdout
    return sorted(line.split()[-1] for line in lines.splitlines())


def addresses(file: Path, *, log: Path) -> list[tuple[int, str]]:
    """Return a program's symbols with their addresses, in their order."""
    lines = run(["nm", "--numeric-sort", str(file)], log=log, deadline=Deadline(60)).stdout
    split = (line.split() for line in lines.splitlines())
    return [(int(words[0], 16), words[2]) for words in split if len(words) == 3]


def sizes(file: Path, *, log: Path) -> str:
    """Return what nm says of a program's symbols and their sizes, for harness.parse.symbols."""
    argv = ["nm", "--print-size", "--defined-only", str(file)]
    return run(argv, log=log, deadline=Deadline(60)).stdout


def disassembly(file: Path, *, log: Path) -> str:
    """Return an object's code with its relocations, for harness.parse.objdump."""
    argv = ["objdump", "--disassemble", "--reloc", "--no-show-raw-insn", str(file)]
    return run(argv, log=log, deadline=Deadline(60)).stdout


def join(objects: Sequence[Path], into: Path, values: Mapping[str, int], *, log: Path) -> None:
    """Make one relocatable object of several, with undefined symbols given as addresses."""
    given = [f"--defsym={name}={value:#x}" for name, value in values.items()]
    argv = ["ld", "-r", "-o", str(into), *given, *map(str, objects)]
    run(argv, log=log, deadline=Deadline(60))


def keep_global(file: Path, pattern: str, *, log: Path) -> None:
    """Make all of an object's symbols local but for those that match, so that none can clash."""
    argv = ["objcopy", "--wildcard", f"--keep-global-symbol={pattern}", str(file)]
    run(argv, log=log, deadline=Deadline(60))
