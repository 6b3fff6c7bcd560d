# SPDX-License-Identifier: GPL-2.0-only
"""bubblewrap around builds and guests: no network, a read-only system, nothing of the user's.

A wrapped program sees the system's programs read-only, a handful of files of /etc, an empty home,
/tmp and /run, and of our folders only those that are named; of the environment what is listed here.
What it may take is limited, and `watch` ends it when it multiplies. It has its own process
namespace and dies with us, whatever it started and however we die: this is what makes QEMU end
after `kill -9` of the harness.
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from harness.errors import HarnessError, ToolFailed
from harness.events import Listener, Note
from harness.host import process
from harness.host.units import GIB

PROBE_S = 20
#: The reason for which nothing is confined if the user wants it so.
NO_SANDBOX = "--no-sandbox"
UNCONFINED = (
    "running without bubblewrap: what is built and booted can read your files, write where you can "
    "and reach the network"
)
#: What of the system programs need. Not /etc as a whole, /var, /srv or /mnt: keys lie there.
SYSTEM = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt"),
    *("/nix/store", "/gnu/store", "/sys/devices/system"),
)
ETC = (
    *("alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "passwd", "group"),
    *("nsswitch.conf", "os-release", "ssl/openssl.cnf", "pki/tls/openssl.cnf", "crypto-policies"),
)
#: Variables that are passed on. Tokens and agents' sockets are in others.
VARIABLES = ("PATH", "HOME", "LD_LIBRARY_PATH")
MAX_FILE_BYTES = 8 * GIB
#: Processes and threads: what `make -j` of this machine has, many times over.
MAX_TASKS = 1024 + 32 * (os.cpu_count() or 1)


class Multiplies(ToolFailed):
    """A program that has too many processes, and was ended."""


class Sandbox(msgspec.Struct, frozen=True):
    """How programs that patches steer are run: in bubblewrap, unless `unusable` says why not.

    Probed once per command (see `Cache.sandbox`) and once per job on a cluster's worker.
    """

    unusable: str | None = None

    @classmethod
    def probe(cls, folder: Path, log: Path) -> "Sandbox":
        """Run a program in an empty folder with all that `wrap` asks of bubblewrap.

        Takes some hundredths of a second.
        """
        try:
            argv = wrap(["touch", f"{folder}/made"], writable=[folder])
            process.run(argv, log=log, deadline=process.Deadline(PROBE_S))
        except HarnessError as error:
            return cls((error.detail or error.what).splitlines()[-1])
        if not (folder / "made").exists():
            return cls("a folder made writable in it is not the one outside")
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

        Raises what process.run raises, and Multiplies.
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
    """Return argv that runs `argv` inside bubblewrap, with `env` beside the usual variables.

    `writable` and `readable` are existing files or folders that it may use although they may lie
    in a hidden place; nothing else is writable for long: home, /tmp, /var/tmp and /run are empty
    and vanish with the program. The Python that runs us stays visible, since virtme-ng lives
    beside it.
    """
    options = ["--die-with-parent", "--unshare-pid", "--unshare-ipc", "--unshare-uts"]
    # Without bubblewrap's own process 1, which would outlive the program by a moment: as a zombie
    # that is waited for, where the machine's init is slow to reap (in containers, often).
    options.append("--as-pid-1")
    # As root, bubblewrap would leave every capability, remounting what is read-only among them.
    options += ["--cap-drop", "ALL"]
    if not network:
        options.append("--unshare-net")
    options += [*_system(), "--proc", "/proc", "--dev", "/dev"]
    # The one device a guest is worth having for.
    options += ["--dev-bind-try", "/dev/kvm", "/dev/kvm"]
    hidden = _hidden()
    for folder in hidden:
        options += ["--tmpfs", str(folder)]
    ours = [(path, "--ro-bind") for path in (Path(sys.prefix), Path(sys.base_prefix), *readable)]
    ours += [(path, "--bind") for path in writable]
    # A folder goes before what lies in it, or it would cover it.
    for path, how in sorted(ours, key=lambda pair: len(pair[0].parts)):
        options += [how, str(path.resolve()), str(path.resolve())]
        # What led to it through a link in a hidden folder is gone with that folder.
        if path != path.resolve() and any(path.is_relative_to(h) for h in hidden):
            options += [how, str(path.resolve()), str(path)]
    options += ["--remount-ro", "/"]
    return (*_emptied(env), "bwrap", *options, "--", *_limited(max_file_bytes), *argv)


def _emptied(env: Mapping[str, str] | None) -> list[str]:
    kept = {name: os.environ[name] for name in VARIABLES if name in os.environ}
    # /tmp is a private one.
    kept |= {"LC_ALL": "C", "TMPDIR": "/tmp"} | dict(env or {})  # noqa: S108
    return ["env", "-i", *(f"{name}={value}" for name, value in kept.items())]


def _system() -> list[str]:
    options: list[str] = []
    for name in SYSTEM:
        path = Path(name)
        if path.is_symlink():  # /bin, where it is /usr/bin
            options += ["--symlink", str(path.readlink()), name]
        elif path.is_dir():
            options += ["--ro-bind", name, name]
    for name in ETC:
        options += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    return options


def _limited(max_file_bytes: int) -> list[str]:
    """No core, no endless file, no more memory than there is; the first to go when that is short.

    Data, not address space: an NVDIMM of 100 GiB is mapped, but its pages are a file's.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = ["--core=0", f"--fsize={max_file_bytes}", f"--data={memory}"]
    return ["prlimit", *limits, "choom", "-n", "1000", "--"]


def _hidden() -> list[Path]:
    """Where people keep what is theirs: homes, sockets of their agents, temporary files."""
    found = {Path(p) for p in ("/home", "/root", "/run", "/tmp", "/var/tmp")}  # noqa: S108
    home = Path.home().resolve()
    if home != Path("/"):
        found.add(home)
    # A link among them (/var/tmp, say) leads to a place that is hidden or not in its own right.
    folders = [p for p in found if p.is_dir() and not p.is_symlink()]
    return sorted(folders, key=lambda p: len(p.parts))


def watch(pid: int) -> None:
    """Raise Multiplies when the program `pid` has started more than builds do.

    The limit that the kernel has for this (RLIMIT_NPROC) does not bind root, and counts what else
    the user runs.
    """
    # The machine's count of tasks costs nothing to read, and is seldom so high.
    if int(Path("/proc/loadavg").read_text().split()[3].partition("/")[2]) <= MAX_TASKS:
        return
    count = _tasks_below(pid)
    if count > MAX_TASKS:
        raise Multiplies(
            f"it had {count} processes, more than {MAX_TASKS}, and was killed",
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
