# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's own build system: make with a separate output folder, reproducibly, in a sandbox."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from harness import proc
from harness.tools import bwrap

#: What kbuild would take from the clock and the machine; pinned, so that equal sources and equal
#: configurations give equal kernels (Documentation/kbuild/reproducible-builds.rst).
PINNED = (
    "ARCH=x86_64",
    "KBUILD_BUILD_TIMESTAMP=Thu Jan  1 00:00:00 UTC 1970",
    "KBUILD_BUILD_USER=harness",
    "KBUILD_BUILD_HOST=harness",
    "KBUILD_BUILD_VERSION=1",
    # Empty, but set: else kbuild adds a "+" for what git says of the tree.
    "LOCALVERSION=",
)
#: The targets that kbuild names when it makes something: `  CC      mm/mm_init.o`.
_MADE = re.compile(r"\s*(?:set -e;\s*)?(?:echo\s+'?)?\s{2}(?:CC|AS|AR|LD|HOSTCC|HOSTLD)\s+\S+")


class Make:
    """make for one source folder and one O= folder; `compiler` is gcc, clang, gcc-14, clang-19 …

    Patches decide what make executes, so it runs where only the O= folder is writable.
    """

    def __init__(
        self,
        source: Path,
        objects: Path,
        compiler: str,
        *,
        confined: bool,
        log: Path,
        deadline: proc.Deadline,
    ) -> None:
        self.source = source
        self.objects = objects
        self.log = log
        self._confined = confined
        self._tools = _tools(compiler)
        self.deadline = deadline

    def __call__(
        self,
        *arguments: str,
        on_line: Callable[[str], None] | None = None,
        ok: Sequence[int] | None = (0,),
    ) -> proc.Finished:
        """Run make with these targets, variables or options. Raises ToolFailed, TimedOut."""
        argv = ["make", f"-j{os.cpu_count() or 1}", "-C", str(self.source), f"O={self.objects}"]
        return self.run([*argv, *PINNED, *self._tools, *arguments], on_line=on_line, ok=ok)

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        on_line: Callable[[str], None] | None = None,
        ok: Sequence[int] | None = (0,),
    ) -> proc.Finished:
        """Run another program that the source's own files steer, from the source folder."""
        called = argv[0]
        if self._confined:
            argv = bwrap.wrap(argv, writable=[self.objects], readable=[self.source], env=env)
        return proc.run(
            argv,
            log=self.log,
            deadline=self.deadline,
            cwd=self.source,
            env=env,
            on_line=on_line,
            ok=ok,
            called=called,
            watch=bwrap.watch,
        )


def _tools(compiler: str) -> tuple[str, ...]:
    """Variables that choose it (Documentation/kbuild/llvm.rst); the plain gcc needs none."""
    kind, _, version = compiler.partition("-")
    if kind == "clang":
        return (f"LLVM=-{version}",) if version else ("LLVM=1",)
    return (f"CC={compiler}", f"HOSTCC={compiler}") if version else ()


def makes_object(line: str) -> bool:
    """Whether a line of kbuild's output (or of `make -n`) announces something being made."""
    return _MADE.match(line) is not None
