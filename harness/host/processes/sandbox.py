# SPDX-License-Identifier: GPL-2.0-only
"""Runs builds and guests in bubblewrap: without network, and without the user's files.

A confined program sees the system's programs and some files of /etc read-only, an empty home, /tmp
and /run, the folders that are named, and few environment variables. File size, memory and the
number of processes are limited. It has its own process namespace and is killed with the harness,
even by SIGKILL; this also ends QEMU.
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from harness.errors import HarnessError, ToolFailed
from harness.events import Listener, Note
from harness.host.processes import process
from harness.host.units import GIB

_PROBE_S = 20
#: The reason for which nothing is confined if the user wants it so.
NO_SANDBOX = "--no-sandbox"
UNCONFINED = (
    "running without bubblewrap: what is built and booted can read your files, write where you can "
    "and reach the network"
)
#: Read-only. Not all of /etc, /var, /srv or /mnt: keys may be there.
_SYSTEM = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt"),
    *("/nix/store", "/gnu/store", "/sys/devices/system"),
)
ETC = (
    *("alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "passwd", "group"),
    *("nsswitch.conf", "os-release", "ssl/openssl.cnf", "pki/tls/openssl.cnf", "crypto-policies"),
)
#: Variables that are passed on. Others may hold tokens or sockets of agents.
_VARIABLES = ("PATH", "HOME", "LD_LIBRARY_PATH")
MAX_FILE_BYTES = 8 * GIB
#: Processes and threads: many times those of `make -j` on this machine.
MAX_TASKS = 1024 + 32 * (os.cpu_count() or 1)


class TooManyProcesses(ToolFailed):
    """A program had too many processes and was killed."""


class Sandbox(msgspec.Struct, frozen=True):
    """Runs programs that patches steer: in bubblewrap, unless `unusable` says why not.

    Decided once per command (see `Cache.sandbox`), and once per job on a cluster's worker.
    """

    unusable: str | None = None

    @classmethod
    def probe(cls, folder: Path, log: Path) -> "Sandbox":
        """Return the sandbox after trying bubblewrap in an empty folder (some 0.05 s)."""
        try:
            argv = wrap(["touch", f"{folder}/made"], writable=[folder])
            process.run(argv, log=log, deadline=process.Deadline(_PROBE_S))
        except HarnessError as error:
            return cls((error.detail or error.what).splitlines()[-1])
        if not (folder / "made").exists():
            return cls("what is written in a writable folder does not arrive outside")
        return cls()

    @property
    def given_up(self) -> bool:
        """Whether the user wants programs to run unconfined."""
        return self.unusable == NO_SANDBOX

    def warn(self, listen: Listener) -> None:
        """Send a note if programs run unconfined."""
        if self.unusable is not None:
            listen(Note(f"{UNCONFINED} ({self.unusable})"))

    def run(
        self,
        argv: Sequence[str],
        *,
        log: Path,
        deadline: process.Deadline,
        writable: Sequence[Path] = (),
        readable: Sequence[Path] = (),
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        ok: Sequence[int] | None = (0,),
        on_line: Callable[[str], None] | None = None,
        called: str | None = None,
    ) -> process.Finished:
        """Run a program as process.run does, in bubblewrap if that works, and watch it.

        Raises what process.run raises, and TooManyProcesses.
        """
        called = called or argv[0]
        if self.unusable is None:
            argv = wrap(argv, writable=writable, readable=readable, env=env)
        return process.run(
            argv,
            log=log,
            deadline=deadline,
            cwd=cwd,
            env=env,
            ok=ok,
            on_line=on_line,
            called=called,
            watch=watch,
        )


def wrap(
    argv: Sequence[str],
    *,
    writable: Sequence[Path] = (),
    readable: Sequence[Path] = (),
    env: Mapping[str, str] | None = None,
    network: bool = False,
    max_file_bytes: int = MAX_FILE_BYTES,
) -> tuple[str, ...]:
    """Return argv that runs `argv` in bubblewrap, with `env` beside the usual variables.

    `writable` and `readable` are existing files or folders, also below hidden ones. Home, /tmp,
    /var/tmp and /run are empty, and what is written there is lost. The Python environment of the
    harness is visible: virtme-ng is in it.
    """
    options = ["--die-with-parent", "--unshare-pid", "--unshare-ipc", "--unshare-uts"]
    # Without bubblewrap's own process 1: in containers, whose init may be slow to reap, it would
    # stay as a zombie, which is waited for.
    options.append("--as-pid-1")
    # Root would otherwise have all capabilities, and could remount what is read-only.
    options += ["--cap-drop", "ALL"]
    if not network:
        options.append("--unshare-net")
    options += [*_system(), "--proc", "/proc", "--dev", "/dev"]
    options += ["--dev-bind-try", "/dev/kvm", "/dev/kvm"]
    hidden = _hidden()
    for folder in hidden:
        options += ["--tmpfs", str(folder)]
    ours = [(path, "--ro-bind") for path in (Path(sys.prefix), Path(sys.base_prefix), *readable)]
    ours += [(path, "--bind") for path in writable]
    # Parents first: a later mount hides what is below it.
    for path, how in sorted(ours, key=lambda pair: len(pair[0].parts)):
        options += [how, str(path.resolve()), str(path.resolve())]
        # A link in a hidden folder is hidden with it, so the path needs a mount of its own.
        if path != path.resolve() and any(path.is_relative_to(h) for h in hidden):
            options += [how, str(path.resolve()), str(path)]
    options += ["--remount-ro", "/"]
    return (*_emptied(env), "bwrap", *options, "--", *_limited(max_file_bytes), *argv)


def _emptied(env: Mapping[str, str] | None) -> list[str]:
    kept = {name: os.environ[name] for name in _VARIABLES if name in os.environ}
    kept |= {"LC_ALL": "C", "TMPDIR": "/tmp"} | dict(env or {})  # noqa: S108
    return ["env", "-i", *(f"{name}={value}" for name, value in kept.items())]


def _system() -> list[str]:
    options: list[str] = []
    for name in _SYSTEM:
        path = Path(name)
        if path.is_symlink():  # /bin, where it is /usr/bin
            options += ["--symlink", str(path.readlink()), name]
        elif path.is_dir():
            options += ["--ro-bind", name, name]
    for name in ETC:
        options += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    return options


def _limited(max_file_bytes: int) -> list[str]:
    """Return argv that limits core, file size and data, and makes the OOM killer prefer this.

    Data, not address space: QEMU maps NVDIMMs of 100 GiB, whose pages are a file's.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = ["--core=0", f"--fsize={max_file_bytes}", f"--data={memory}"]
    return ["prlimit", *limits, "choom", "-n", "1000", "--"]


def _hidden() -> list[Path]:
    """Return the folders with the user's files: homes, agents' sockets, temporary files."""
    found = {Path(p) for p in ("/home", "/root", "/run", "/tmp", "/var/tmp")}  # noqa: S108
    home = Path.home().resolve()
    if home != Path("/"):
        found.add(home)
    # A link among them (/var/tmp, say) needs no mount: its target is hidden or is not the user's.
    folders = [p for p in found if p.is_dir() and not p.is_symlink()]
    return sorted(folders, key=lambda p: len(p.parts))


def watch(pid: int) -> None:
    """Raise TooManyProcesses if `pid` and its descendants are more than MAX_TASKS.

    RLIMIT_NPROC does not limit root, and counts all processes of the user.
    """
    # Cheap, and seldom exceeded: the number of tasks on the machine.
    if int(Path("/proc/loadavg").read_text().split()[3].partition("/")[2]) <= MAX_TASKS:
        return
    count = _tasks_below(pid)
    if count > MAX_TASKS:
        raise TooManyProcesses(
            f"had {count} processes, more than {MAX_TASKS}, and was killed",
            hint="do not trust this series",
        )


def _tasks_below(pid: int) -> int:
    children: dict[int, list[int]] = {}
    threads: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(") ")[2].split()
        except OSError:
            continue  # it has ended meanwhile
        number = int(stat.parent.name)
        children.setdefault(int(fields[1]), []).append(number)
        threads[number] = int(fields[17])
    todo, count = [pid], 0
    while todo:
        number = todo.pop()
        count += threads.get(number, 0)
        todo += children.get(number, [])
    return count
