# SPDX-License-Identifier: GPL-2.0-only
"""Runs the kernel's make: reproducible, with a separate output folder, in a sandbox."""

import contextlib
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from harness.errors import ToolFailed, ToolMissing
from harness.host.processes import process, programs
from harness.host.processes.sandbox import Sandbox
from harness.host.untrusted_folder import UntrustedFolder
from harness.kernel.make import compiler_warnings
from harness.kernel.make.warning_lines import Reader
from harness.project.kernel import ARCHITECTURES

#: Fixed values in place of time, user and host, so that equal sources and configurations give equal
#: kernels (Documentation/kbuild/reproducible-builds.rst).
PINNED = (
    "ARCH=x86_64",
    "KBUILD_BUILD_TIMESTAMP=Thu Jan  1 00:00:00 UTC 1970",
    "KBUILD_BUILD_USER=harness",
    "KBUILD_BUILD_HOST=harness",
    "KBUILD_BUILD_VERSION=1",
    # Set to empty: else kbuild adds a "+" for a tree that is not at a tag.
    "LOCALVERSION=",
)
#: A line that names a target: `  CC      mm/mm_init.o`.
_MADE = re.compile(r"\s*(?:set -e;\s*)?(?:echo\s+'?)?\s{2}(?:CC|AS|AR|LD|HOSTCC|HOSTLD)\s+\S+")


class Make:
    """make for a source folder and an O= folder, which alone is writable.

    `compiler` is gcc, clang, gcc-14, clang-19 …, `arch` one of ARCHITECTURES.
    """

    def __init__(
        self,
        source: Path,
        objects: Path,
        compiler: str,
        *,
        arch: str = "x86_64",
        sandbox: Sandbox,
        log: Path,
        deadline: process.Deadline,
    ) -> None:
        self.source = source
        self.output = UntrustedFolder(objects)
        self.log = log
        self.sandbox = sandbox
        self._tools = _tools(compiler, arch)
        self.deadline = deadline

    def __call__(
        self,
        *arguments: str,
        on_line: Callable[[str], None] | None = None,
        ok: Sequence[int] | None = (0,),
    ) -> process.Finished:
        """Run make with these targets, variables or options. Raises ToolFailed, TimedOut."""
        argv = ["make", f"-j{os.cpu_count() or 1}", "-C", str(self.source), f"O={self.output.path}"]
        return self.run([*argv, *PINNED, *self._tools, *arguments], on_line=on_line, ok=ok)

    def build(
        self, *targets: str, on_line: Callable[[str], None] | None = None
    ) -> process.Finished:
        """Make targets and record the compiler's warnings. Raises ToolFailed, TimedOut."""
        reader = Reader(str(self.source))

        def hear(line: str) -> None:
            reader.hear(line)
            if on_line is not None:
                on_line(line)

        compiler_warnings.start(self.output)
        try:
            # Target by target: the output of two compilers must not be mixed.
            done = self("-Otarget", *targets, on_line=hear)
        except ToolFailed as error:
            # After a compile error the other objects are complete, and so are their warnings.
            # On a full disk they cannot be recorded: make's own error says more.
            if error.heard_to_end:
                with contextlib.suppress(OSError):
                    compiler_warnings.finish(self.output, reader.found)
            raise
        compiler_warnings.finish(self.output, None if done.was_cut else reader.found)
        return done

    def begin(self) -> None:
        """Create the O= folder, without objects or warnings."""
        self.output.path.mkdir(parents=True)
        compiler_warnings.begin(self.output)

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        on_line: Callable[[str], None] | None = None,
        ok: Sequence[int] | None = (0,),
    ) -> process.Finished:
        """Run another program that the source steers, in the source folder."""
        return self.sandbox.run(
            argv,
            log=self.log,
            deadline=self.deadline,
            writable=[self.output.path],
            readable=[self.source],
            cwd=self.source,
            env=env,
            ok=ok,
            on_line=on_line,
        )


def require(program: str) -> None:
    """Raise ToolMissing unless a compiler, and what kbuild uses with it, is installed."""
    packages = {program: _package(program)}
    if program.startswith("clang"):
        version = program.removeprefix("clang")
        packages |= {f"ld.lld{version}": f"lld{version}", f"llvm-ar{version}": f"llvm{version}"}
    missing = [name for name in packages if programs.find(name) is None]
    if missing:
        wanted = " ".join(packages[name] for name in missing)
        raise ToolMissing(
            f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed",
            where=f"compiler {program}",
            hint=f"install {wanted} (names of Debian's packages), or choose another compiler",
        )


def _package(program: str) -> str:
    """Return Debian's package of a compiler, which may be for another architecture."""
    target, gnu, name = program.rpartition("-gnu-")
    return f"{name}-{target}-gnu" if gnu else program


def _tools(compiler: str, arch: str) -> tuple[str, ...]:
    """Return make variables for a compiler (Documentation/kbuild/llvm.rst)."""
    kind, _, version = compiler.partition("-")
    cross = ARCHITECTURES[arch]
    # make uses the last of two values, and PINNED has an ARCH.
    target = () if arch == "x86_64" else (f"ARCH={arch}", f"CROSS_COMPILE={cross}")
    if kind == "clang":
        return (*target, f"LLVM=-{version}" if version else "LLVM=1")
    return (*target, f"CC={cross}{compiler}", f"HOSTCC={compiler}") if version else target


def makes_object(line: str) -> bool:
    """Return whether a line of kbuild's output (or of `make -n`) names a target."""
    return _MADE.match(line) is not None
