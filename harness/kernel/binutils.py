# SPDX-License-Identifier: GPL-2.0-only
"""Runs binutils, and the compiler as a linker, on object files."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.errors import MachineError
from harness.host.processes.process import Deadline
from harness.host.processes.sandbox import Sandbox

_BUILD_ID = re.compile(r"Build ID: ([0-9a-f]{16,})")


class Binutils:
    """binutils in a sandbox, since a patch's Makefile may have made the files.

    Such a file may exploit a bug in binutils, or ask for plugins (link-time optimization).
    """

    def __init__(self, log: Path, deadline: Deadline, sandbox: Sandbox) -> None:
        self.log = log
        self._deadline = deadline
        self._sandbox = sandbox

    def build_id(self, file: Path) -> str:
        """Return the linker's build id of an ELF file, in hex. Raises MachineError if none."""
        match = _BUILD_ID.search(self._read(file, "readelf", "--notes"))
        if match is None:
            raise MachineError("has no build id", where=str(file), expected="a GNU build-id note")
        return match[1]

    def undefined(self, file: Path) -> list[str]:
        """Return the undefined symbols of an object, sorted."""
        lines = self._read(file, "nm", "--undefined-only").splitlines()
        return sorted(line.split()[-1] for line in lines)

    def defined(self, file: Path) -> list[str]:
        """Return the defined symbols of an object, sorted."""
        lines = self._read(file, "nm", "--defined-only").splitlines()
        return sorted(line.split()[-1] for line in lines)

    def addresses(self, file: Path) -> list[tuple[int, str]]:
        """Return a program's symbols with their addresses, sorted by address."""
        split = (line.split() for line in self._read(file, "nm", "--numeric-sort").splitlines())
        return [(int(words[0], 16), words[2]) for words in split if len(words) == 3]

    def sizes(self, file: Path) -> str:
        """Return nm's output with symbol sizes, for harness.kernel.symbols."""
        return self._read(file, "nm", "--print-size", "--defined-only")

    def disassembly(self, file: Path) -> str:
        """Return an object's disassembly with relocations, for harness.kernel.objdump."""
        return self._read(file, "objdump", "--disassemble", "--reloc", "--no-show-raw-insn")

    def join(self, objects: Sequence[Path], into: Path, values: Mapping[str, int]) -> None:
        """Link objects into a relocatable one; `values` defines symbols as addresses."""
        given = [f"--defsym={name}={value:#x}" for name, value in values.items()]
        self._run(["ld", "-r", "-o", str(into), *given, *map(str, objects)], objects, into.parent)

    def keep_global(self, file: Path, pattern: str) -> None:
        """Make all symbols of an object local except those that match."""
        argv = ["objcopy", "--wildcard", f"--keep-global-symbol={pattern}", str(file)]
        self._run(argv, [], file.parent)

    def program(self, objects: Sequence[Path], into: Path, script: Path | None = None) -> None:
        """Link objects into a program at fixed addresses; `script` adds to the linker's own."""
        argv = ["cc", "-no-pie", "-Wl,-z,noexecstack", "-Wl,--strip-debug", "-o", str(into)]
        argv += [f"-Wl,-T,{script}"] if script else []
        self._run([*argv, *map(str, objects)], objects, into.parent)

    def _read(self, file: Path, *argv: str) -> str:
        return self._run([*argv, str(file)], [file])

    def _run(self, argv: Sequence[str], reads: Sequence[Path], writes: Path | None = None) -> str:
        return self._sandbox.run(
            argv,
            log=self.log,
            deadline=self._deadline,
            readable=reads,
            writable=[writes] if writes else [],
        ).stdout
