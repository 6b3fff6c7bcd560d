# SPDX-License-Identifier: GPL-2.0-only
"""An emulated AMD host with a KVM that works: QEMU's TCG implements SVM with nested paging.

It boots a kernel of ours (configs/kconfig/kvm-host.config) on this machine's files, read-only over
9p with an overlay in memory, and has a disk of its own at /cache, because file locks do not carry
over 9p. The disk begins with the cached trees and kernels of this machine.
"""

import os
import re
import shlex
import shutil
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from harness.errors import EXIT_INTERRUPTED, HarnessError, MachineError, Unsupported
from harness.events import Listener, silent
from harness.guest.qemu import options as qemu
from harness.host.cache import Cache
from harness.host.processes import process
from harness.host.processes.process import Deadline
from harness.kernel import build, configure
from harness.project.kernel import Kernel
from harness.project.project import Project
from harness.trees.tree import fetch

FRAGMENTS = ("guest", "timing", "kvm-host")
TREE = "v7.2"
INIT = Path(__file__).parent / "init"
#: Without what QEMU 7.2 does not emulate of that model, and warns about.
CPU = (
    "EPYC,phys-bits=46,rdseed=off,sha-ni=off,fxsr-opt=off,misalignsse=off,3dnowprefetch=off,"
    "osvw=off,topoext=off,nrip-save=off,xsavec=off"
)
MEMORY = "5G"
DISK = "4G"
#: Of the cache folder. Not worktrees and objects: nothing is built in the emulated host.
CACHED = ("trees.git", "applied", "mails", "kernels", "roots")
#: Variables of this machine's environment that the command gets, beside MEMMAP_HARNESS_*.
PASSED = ("PATH", "PYTHONPATH", "HOME")
SHARED = "trans=virtio,version=9p2000.L,msize=524288"
_EXIT_CODE = re.compile(r"machine: exit code (\d+)")
_DISK_S = 120
BY_HAND_S = 24 * 3600


class Ended(NamedTuple):
    """The exit code and output of a command, and the seconds that the machine ran."""

    exit_code: int
    output: str
    wall_s: float


def lacks_svm(log: Path) -> str | None:
    """Return why this QEMU cannot emulate SVM with nested paging, or None."""
    argv = [qemu.PROGRAM, "-machine", "pc,accel=tcg", "-cpu", "qemu64,svm=on,npt=on,enforce"]
    argv += ["-nodefaults", "-no-user-config", "-display", "none", "-S", "-monitor", "stdio"]
    # The monitor does not end QEMU when its input ends.
    quit_file = log.with_suffix(".quit")
    quit_file.write_text("quit\n")
    done = process.run(argv, log=log, deadline=Deadline(60), ok=None, stdin=quit_file)
    if done.exit_code == 0:
        return None
    return f"{qemu.PROGRAM} does not emulate SVM: {done.stderr.strip()}"


def kernel(project: Project, cache: Cache, listen: Listener = silent) -> Kernel:
    """Return the emulated host's kernel, from the cache or built."""
    tree = fetch(project, cache, TREE, listen)
    recipe = configure.recipe(project, FRAGMENTS)
    return build.build(cache, tree, tree.commit, recipe, listen, title="the emulated host's kernel")


def run(
    cache: Cache,
    image: Path,
    command: Sequence[str],
    *,
    folder: Path,
    results: Path,
    log: Path,
    seconds: float,
    env: Mapping[str, str],
    on_line: Callable[[str], None] | None = None,
) -> Ended:
    """Boot the emulated host, run a command in a folder there, and return how it ended.

    `results` is the one folder that the command shares with this machine, under the same path; all
    else that it writes is lost. `log` becomes the console's log. Raises MachineError if the command
    did not end.
    """
    results.mkdir(parents=True, exist_ok=True)
    with cache.staging() as work:
        disk = _disk(cache, work, _script(command, folder, results, env))
        deadline = Deadline(seconds)
        argv = _qemu(image, disk, results, log)
        done = process.run(
            argv, log=log.with_suffix(".qemu.log"), deadline=deadline, ok=None, on_line=on_line
        )
    match = _EXIT_CODE.search(log.read_text("utf-8", "replace"))
    if match is None:
        raise MachineError("the emulated host ended before its command", where=str(log))
    return Ended(int(match[1]), done.stdout, done.wall_s)


def _script(command: Sequence[str], folder: Path, results: Path, env: Mapping[str, str]) -> str:
    """Return the shell script that the machine's init runs."""
    passed = {
        name: value
        for name, value in os.environ.items()
        if name in PASSED or name.startswith("MEMMAP_HARNESS_")
    }
    given = {**passed, "XDG_CACHE_HOME": "/cache", "PYTHONUNBUFFERED": "1", **env}
    lines = [f"export {name}={shlex.quote(value)}" for name, value in given.items()]
    lines += [f"mount -t 9p -o {SHARED} results {shlex.quote(str(results))} || exit"]
    lines += [f"cd {shlex.quote(str(folder))} || exit", f"exec {shlex.join(command)}"]
    return "\n".join([*lines, ""])


def _disk(cache: Cache, folder: Path, script: str) -> Path:
    """Make an ext2 file system with the script and what the machine needs of the cache."""
    content, disk = folder / "content", folder / "disk.img"
    for name in CACHED:
        if (cache.root / name).exists():
            shutil.copytree(
                cache.root / name,
                content / "memmap-harness" / name,
                copy_function=os.link,
                symlinks=True,
                ignore=shutil.ignore_patterns("worktrees"),
            )
    (content / "command").write_text(script)
    argv = ["mke2fs", "-q", "-t", "ext2", "-m", "0", "-d", str(content), str(disk), DISK]
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    process.run(argv, log=cache.log("kvm-disk"), deadline=Deadline(_DISK_S), env={"PATH": path})
    return disk


def _qemu(image: Path, disk: Path, results: Path, log: Path) -> list[str]:
    options = [
        *("console=ttyS0", "quiet", "panic=-1", "no_timer_check", "mitigations=off"),
        *("root=root", "rootfstype=9p", f"rootflags={SHARED},cache=loose", "ro"),
        f'"init={INIT}"',
        # KVM is initialized before the kernel has measured the frequency of the TSC well. Without
        # TSC scaling in the CPU, a guest's TSC then has a multiplier of 0, and its timers never
        # expire (set_tsc_khz(), arch/x86/kvm/x86.c).
        "kvm.tsc_tolerance_ppm=100000",
        # So that a test can make KVM busy.
        *("kvm.enable_virt_at_load=0", "msr.allow_writes=on"),
    ]
    argv = [qemu.PROGRAM, "-machine", "pc", "-accel", "tcg,thread=multi", "-cpu", CPU]
    argv += ["-smp", "2", "-m", MEMORY, "-nodefaults", "-no-user-config", "-display", "none"]
    argv += ["-no-reboot", "-kernel", str(image), "-append", " ".join(options)]
    argv += ["-serial", f"file:{qemu.value(str(log))}"]
    argv += ["-drive", f"file={qemu.value(str(disk))},format=raw,if=virtio,cache=unsafe"]
    for tag, path, read_only in (("root", "/", "on"), ("results", str(results), "off")):
        where = f"path={qemu.value(path)},security_model=none,readonly={read_only}"
        argv += ["-fsdev", f"local,id={tag},{where},multidevs=remap"]
        argv += ["-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}"]
    argv += ["-chardev", "file,id=output,path=/dev/stdout", "-device", "virtio-serial-pci"]
    return [*argv, "-device", "virtserialport,chardev=output"]


def main(command: Sequence[str]) -> int:
    """Run a command in the emulated host with the checkout's results/; return its exit code."""
    project, cache = Project.find(), Cache.default()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    cache.logs.mkdir(parents=True, exist_ok=True)
    log = cache.logs / "kvm-host.log"
    try:
        if reason := lacks_svm(log.with_suffix(".svm.log")):
            raise Unsupported(reason)
        ended = run(
            cache,
            Path(kernel(project, cache).image),
            command,
            folder=Path.cwd(),
            results=project.results,
            log=log,
            seconds=BY_HAND_S,
            env={},
            on_line=lambda line: print(line, flush=True),
        )
    except HarnessError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    return ended.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
