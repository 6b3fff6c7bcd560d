# SPDX-License-Identifier: GPL-2.0-only
"""A machine to break: the harness as a process, with a fake kernel tree and fake guests.

Everything is as for a user: `harness` is a process, finds its programs beside its Python and on
PATH, builds the fake tree with real make and gcc in real bubblewrap, and applies patches with real
b4 and git. Only virtme-run, ndctl, busybox and QEMU are fakes.
"""

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from harness.host.processes import process as proc
from harness.project.project import Project
from tests.fakes.trees import edit, git

ROOT = Project.find().root
FAKES = ROOT / "tests" / "fakes"
SHARED_MEMORY = Path("/dev/shm")
SERIES = """\
title: a series
function: memmap_init_zone_device
object: mm/mm_init.o
port_of: 1
versions:
  - {version: 1, date: 2026-01-01, patches: 2, base: v7.2}
claims:
  - {version: 1, metric: nd_pmem, guest: small, rebinds: 5, reduction_percent: 50.0,
     base: {mean_ms: 60}, tip: {mean_ms: 30}}
"""
PLAN = """\
description: as quick as it gets
guest: %s
rebinds: %d
kconfig: [timing]
boots: {kvm: 1, tcg: 1}
boot_s: %d
"""
GUEST = """\
description: as small as a memmap can be
memory: 256M
namespaces:
  - {mode: fsdax, size: 128M}
  - {mode: devdax, size: 128M}
"""
PROGRAM = "from harness.cli import main; main()"
PR_SET_CHILD_SUBREAPER = 36


class Ended(NamedTuple):
    """The result of a run of the harness."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        """Everything that was printed."""
        return self.stdout + self.stderr


class Scene:
    """A machine in one folder: project, cache, programs. Several may share a cache."""

    def __init__(self, folder: Path, warm: "Scene | None" = None) -> None:
        """Use the cache of `warm`, if given, and the tree that it was filled from."""
        self.folder = folder
        self.root = folder / "project"
        self.bin = folder / "machine" / "bin"
        self.cache = warm.cache if warm else folder / "cache" / "memmap-harness"
        self._tree = warm.linux if warm else folder / "linux"
        self.tmp = folder / "tmp"
        self.tmp.mkdir(parents=True)
        self.env: dict[str, str] = {}
        #: The harness processes that must leave nothing behind.
        self.pids: list[int] = []
        self._make_machine()
        self._make_project()

    def _make_machine(self) -> None:
        """Make a Python environment, as `python -m venv` does, with the fake programs."""
        machine = self.bin.parent
        self.bin.mkdir(parents=True)
        (self.bin / "python3").symlink_to(Path(sys.executable).resolve())
        home = Path(sys.base_prefix) / "bin"
        (machine / "pyvenv.cfg").write_text(f"home = {home}\n")
        site = machine / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
        site.mkdir(parents=True)
        paths = [sysconfig.get_path("purelib"), str(ROOT)]
        (site / "ours.pth").write_text("".join(f"{path}\n" for path in paths))
        (self.bin / "b4").symlink_to(Path(sysconfig.get_path("scripts")) / "b4")
        for name in ("virtme-run", "ndctl", "busybox", "qemu-system-x86_64"):
            shutil.copy(FAKES / "bin" / name, self.bin / name)
        self.program("vng", "echo 1.42")

    def _make_project(self) -> None:
        for name in (
            "guests/agent",
            "guests/pmem-4g.yaml",
            "configs/kconfig",
            "configs/packages.txt",
        ):
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).symlink_to(ROOT / name)
        (self.root / "guests" / "small.yaml").write_text(GUEST)
        (self.root / "configs" / "plans").mkdir()
        self.plan()
        self.linux = self.folder / "linux"
        shutil.copytree(FAKES / "linux", self.linux)
        git(self.linux, "init", "-q", "-b", "main")
        git(self.linux, "add", "-Af")
        git(self.linux, "commit", "-qm", "base")
        git(self.linux, "tag", "v7.2")
        self.trees({"provider": "git", "repository": str(self._tree), "ref": "v7.2"})
        self.series()

    def plan(self, guest: str = "small", rebinds: int = 5, boot_s: int = 60) -> None:
        (self.root / "configs/plans/quick.yaml").write_text(PLAN % (guest, rebinds, boot_s))

    def trees(self, entry: Mapping[str, object]) -> None:
        fields = ", ".join(f"{key}: {str(value)!r}" for key, value in entry.items())
        (self.root / "configs/trees.yaml").write_text(f"v7.2: {{{fields}}}\n")

    def series(self, ms: int | str = 30, touch: Callable[[Path], None] = lambda _p: None) -> None:
        """Make the port: a harmless patch, then one with rebinds of `ms`."""
        ports = self.root / "series" / "test" / "ports" / "v7.2"
        shutil.rmtree(ports.parent.parent, ignore_errors=True)
        ports.mkdir(parents=True)
        (ports.parent.parent / "series.yaml").write_text(SERIES)
        git(self.linux, "checkout", "-q", "-B", "series", "v7.2")
        edit(self.linux / "mm/memremap.c", "512", "1024")
        git(self.linux, "commit", "-qam", "mm/memremap: map more")
        edit(self.linux / "mm/mm_init.c", r"{\"ms\": 60}", r"{\"ms\": " + f"{ms}}}")
        touch(self.linux)
        git(self.linux, "add", "-Af")
        git(self.linux, "commit", "-qm", "mm/mm_init: do it at once")
        git(self.linux, "format-patch", "-q", "-o", str(ports), "v7.2")
        git(self.linux, "checkout", "-q", "main")

    @property
    def patches(self) -> list[Path]:
        return sorted((self.root / "series/test/ports/v7.2").iterdir())

    def mbox(self, name: str = "series.mbox") -> Path:
        """Write the port as a third-party mbox."""
        path = self.folder / name
        path.write_bytes(b"".join(p.read_bytes() + b"\n" for p in self.patches))
        return path

    def flaws(self, *names: str) -> None:
        """Set the flaws of all later guests."""
        words = ", ".join(f'"{name}"' for name in names)
        (self.bin / "guest.json").write_text(f"[{words}]")

    def program(self, name: str, script: str) -> None:
        """Put a shell script on PATH, before any other program of its name."""
        path = self.bin / name
        path.unlink(missing_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def without(self, name: str) -> None:
        """Remove a program: PATH becomes a folder of links to all others."""
        (self.bin / name).unlink(missing_ok=True)
        only = self.folder / "programs"
        only.mkdir(exist_ok=True)
        for folder in reversed(os.environ["PATH"].split(os.pathsep)):
            for program in Path(folder).glob("*"):
                link = only / program.name
                link.unlink(missing_ok=True)
                link.symlink_to(program)
        (only / name).unlink(missing_ok=True)
        self.env["PATH"] = f"{self.bin}:{only}"

    def environment(self) -> dict[str, str]:
        return os.environ | {
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            "XDG_CACHE_HOME": str(self.cache.parent),
            "MEMMAP_HARNESS_ROOT": str(self.root),
            "TMPDIR": str(self.tmp),
            "COLUMNS": "200",
            **self.env,
        }

    def start(
        self, *arguments: str, before: Sequence[str] = (), patience: str = ""
    ) -> subprocess.Popen[str]:
        """Start the harness; `before` wraps the command, `patience` sets some of its constants."""
        code = f"{patience}\n{PROGRAM}" if patience else PROGRAM
        process = subprocess.Popen(
            [*before, str(self.bin / "python3"), "-c", code, *arguments],
            cwd=self.folder,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        self.pids.append(process.pid)
        return process

    def harness(
        self,
        *arguments: str,
        before: Sequence[str] = (),
        patience: str = "",
        seconds: float = 600,
    ) -> Ended:
        process = self.start(*arguments, before=before, patience=patience)
        try:
            stdout, stderr = process.communicate(timeout=seconds)
        finally:
            process.kill()
        return Ended(process.returncode, stdout, stderr)

    def reproduce(self, *arguments: str, **how: object) -> Ended:
        """Run `harness reproduce`, under TCG unless arguments choose otherwise."""
        given = arguments if "--accelerator" in arguments else (*arguments, "--accelerator", "tcg")
        return self.harness("reproduce", "test", "--plan", "quick", *given, **how)  # type: ignore[arg-type]

    def killed_at(self, sign: str, *arguments: str, seconds: float = 60) -> Ended:
        """Kill the harness (SIGKILL) once it has printed `sign`; then run it again."""
        process = self.start(*arguments)
        assert process.stderr is not None
        end = time.monotonic() + seconds
        for line in process.stderr:
            assert time.monotonic() < end
            if sign in line:
                break
        else:
            raise AssertionError(f"{sign!r} was not printed")
        process.kill()
        process.communicate()
        # Its folder in /dev/shm is removed by a later run, when it is some seconds old.
        self.pids.remove(process.pid)
        assert strays(10) == [], "a child outlived it"
        return self.harness(*arguments)

    def while_killing(self, word: str, *arguments: str, once: str = "") -> Ended:
        """Run the harness and kill its programs that have this word in their command line.

        With `once`, not before a console of its guests has this text.
        """
        process = self.start(*arguments)
        end = time.monotonic() + 240
        while process.poll() is None and time.monotonic() < end:
            if not once or any(once in log.read_text() for log in self.root.rglob("*.console.log")):
                for pid in self.programs(word):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            time.sleep(0.1)
        process.kill()
        stdout, stderr = process.communicate()
        return Ended(process.returncode, stdout, stderr)

    def programs(self, word: str) -> list[int]:
        """Return the processes in sandboxes of this scene with a word in their command line."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
                ours = any(str(self.folder) in text or str(self.cache) in text for text in words)
                if ours and word in words and "bwrap" not in words:
                    found.append(int(entry.name))
        return found


#: Children that existed before `adopting`, a browser for example.
_earlier: set[int] = set()


@contextlib.contextmanager
def adopting() -> Iterator[None]:
    """Adopt the orphans of programs that run in the block, so that `strays` finds them."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    # Starts the reaper (harness.host.processes.reaper), which stays.
    proc.run(["true"], log=Path(os.devnull), deadline=proc.Deadline(10))
    _earlier.update(children())
    try:
        yield
    finally:
        _earlier.clear()
        libc.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def strays(seconds: float = 3) -> list[str]:
    """Return the command lines of children that are still alive after a while; kill them."""
    end = time.monotonic() + seconds
    while found := children():
        for pid in found:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        if time.monotonic() > end:
            break
        time.sleep(0.05)
    lines = []
    for pid in found:
        with contextlib.suppress(OSError):
            lines.append(Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode())
            os.kill(pid, signal.SIGKILL)
    return lines


def children() -> list[int]:
    """Return the ids of children, except those that existed before `adopting`."""
    found = []
    for task in Path("/proc/self/task").iterdir():
        found += [int(pid) for pid in (task / "children").read_text().split()]
    return [pid for pid in found if pid not in _earlier]


def mounts(folder: Path) -> list[str]:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [line for line in lines if str(folder) in line]


def left_in_memory(pids: Sequence[int]) -> list[Path]:
    """Return the folders in /dev/shm that these processes left behind."""
    found = []
    for folder in SHARED_MEMORY.glob("memmap-harness-*"):
        with contextlib.suppress(OSError):
            if (folder / "owner").read_text().strip() in map(str, pids):
                found.append(folder)
    return found
